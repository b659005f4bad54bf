"""The loop around the training steps: what happens after each step, at intervals, and when something goes wrong."""

import logging
import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from gansample.errors import GansampleError
from train.checkpointer import SAVE_SECONDS, Checkpointer
from train.data.dataset import DataSet
from train.interruption import Interruption
from train.model.networks import Generator
from train.monitor import Incident, Monitor
from train.run_folder import RunFolder
from train.scores.evaluator import Evaluator
from train.selection import ScoredGenerator, Selector
from train.show import nearest
from train.show.plots import curves_png, grid_png
from train.show.progress import Progress
from train.show.report import write_report
from train.show.tensorboard import TensorBoard
from train.state import TrainingState
from train.training_step import NotFinite, StepMetrics, train

logger = logging.getLogger(__name__)

LOG_STEPS = 25  # losses are logged as means over this many steps
CALIBRATION = range(10, 110)  # steps whose time decides what the time limit allows; the first few are never typical
CLOSING_SECONDS = 8.0  # the final score, the samples and the curves


class TrainingDiverged(GansampleError):
    """Training cannot continue usefully; the best generator so far is intact."""

    exit_code = 7


class Trainer:
    """Trains `state` on `data`; the first process of a group also scores, shows, and writes everything into `run`.

    `evaluator` and `run` are None in every process but the first.
    `deadline` is a time.monotonic() by which the run should be over, or None. After the first steps were timed, the images
    that fit are fixed once, so that the schedule stays a function of the step alone.
    """

    def __init__(
        self,
        state: TrainingState,
        data: DataSet,
        evaluator: Evaluator | None,
        run: RunFolder | None,
        progress: Progress,
        deadline: float | None,
        provenance: Mapping[str, Any],
        save_seconds: float = SAVE_SECONDS,
    ) -> None:
        self.state, self.data, self.progress, self.deadline = state, data, progress, deadline
        self.monitor = Monitor(state.config)
        self.checkpointer = Checkpointer(run, data, provenance, save_seconds)
        self.stopped: Incident | None = None
        self.events: TensorBoard | None = None
        self.rows: list[dict[str, Any]] = []
        """What log.jsonl holds."""
        self._selector = Selector(evaluator, state.space, state.config) if evaluator is not None else None
        self._run = run
        self._evaluated_at_step = -1
        self._evaluation_seconds = 0.0
        self._step_metrics: list[StepMetrics] = []

    @property
    def selector(self) -> Selector:
        assert self._selector is not None, "only the first process scores"
        return self._selector

    @property
    def run(self) -> RunFolder:
        assert self._run is not None, "only the first process writes"
        return self._run

    def fit(self, interruption: Interruption) -> dict[str, Any]:
        """Train until done, interrupted or stopped by an incident. Returns the metrics that checkpoint.json ends with.

        Raises TrainingDiverged where not even rolling back helps, ProcessLost where a group falls apart, OutputError where
        the folder cannot be written; what was saved last is intact in all three cases.
        """
        if self.state.group.is_main and self.selector.selected is None:
            started = time.monotonic()
            self._evaluate()
            self._evaluation_seconds = time.monotonic() - started
        if not self.checkpointer.last_good:
            self.checkpointer.request()
        train(self.state, self.data, self._after_step, lambda: self._should_stop(interruption))
        if not self.state.group.is_main:
            return {}
        if self._evaluated_at_step != self.state.step:
            self._evaluate()
        return self._finish()

    def load_state(self, saved: Mapping[str, Any]) -> None:
        """Resume from a saved state: the next step is the one that would have come next."""
        self.monitor.load_state_dict(saved["watch"])
        if self._selector is not None:
            # Building a generator draws random weights, so this comes before the random stream is restored.
            generator = Generator(**self.state.generator_arguments)  # type: ignore[arg-type]
            if not self._selector.load_state_dict(saved, generator):
                logger.info("the classifier has changed since: the selected generator was scored again")
                assert self._selector.best is not None
                self.monitor.best_kernel = self._selector.best.kernel
                self.monitor.best_coverage = self._selector.best.coverage
        self.state.load_state_dict(saved["training"])
        self.checkpointer.remember(self.state)
        self._step_metrics = [StepMetrics(**metrics) for metrics in saved["readings"]]
        self._evaluated_at_step, self._evaluation_seconds = saved["looked_at_step"], saved["look_seconds"]
        self._calibration_started = time.monotonic()
        if self._run is not None:
            self.rows = self._run.forget_after(self.state.step)

    def _should_stop(self, interruption: Interruption) -> bool:
        """Agree with the other processes on whether to save and whether to stop, and save."""
        stopping = interruption.requested() or self.stopped is not None
        stop, save = self.state.group.any_process(stopping, self.checkpointer.due)
        if stop or save:
            self.checkpointer.save_state(self.state, self._run_state() if self.state.group.is_main else {})
        return stop

    def _run_state(self) -> dict[str, Any]:
        """What a run needs besides the training state to be resumed."""
        return {
            "watch": self.monitor.state_dict(),
            **self.selector.state_dict(),
            "readings": [asdict(metrics) for metrics in self._step_metrics],
            "looked_at_step": self._evaluated_at_step,
            "look_seconds": self._evaluation_seconds,
        }

    def _after_step(self, result: StepMetrics | NotFinite) -> None:
        state = self.state
        if isinstance(result, NotFinite):
            self._handle(self.monitor.after_failed_step(str(result)))
            return
        if state.group.is_main:
            self._step_metrics.append(result)
        if state.step == CALIBRATION.start:
            self._calibration_started = time.monotonic()
        if state.step == CALIBRATION.stop and self.deadline is not None:
            self._fit_into_time((time.monotonic() - self._calibration_started) / (len(CALIBRATION) * state.config.batch))
        if incident := self.monitor.after_step(state.step, result, state.augmentation.overfitting):
            self._handle(incident)
        if not state.group.is_main:
            return
        if state.step % LOG_STEPS == 0 or state.finished:
            self._log_losses()
        self.progress.step(result, state.images_seen, state.images_total)
        interval = state.images_total / state.config.evaluations
        if state.finished or state.images_seen // interval > (state.images_seen - state.config.batch) // interval:
            self._evaluate()

    def _handle(self, incident: Incident) -> None:
        """Report an incident and do what it calls for."""
        if self.state.group.is_main:
            self._log({"event": "warning", "kind": incident.kind, "message": incident.message, **self._now()})
            self.progress.warned(f"{incident.kind} at {self.state.images_seen:,} images: {incident.message}")
        match incident.action:
            case "roll_back":
                self.state.restore_weights(self.checkpointer.last_good)
                self.state.rate_factor /= 2
                self.state.set_learning_rates()
            case "augment":
                self.state.augmentation.raise_once()
            case "stop":
                self.stopped = incident
            case "abort":
                selected = self._selector.selected if self._selector is not None else None
                kept = f"the generator of {selected.images_seen:,} images" if selected else "the best generator"
                where = f"{self.run.path} keeps {kept}" if self._run else f"{kept} is kept"
                raise TrainingDiverged(incident.message, f"{where}; try smaller --set lr_g=… lr_d=…")

    def _fit_into_time(self, seconds_per_image: float) -> None:
        assert self.deadline is not None
        state = self.state
        evaluations = state.config.evaluations * self._evaluation_seconds + CLOSING_SECONDS
        affordable = state.images_seen + int((self.deadline - time.monotonic() - evaluations) / seconds_per_image)
        affordable = state.group.broadcast(affordable)
        if affordable < state.images_total:
            wanted, state.images_total = state.images_total, max(affordable, state.images_seen)
            logger.info(
                "%s img/s: the time limit allows %s of %s images",
                f"{1 / seconds_per_image:,.0f}", f"{state.images_total:,}", f"{wanted:,}",
            )  # fmt: skip

    def _evaluate(self) -> None:
        """Score and preview the generator as it would be exported now, and perhaps select it."""
        state, evaluator = self.state, self.selector.evaluator
        self._evaluated_at_step = state.step
        generator = state.snapshot()
        scores, images = self.selector.score_candidate(generator)
        self._preview(generator)
        self._log({"event": "scores", **self._now(), **scores.to_dict()})
        if state.step:
            self.progress.scored(scores, evaluator.floor, state.images_seen)
            progress = state.images_seen / state.images_total
            for incident in self.monitor.after_evaluation(scores, evaluator.spread(images), evaluator.real_spread, progress):
                self._handle(incident)
        candidate = ScoredGenerator(step=state.step, images_seen=state.images_seen, generator=generator, scores=scores)
        if self.selector.select(candidate):
            self.checkpointer.save_generator(state, candidate, self.selector.metrics(scores), finished=False)
        self.checkpointer.request()

    def _finish(self) -> dict[str, Any]:
        """The final score, samples, curves and report of the selected generator."""
        selected, evaluator = self.selector.selected, self.selector.evaluator
        assert selected is not None
        scores, images = self.selector.score_final(selected.generator)
        self.run.write(nearest.FILE, nearest.nearest_png(evaluator, self.data, images))
        metrics = self.selector.metrics(scores)
        self.checkpointer.save_generator(self.state, selected, metrics, finished=self.state.finished)
        self.run.write("samples.png", grid_png(self.selector.preview(selected.generator)))
        self.run.write("losses.png", curves_png(self.rows, evaluator.floor.to_dict(), self.run.path.name))
        write_report(self.run.path)
        return metrics

    def _preview(self, generator: Generator) -> None:
        png = grid_png(self.selector.preview(generator))
        self.run.write(f"previews/{self.state.images_seen:09d}.png", png)
        if self.events is not None:
            self.events.preview(png, self.state.images_seen)

    def _now(self) -> dict[str, int]:
        return {"step": self.state.step, "images_seen": self.state.images_seen}

    def _log_losses(self) -> None:
        rows = [asdict(metrics) for metrics in self._step_metrics]
        if not rows:
            return
        self._step_metrics.clear()
        means = {name: round(sum(row[name] for row in rows) / len(rows), 5) for name in rows[0]}
        means["augmentation"] = round(self.state.augmentation.probability, 4)
        self._log({"event": "losses", **self._now(), **means})

    def _log(self, row: dict[str, Any]) -> None:
        row |= {"time": round(time.time(), 2)}
        self.rows.append(row)
        self.run.log(row)
        if self.events is not None:
            self.events.row(row)
