"""What a person sees while a run goes on, on stderr: a live bar on a terminal, a line now and then in a log, or nothing."""

import sys
import time
from typing import Protocol

from train.judge import Scores
from train.loop import Reading


class Progress(Protocol):
    """Told what happens; decides what to show."""

    def note(self, text: str) -> None:
        """One line that stays."""

    def step(self, reading: Reading, images_seen: int, images_total: int) -> None:
        """After every step."""

    def scored(self, scores: Scores, floor: Scores, images_seen: int) -> None:
        """After every look at the averaged generator."""

    def close(self) -> None: ...


def open_progress(quiet: bool) -> Progress:
    """A live display on a terminal, plain lines elsewhere, silence where `quiet`."""
    if quiet:
        return Silence()
    return LiveBar() if sys.stderr.isatty() else PlainLines()


class Silence:
    def note(self, text: str) -> None: ...

    def step(self, reading: Reading, images_seen: int, images_total: int) -> None: ...

    def scored(self, scores: Scores, floor: Scores, images_seen: int) -> None: ...

    def close(self) -> None: ...


class PlainLines:
    """A line for every tenth of the run and for every score: readable in a log file, and no control characters."""

    def __init__(self) -> None:
        self._tenth = 0
        self._clock = Clock()

    def note(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    def step(self, reading: Reading, images_seen: int, images_total: int) -> None:
        self._clock.tick(images_seen)
        tenth = 10 * images_seen // images_total
        if tenth > self._tenth:
            self._tenth = tenth
            left = _minutes(self._clock.seconds_left(images_total))
            self.note(
                f"{min(100, 10 * tenth):3d} %  {images_seen:,} of {images_total:,} images  "
                f"{self._clock.images_per_second:,.0f} img/s  {left} left  {describe(reading)}"
            )

    def scored(self, scores: Scores, floor: Scores, images_seen: int) -> None:
        self.note(f"       {images_seen:,} images: {describe_scores(scores, floor)}")

    def close(self) -> None: ...


class LiveBar:
    """One bar that moves, with rate, time left, losses and the value function under it."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn

        self._console = Console(stderr=True, highlight=False)
        self._bar = Progress(
            BarColumn(bar_width=24),
            TextColumn("{task.percentage:3.0f} %  {task.fields[rate]}  {task.fields[left]} left  {task.fields[reading]}"),
            console=self._console,
            transient=True,
        )
        self._task = self._bar.add_task("train", rate="", left="?", reading="", visible=False)
        self._bar.start()
        self._clock = Clock()

    def note(self, text: str) -> None:
        self._console.print(text, markup=False, soft_wrap=True)

    def step(self, reading: Reading, images_seen: int, images_total: int) -> None:
        self._clock.tick(images_seen)
        self._bar.update(
            self._task,
            completed=images_seen,
            total=images_total,
            visible=True,
            rate=f"{self._clock.images_per_second:,.0f} img/s",
            left=_minutes(self._clock.seconds_left(images_total)),
            reading=describe(reading),
        )

    def scored(self, scores: Scores, floor: Scores, images_seen: int) -> None:
        self.note(f"{images_seen:>9,} images  {describe_scores(scores, floor)}")

    def close(self) -> None:
        self._bar.stop()


class Clock:
    """Seconds per image, averaged over about the last fifty steps, looks at the generator included."""

    def __init__(self) -> None:
        self._seconds_per_image = 0.0
        self._seen, self._time = 0, time.monotonic()

    def tick(self, images_seen: int) -> None:
        now = time.monotonic()
        latest = (now - self._time) / (images_seen - self._seen)
        self._seconds_per_image = latest if self._seen == 0 else 0.98 * self._seconds_per_image + 0.02 * latest
        self._seen, self._time = images_seen, now

    @property
    def images_per_second(self) -> float:
        return 1 / self._seconds_per_image

    def seconds_left(self, images_total: int) -> float:
        return max(0, images_total - self._seen) * self._seconds_per_image


def describe(reading: Reading) -> str:
    return (
        f"V {reading.value:+.2f}  D(x) {reading.d_real:.2f}  D(G(z)) {reading.d_fake:.2f}  "
        f"loss D {reading.loss_d:.2f} G {reading.loss_g:+.2f}"
    )


def describe_scores(scores: Scores, floor: Scores) -> str:
    return (
        f"Fréchet {scores.frechet:.1f} (real {floor.frechet:.1f})  coverage {scores.coverage:.2f} (real {floor.coverage:.2f})  "
        f"{scores.classes_seen} of {len(scores.class_shares)} classes"
    )


def _minutes(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
