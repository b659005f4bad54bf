"""One run: play, look at intervals, keep the best, monitor for trouble, leave a folder behind that can be gone on from."""

import copy
import platform
import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import torch

import gansample
from gansample.errors import GansampleError
from train.checkpoint import save_checkpoint
from train.data.dataset import DataSet
from train.distributed import ProcessGroup
from train.interruption import Interruption
from train.model.latents import GeneratorInputs
from train.model.networks import Generator, generate_images
from train.model.pixels import to_bytes
from train.monitor import Incident, Monitor
from train.plan import TrainingPlan
from train.run_folder import RunFolder
from train.scores.evaluator import Evaluator, Scores
from train.show import nearest
from train.show.plots import curves_png, grid_png
from train.show.progress import Progress
from train.show.report import write_report
from train.show.tensorboard import TensorBoard
from train.state import ScoredGenerator, TrainingState
from train.state_files import write_state
from train.training_step import NotFinite, StepMetrics, train

PREVIEW_SEEDS = range(64)  # the pictures that `gansample --n 64` draws from the exported bundle
SCORE_SEEDS = range(1_000_000, 2_000_000)
FINAL_SEEDS = range(2_000_000, 3_000_000)  # selection never saw these
LOG_STEPS = 25  # losses are logged as means over this many steps
SAVE_SECONDS = 60.0  # how much work a power cut may cost

CALIBRATION = range(10, 110)  # steps whose time decides what the time limit allows; the first few are never typical
CLOSING_SECONDS = 8.0  # the last score, the samples and the curves


