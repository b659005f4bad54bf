"""What a person sees on stderr during a run: a live bar on a terminal, a line now and then in a log, or nothing."""

import contextlib
import logging
import sys
import time
from collections.abc import Iterator
from typing import Protocol

from gansample.system.streams import with_codes
from train.scores.evaluator import Scores
from train.training_step import StepMetrics


class Progress(Protocol):
    """Receives what happens and decides what to show."""

    def note(self, text: str) -> None:
        """One line that stays."""

    def step(self, metrics: StepMetrics, images_seen: int, images_total: int) -> None:
        """After every step."""

    def scored(self, scores: Scores, floor: Scores, images_seen: int) -> None:
        """After every evaluation of the averaged generator."""

    def warned(self, text: str) -> None:
        """One line that stays and stands out: an incident."""

    def close(self) -> None: ...


@contextlib.contextmanager
def open_progress(quiet: bool) -> Iterator[Progress]:
    """A live display on a terminal, plain lines elsewhere, nothing where `quiet`; it also shows what train/ logs meanwhile."""
    progress: Progress = NoProgress() if quiet else LiveBar() if sys.stderr.isatty() else PlainLines()
    logger, handler = logging.getLogger("train"), ProgressHandler(progress)
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield progress
    finally:
        logger.removeHandler(handler)
        progress.close()


class ProgressHandler(logging.Handler):
    """Shows log records as notes, so that they do not tear a live display."""

    def __init__(self, progress: Progress) -> None:
        super().__init__()
        self._progress = progress

    def emit(self, record: logging.LogRecord) -> None:
        self._progress.note(self.format(record))


class NoProgress:
    def note(self, text: str) -> None: ...

    def step(self, metrics: StepMetrics, images_seen: int, images_total: int) -> None: ...

    def scored(self, scores: Scores, floor: Scores, images_seen: int) -> None: ...

    def warned(self, text: str) -> None: ...

    def close(self) -> None: ...


class PlainLines:
    """A line for every tenth of the run and for every score: readable in a log file, and no control characters."""

    def __init__(self) -> None:
        self._tenth: int | None = None
        self._clock = Clock()

    def note(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    def step(self, metrics: StepMetrics, images_seen: int, images_total: int) -> None:
        pace = self._clock.pace(images_seen, images_total)
        tenth = 10 * images_seen // images_total
        if self._tenth is None:  # a resumed run does not repeat the tenth that it stopped in
            self._tenth = tenth
        if tenth > self._tenth:
            self._tenth = tenth
            self.note(f"{min(100, 10 * tenth):3d} %  {images_seen:,} of {images_total:,} images  {pace}  {describe(metrics)}")

    def scored(self, scores: Scores, floor: Scores, images_seen: int) -> None:
        self.note(f"       {images_seen:,} images: {describe_scores(scores, floor)}")

    def warned(self, text: str) -> None:
        self.note(f"warning: {text}")

    def close(self) -> None: ...


class LiveBar:
    """A bar with rate and time left; under it D's answers, and the last distances beside the real pictures'."""

    def __init__(self) -> None:
        from rich.console import Console, Group
        from rich.live import Live
        from rich.progress import BarColumn, Progress, TextColumn
        from rich.text import Text

        self._bar = Progress(BarColumn(), TextColumn("{task.percentage:3.0f} %  {task.fields[pace]}"))
        self._task = self._bar.add_task("train", pace="", visible=False)
        self._metrics, self._scores = Text(), Text(style="dim")
        lines = Group(self._bar, self._metrics, self._scores)
        self._live = Live(lines, console=Console(file=with_codes(sys.stderr), highlight=False), transient=True)
        self._live.start()
        self._clock = Clock()

    def note(self, text: str) -> None:
        self._live.console.print(text, markup=False, soft_wrap=True)

    def step(self, metrics: StepMetrics, images_seen: int, images_total: int) -> None:
        pace = self._clock.pace(images_seen, images_total)
        self._bar.update(self._task, completed=images_seen, total=images_total, visible=True, pace=pace)
        self._metrics.plain = describe(metrics)

    def scored(self, scores: Scores, floor: Scores, images_seen: int) -> None:
        described = describe_scores(scores, floor)
        self._scores.plain = f"at {images_seen:,} images: {described}"
        self.note(f"{images_seen:>9,} images  {described}")

    def warned(self, text: str) -> None:
        self._live.console.print(f"warning: {text}", markup=False, soft_wrap=True, style="yellow")

    def close(self) -> None:
        self._live.stop()


class Clock:
    """Seconds per image, averaged over about the last fifty steps, evaluations included."""

    def __init__(self) -> None:
        self._seconds_per_image = 0.0
        self._seen, self._time = 0, 0.0

    def pace(self, images_seen: int, images_total: int) -> str:
        """Call after every step. Empty after the first, which nothing can be measured against."""
        now = time.monotonic()
        if self._seen:
            latest = (now - self._time) / (images_seen - self._seen)
            self._seconds_per_image += (0.02 if self._seconds_per_image else 1.0) * (latest - self._seconds_per_image)
        self._seen, self._time = images_seen, now
        if not self._seconds_per_image:
            return ""
        left = round(max(0, images_total - images_seen) * self._seconds_per_image)
        minutes = f"{left // 3600}:{left // 60 % 60:02d}" if left >= 3600 else f"{left // 60}"
        return f"{1 / self._seconds_per_image:,.0f} img/s  {minutes}:{left % 60:02d} left"


def describe(metrics: StepMetrics) -> str:
    return (
        f"V {metrics.value:+.2f}  D(x) {metrics.d_real:.2f}  D(G(z)) {metrics.d_fake:.2f}  "
        f"loss D {metrics.loss_d:.2f} G {metrics.loss_g:+.2f}"
    )


def describe_scores(scores: Scores, floor: Scores) -> str:
    accuracy = ""
    if scores.obedience is not None and floor.obedience is not None:
        accuracy = f"  class accuracy {scores.obedience:.0%} (real {floor.obedience:.0%})"
    return (
        f"Fréchet {scores.frechet:.1f} (real {floor.frechet:.1f})  coverage {scores.coverage:.2f} (real {floor.coverage:.2f})  "
        f"{scores.classes_seen} of {len(scores.class_shares)} classes{accuracy}"
    )
