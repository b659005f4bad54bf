"""One run: play, look at intervals, keep the best, leave a folder behind."""

import platform
import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import torch

import gansample
from gansample.errors import GansampleError
from train.average import draw
from train.checkpoint import save_checkpoint
from train.config import Config
from train.data.dataset import DataSet
from train.interruption import Interruption
from train.loop import NotFinite, Reading, train
from train.model import Generator, generator_arguments
from train.pixels import to_bytes
from train.run_folder import RunFolder
from train.scores.judge import Judge, Scores
from train.show.plots import curves_png, grid_png
from train.show.progress import Progress
from train.state import Candidate, TrainingState

PREVIEW_SEEDS = range(64)  # the pictures that `gansample --n 64` draws from the exported bundle
SCORE_SEEDS = range(1_000_000, 2_000_000)
FINAL_SEEDS = range(2_000_000, 3_000_000)  # selection never saw these
LOG_STEPS = 25  # losses are logged as means over this many steps

CALIBRATION = range(10, 110)  # steps whose time decides what the time limit allows; the first few are never typical
CLOSING_SECONDS = 8.0  # the last score, the samples and the curves


class TrainingDiverged(GansampleError):
    """Training cannot go on; the last checkpoint is intact."""


class Session:
    """Trains `state` on `data` and writes everything into `run`.

    `deadline` is a time.monotonic() by which the run should be over, or None. After the first steps were timed, the images
    that fit are fixed once, so that the schedule stays a function of the step alone.
    """

    def __init__(
        self,
        state: TrainingState,
        data: DataSet,
        judge: Judge,
        run: RunFolder,
        progress: Progress,
        deadline: float | None,
        provenance: Mapping[str, Any],
    ) -> None:
        self.state, self.data, self.judge, self.run, self.progress = state, data, judge, run, progress
        self.deadline, self.provenance = deadline, provenance
        self.kept: Candidate | None = None
        self._best: Scores | None = None
        self._looked_at_step = -1
        self._rows: list[dict[str, Any]] = []
        self._readings: list[Reading] = []

    def play(self, interruption: Interruption) -> dict[str, Any]:
        """Train until done or interrupted. Returns the metrics that checkpoint.json ends with.

        Raises TrainingDiverged where a loss is no number, OutputError where the folder cannot be written; the last
        checkpoint is intact in both cases.
        """
        started = time.monotonic()
        self._look()
        self._look_seconds = time.monotonic() - started
        try:
            train(self.state, self.data, self._observe, interruption.requested)
        except NotFinite as error:
            kept = self.kept.images_seen if self.kept else 0
            raise TrainingDiverged(
                str(error), f"{self.run.path} keeps the generator of {kept:,} images; try smaller --set lr_g=… lr_d=…"
            ) from None
        if self._looked_at_step != self.state.step:
            self._look()
        return self._close()

    def _observe(self, reading: Reading) -> None:
        state = self.state
        self._readings.append(reading)
        if state.step == CALIBRATION.start:
            self._calibration_started = time.monotonic()
        if state.step == CALIBRATION.stop and self.deadline is not None:
            self._fit_into_time((time.monotonic() - self._calibration_started) / (len(CALIBRATION) * state.config.batch))
        if state.step % LOG_STEPS == 0 or state.finished:
            self._log_losses()
        self.progress.step(reading, state.images_seen, state.images_total)
        part = state.images_total / state.config.evaluations
        if state.finished or state.images_seen // part > (state.images_seen - state.config.batch) // part:
            self._look()

    def _fit_into_time(self, seconds_per_image: float) -> None:
        assert self.deadline is not None
        looks = self.state.config.evaluations * self._look_seconds + CLOSING_SECONDS
        affordable = self.state.images_seen + int((self.deadline - time.monotonic() - looks) / seconds_per_image)
        if affordable < self.state.images_total:
            wanted, self.state.images_total = self.state.images_total, max(affordable, self.state.images_seen)
            self.progress.note(
                f"{1 / seconds_per_image:,.0f} img/s: the time allows {self.state.images_total:,} of {wanted:,} images"
            )

    def _look(self) -> None:
        """Score, preview, and perhaps keep the generator as it would be exported now."""
        state = self.state
        self._looked_at_step = state.step
        generator = state.snapshot()
        scores = self.judge.score(self._pictures(generator, SCORE_SEEDS[: self.judge.images_wanted]))
        self.run.write(f"previews/{state.images_seen:09d}.png", grid_png(self._pictures(generator, PREVIEW_SEEDS)))
        self._log({"event": "scores", "step": state.step, "images_seen": state.images_seen, **scores.to_dict()})
        if state.step:
            self.progress.scored(scores, self.judge.floor, state.images_seen)
        if self._is_to_be_kept(scores):
            self.kept = Candidate(step=state.step, images_seen=state.images_seen, generator=generator, scores=scores)
            self._save(finished=False, metrics=self._metrics(scores))

    def _is_to_be_kept(self, scores: Scores) -> bool:
        """The latest whose kernel distance is within one standard deviation of the smallest: later wins what noise decides."""
        best = self._best
        if best is None or scores.kernel < best.kernel:
            self._best = scores
        return self.state.config.select == "last" or best is None or scores.kernel <= best.kernel + best.kernel_sd

    def _close(self) -> dict[str, Any]:
        assert self.kept is not None
        final = self.judge.score(self._pictures(self.kept.generator, FINAL_SEEDS[: self.judge.images_wanted]))
        metrics = self._metrics(final)
        self._save(finished=self.state.finished, metrics=metrics)
        self.run.write("samples.png", grid_png(self._pictures(self.kept.generator, PREVIEW_SEEDS)))
        self.run.write("losses.png", curves_png(self._rows, self.judge.floor.to_dict(), self.run.path.name))
        return metrics

    def _metrics(self, scores: Scores) -> dict[str, Any]:
        return {
            "scores": scores.to_dict(),
            "real": self.judge.floor.to_dict(),
            "classifier": {"accuracy": round(self.judge.accuracy, 4), "sha256": self.judge.sha256},
        }

    def _save(self, *, finished: bool, metrics: Mapping[str, Any]) -> None:
        assert self.kept is not None
        config, data = self.state.config, self.data
        save_checkpoint(
            self.run.path,
            self.kept.generator,
            {
                "name": data.name,
                "generator": generator_arguments(config, data.channels),
                "latent": {"size": config.latent_size, "distribution": config.latent_distribution},
                "image": {"size": config.image_size, "channels": data.channels, "range": config.output},
                "classes": None,
                "step": self.kept.step,
                "images_seen": self.kept.images_seen,
                "finished": finished,
                "selected_by": "kernel distance" if config.select == "best" else "last",
                "trained": {"step": self.state.step, "images_seen": self.state.images_seen, "of": self.state.images_total},
                "metrics": metrics,
                **self.provenance,
            },
        )

    def _pictures(self, generator: Generator, seeds: range) -> torch.Tensor:
        config = self.state.config
        return to_bytes(draw(generator, seeds, config.latent_distribution, config.latent_size), config.output)

    def _log_losses(self) -> None:
        rows = [asdict(reading) for reading in self._readings]
        self._readings.clear()
        means = {name: round(sum(row[name] for row in rows) / len(rows), 5) for name in rows[0]}
        self._log({"event": "losses", "step": self.state.step, "images_seen": self.state.images_seen, **means})

    def _log(self, row: dict[str, Any]) -> None:
        row |= {"time": round(time.time(), 2)}
        self._rows.append(row)
        self.run.log(row)


def provenance(config: Config, preset: str, data: DataSet, command: str) -> dict[str, Any]:
    """Where a run comes from, in every one of its files."""
    return {
        "preset": preset,
        "seed": config.seed,
        "config": config.to_dict(),
        "data": {"name": data.name, "fingerprint": data.fingerprint, "images": len(data.images)},
        "versions": {
            "gansample": gansample.__version__,
            "python": platform.python_version(),
            "torch": str(torch.__version__),
            "threads": torch.get_num_threads(),
        },
        "command": command,
    }