class TrainingDiverged(GansampleError):
    """Training cannot go on, or not to any use; the best generator so far is intact."""

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
        self.state, self.data, self.progress = state, data, progress
        self._evaluator, self._run = evaluator, run
        self.deadline, self.provenance, self.save_seconds = deadline, provenance, save_seconds
        self.monitor = Monitor(state.config)
        self.selected: ScoredGenerator | None = None
        self.stopped: Incident | None = None
        self.events: TensorBoard | None = None
        self._best: Scores | None = None
        self._evaluated_at_step = -1
        self._evaluation_seconds = 0.0
        self._rows: list[dict[str, Any]] = []
        self._step_metrics: list[StepMetrics] = []
        self._good: dict[str, Any] = {}
        self._save_now, self._saved_at = False, time.monotonic()

    @property
    def evaluator(self) -> Evaluator:
        assert self._evaluator is not None, "only the first process scores"
        return self._evaluator

    @property
    def run(self) -> RunFolder:
        assert self._run is not None, "only the first process writes"
        return self._run

    def fit(self, interruption: Interruption) -> dict[str, Any]:
        """Train until done, interrupted or stopped by a fault. Returns the metrics that checkpoint.json ends with.

        Raises TrainingDiverged where not even going back helps, ProcessLost where a group falls apart, OutputError where
        the folder cannot be written; what was saved last is intact in all three cases.
        """
        if self.state.group.is_main and self.selected is None:
            started = time.monotonic()
            self._evaluate()
            self._evaluation_seconds = time.monotonic() - started
        self._save_now = not self._good
        train(self.state, self.data, self._after_step, lambda: self._should_stop(interruption))
        if not self.state.group.is_main:
            return {}
        if self._evaluated_at_step != self.state.step:
            self._evaluate()
        return self._close()

    def _should_stop(self, interruption: Interruption) -> bool:
        """Agree with the other processes on whether to save and whether to stop."""
        due = self._save_now or time.monotonic() - self._saved_at >= self.save_seconds
        stop, save = self.state.group.any_process(interruption.requested() or self.stopped is not None, due)
        if stop or save:
            self._save_state()
        return stop

    def _after_step(self, seen: StepMetrics | NotFinite) -> None:
        state = self.state
        if isinstance(seen, NotFinite):
            self._handle(self.monitor.after_failed_step(str(seen)))
            return
        if state.group.is_main:
            self._step_metrics.append(seen)
        if state.step == CALIBRATION.start:
            self._calibration_started = time.monotonic()
        if state.step == CALIBRATION.stop and self.deadline is not None:
            self._fit_into_time((time.monotonic() - self._calibration_started) / (len(CALIBRATION) * state.config.batch))
        if incident := self.monitor.after_step(state.step, seen, state.augmentation.overfitting):
            self._handle(incident)
        if not state.group.is_main:
            return
        if state.step % LOG_STEPS == 0 or state.finished:
            self._log_losses()
        self.progress.step(seen, state.images_seen, state.images_total)
        part = state.images_total / state.config.evaluations
        if state.finished or state.images_seen // part > (state.images_seen - state.config.batch) // part:
            self._evaluate()

    def _handle(self, incident: Incident) -> None:
        """Say what was found and do about it what it asks for."""
        if self.state.group.is_main:
            self._log({"event": "warning", "kind": incident.kind, "message": incident.message, **self._now()})
            self.progress.warned(f"{incident.kind} at {self.state.images_seen:,} images: {incident.message}")
        match incident.action:
            case "roll_back":
                self.state.restore_weights(self._good)
                self.state.rate_factor /= 2
                self.state.set_learning_rates()
            case "augment":
                self.state.augmentation.raise_once()
            case "stop":
                self.stopped = incident
            case "abort":
                kept = self.selected.images_seen if self.selected else 0
                where = f"{self.run.path} keeps the generator of {kept:,} images" if self._run else "the best generator is kept"
                raise TrainingDiverged(incident.message, f"{where}; try smaller --set lr_g=… lr_d=…")

    def _fit_into_time(self, seconds_per_image: float) -> None:
        assert self.deadline is not None
        state = self.state
        evaluations = state.config.evaluations * self._evaluation_seconds + CLOSING_SECONDS
        affordable = state.images_seen + int((self.deadline - time.monotonic() - evaluations) / seconds_per_image)
        affordable = state.group.broadcast(affordable)
        if affordable < state.images_total:
            wanted, state.images_total = state.images_total, max(affordable, state.images_seen)
            self.progress.note(
                f"{1 / seconds_per_image:,.0f} img/s: the time allows {state.images_total:,} of {wanted:,} images"
            )

    def _evaluate(self) -> None:
        """Score, preview, and perhaps keep the generator as it would be exported now."""
        state = self.state
        self._evaluated_at_step = state.step
        generator = state.snapshot()
        inputs = state.space.inputs_for_scoring(SCORE_SEEDS[: self.evaluator.images_wanted])
        pictures = self._pictures(generator, inputs)
        scores = self.evaluator.score(pictures, inputs.labels)
        self._preview(generator)
        self._log({"event": "scores", **self._now(), **scores.to_dict()})
        if state.step:
            self.progress.scored(scores, self.evaluator.floor, state.images_seen)
            for incident in self.monitor.after_evaluation(
                scores, self.evaluator.spread(pictures), self.evaluator.real_spread, state.images_seen / state.images_total
            ):
                self._handle(incident)
        if self._is_selected(scores):
            self.selected = ScoredGenerator(step=state.step, images_seen=state.images_seen, generator=generator, scores=scores)
            self._save(finished=False, metrics=self._metrics(scores))
        self._save_now = True

    def _is_selected(self, scores: Scores) -> bool:
        """The latest whose kernel distance is within one standard deviation of the smallest: later wins what noise decides."""
        best = self._best
        if best is None or scores.kernel < best.kernel:
            self._best = scores
        return self.state.config.select == "last" or best is None or scores.kernel <= best.kernel + best.kernel_sd

    def _close(self) -> dict[str, Any]:
        assert self.selected is not None
        inputs = self.state.space.inputs_for_scoring(FINAL_SEEDS[: self.evaluator.images_wanted_final])
        pictures = self._pictures(self.selected.generator, inputs)
        final = self.evaluator.score(pictures, inputs.labels)
        self.run.write(nearest.FILE, nearest.nearest_png(self.evaluator, self.data, pictures))
        metrics = self._metrics(final)
        self._save(finished=self.state.finished, metrics=metrics)
        self.run.write(
            "samples.png", grid_png(self._pictures(self.selected.generator, self.state.space.inputs_for_seeds(PREVIEW_SEEDS)))
        )
        self.run.write("losses.png", curves_png(self._rows, self.evaluator.floor.to_dict(), self.run.path.name))
        write_report(self.run.path)
        return metrics

    def _metrics(self, scores: Scores) -> dict[str, Any]:
        return {
            "scores": scores.to_dict(),
            "real": self.evaluator.floor.to_dict(),
            "classifier": self.evaluator.describe(),
            "class_names": list(self.evaluator.class_names),
        }

    def _save(self, *, finished: bool, metrics: Mapping[str, Any]) -> None:
        assert self.selected is not None
        config, data = self.state.config, self.data
        save_checkpoint(
            self.run.path,
            self.selected.generator,
            {
                "name": data.name,
                "generator": self.state.generator_arguments,
                "latent": {"size": config.latent_size, "distribution": config.latent_distribution},
                "image": {"size": config.image_size, "channels": data.channels, "range": config.output},
                "classes": list(data.class_names) if config.conditional and data.class_names is not None else None,
                "step": self.selected.step,
                "images_seen": self.selected.images_seen,
                "finished": finished,
                "selected_by": "kernel distance" if config.select == "best" else "last",
                "trained": {"step": self.state.step, "images_seen": self.state.images_seen, "of": self.state.images_total},
                "metrics": metrics,
                **self.provenance,
            },
        )

    def _save_state(self) -> None:
        """Everything, to go on from later or to go back to; every process of a group takes part."""
        self._save_now, self._saved_at = False, time.monotonic()
        training = self.state.state_dict()
        self._good = copy.deepcopy(training)
        if not self.state.group.is_main:
            return
        assert self.selected is not None
        write_state(
            self.run,
            self.state.step,
            {
                "training": training,
                "watch": self.monitor.state_dict(),
                "best": asdict(self._best) if self._best else None,
                "judge": self.evaluator.sha256,
                "kept": {
                    "step": self.selected.step,
                    "images_seen": self.selected.images_seen,
                    "generator": self.selected.generator.state_dict(),
                    "scores": asdict(self.selected.scores),
                },
                "readings": [asdict(metrics) for metrics in self._step_metrics],
                "looked_at_step": self._evaluated_at_step,
                "look_seconds": self._evaluation_seconds,
            },
        )

    def load_state(self, saved: Mapping[str, Any]) -> None:
        """Take up a run where a state was saved: the next step is the one that would have come next."""
        generator = Generator(**self.state.generator_arguments)  # type: ignore[arg-type]  # draws its first weights: before the
        self.state.load_state_dict(saved["training"])  # random stream is put where it was
        self._good = copy.deepcopy(self.state.state_dict())
        self.monitor.load_state_dict(saved["watch"])
        generator.load_state_dict(saved["kept"]["generator"])
        generator.eval().requires_grad_(False)
        same_classifier = self._evaluator is None or saved["judge"] == self._evaluator.sha256
        if same_classifier:
            self._best, scores = Scores(**saved["best"]), Scores(**saved["kept"]["scores"])
        else:  # another version trains another classifier, in whose space the old scores mean nothing
            self.progress.note("the classifier has changed since: the kept generator is scored anew")
            self._best = scores = self._score(generator, SCORE_SEEDS[: self.evaluator.images_wanted])
            self.monitor.best_kernel, self.monitor.best_coverage = scores.kernel, scores.coverage
        kept = saved["kept"]
        self.selected = ScoredGenerator(step=kept["step"], images_seen=kept["images_seen"], generator=generator, scores=scores)
        self._step_metrics = [StepMetrics(**metrics) for metrics in saved["readings"]]
        self._evaluated_at_step, self._evaluation_seconds = saved["looked_at_step"], saved["look_seconds"]
        self._calibration_started = time.monotonic()
        if self._run is not None:
            self._rows = self._run.forget_after(self.state.step)

    def _score(self, generator: Generator, seeds: range) -> Scores:
        inputs = self.state.space.inputs_for_scoring(seeds)
        return self.evaluator.score(self._pictures(generator, inputs), inputs.labels)

    def _preview(self, generator: Generator) -> None:
        png = grid_png(self._pictures(generator, self.state.space.inputs_for_seeds(PREVIEW_SEEDS)))
        self.run.write(f"previews/{self.state.images_seen:09d}.png", png)
        if self.events is not None:
            self.events.preview(png, self.state.images_seen)

    def _pictures(self, generator: Generator, inputs: GeneratorInputs) -> torch.Tensor:
        return to_bytes(generate_images(generator, inputs), self.state.config.output)

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
        self._rows.append(row)
        self.run.log(row)
        if self.events is not None:
            self.events.row(row)


def provenance(plan: TrainingPlan, data: DataSet, group: ProcessGroup) -> dict[str, Any]:
    """Where a run comes from, in every one of its files."""
    return {
        "preset": plan.preset,
        "seed": plan.config.seed,
        "config": plan.config.to_dict(),
        "data": {"name": data.name, "fingerprint": data.fingerprint, "images": len(data.images)},
        "versions": {
            "gansample": gansample.__version__,
            "python": platform.python_version(),
            "torch": str(torch.__version__),
        },
        "processes": group.size,
        "command": plan.command,
    }
