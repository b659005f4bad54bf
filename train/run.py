"""One whole run: data, evaluator, training, report. Everything here happens once; what happens every step is in `trainer`."""

import json
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from gansample.errors import UsageError
from train.checkpointer import SAVE_SECONDS, provenance
from train.data.dataset import MIN_HELD_OUT, DataSet
from train.data.load import load_data
from train.distributed import ProcessGroup
from train.interruption import Interruption
from train.machine import device_for, make_reproducible, resolve_config
from train.plan import TrainingPlan
from train.run_folder import CONFIG, RunFolder
from train.scores.evaluator import Evaluator
from train.show.progress import Progress
from train.show.tensorboard import TensorBoard
from train.state import TrainingState
from train.state_files import load_newest_state
from train.trainer import Trainer

logger = logging.getLogger(__name__)

DECODING_SECONDS = 3.0  # between two lines about reading pictures


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingResult:
    """How a run ended."""

    metrics: Mapping[str, Any]
    finished: bool
    interrupted: int
    """The exit code of the signal that ended it, 0 where none did."""
    stopped: str
    """The incident that ended it, in one line, or nothing."""


def run_training(
    plan: TrainingPlan,
    folder: RunFolder | None,
    progress: Progress,
    started: float,
    *,
    resume: bool = False,
    force: bool = False,
    save_seconds: float = SAVE_SECONDS,
) -> TrainingResult:
    """Train as `plan` says, into `folder` (None in every process of a group but the first).

    started  time.monotonic() from which a time limit counts.
    resume   continue from the newest state in the folder, or begin if it ended before its first one; `force` allows data that
             have changed since.
    """
    with ProcessGroup.from_environment(device_for(plan.config)) as group:
        group.check_batch(plan.config.batch)
        data = load_data(plan.request, DecodingProgress().report)
        config = plan.config
        if not resume:
            config = resolve_config(config, data, group)
        make_reproducible(config)
        plan = replace(plan, config=config)
        source = provenance(plan, data, group)
        if folder is not None and resume:
            _check_same(folder, data, group, force)
        elif folder is not None:
            folder.write_json(CONFIG, {**plan.to_dict(), **source})
            if data.skipped:
                folder.write("skipped.json", json.dumps([[entry.name, entry.reason] for entry in data.skipped]).encode())
        evaluator = Evaluator(data) if group.is_main else None
        if evaluator is not None and folder is not None:
            logger.info(f"{folder.path}: {plan.preset}, {config.images:,} images of {data.name}, seed {config.seed}")
            who = f"{evaluator.name} of the real pictures, {evaluator.sha256[:12]}"
            logger.info(f"{who}: {evaluator.accuracy:.1%} of the held-out ones right")
            if (held_out := len(data.held_out_images)) < MIN_HELD_OUT:
                logger.warning(f"only {held_out} pictures are held out: scores of so few say little, look at the previews")
        saved = group.broadcast(_saved(folder)) if resume else None
        deadline = started + 60 * plan.max_minutes if plan.max_minutes is not None and saved is None else None
        with Interruption() as interruption:
            state = TrainingState(config, data, group)
            trainer = Trainer(state, data, evaluator, folder, progress, deadline, source, save_seconds)
            if saved is not None:
                trainer.load_state(saved)
                logger.info(f"resuming after {trainer.state.images_seen:,} of {trainer.state.images_total:,} images")
            elif resume and folder is not None:
                trainer.rows = folder.forget_after(-1)
                logger.info("it had ended before its first state: starting at the first step")
            if plan.tensorboard and evaluator is not None and folder is not None:
                seen = trainer.state.images_seen if resume else None
                trainer.events = TensorBoard(folder.path, evaluator.floor.to_dict(), seen)
            try:
                metrics = trainer.fit(interruption)
            finally:
                if trainer.events is not None:
                    trainer.events.close()
    return TrainingResult(
        metrics=metrics,
        finished=trainer.state.finished,
        interrupted=interruption.exit_code,
        stopped=trainer.stopped.message if trainer.stopped else "",
    )


def _saved(folder: RunFolder | None) -> Mapping[str, Any] | None:
    """The state to resume from; None where the run ended before it wrote one, and in every process but the first."""
    return load_newest_state(folder.path) if folder is not None and not folder.has_not_begun() else None


class DecodingProgress:
    """Logs how many pictures have been read, every few seconds."""

    def __init__(self) -> None:
        self._logged_at = time.monotonic()

    def report(self, done: int, count: int) -> None:
        if time.monotonic() - self._logged_at >= DECODING_SECONDS:
            self._logged_at = time.monotonic()
            logger.info(f"{done / count:4.0%} of {count:,} pictures read")


def _check_same(folder: RunFolder, data: DataSet, group: ProcessGroup, force: bool) -> None:
    """Refuse to resume with other pictures or another number of processes: that would be another run."""
    before = folder.config()
    if before["data"]["fingerprint"] != data.fingerprint and not force:
        raise UsageError(
            f"{data.name} has changed: fingerprint {data.fingerprint[:12]}…, when {folder.path} started it was "
            f"{before['data']['fingerprint'][:12]}…",
            "restore the pictures as they were, or pass --force to continue with these",
        )
    if before["processes"] != group.size:
        raise UsageError(
            f"{folder.path} was trained by {before['processes']} processes, not {group.size}",
            "start as many: each has a random stream of its own",
        )
