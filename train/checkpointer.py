"""When and what a run saves: training states to resume from, and the selected generator.

The files themselves are written by `state_files` and `checkpoint`.
"""

import copy
import platform
import time
from collections.abc import Mapping
from typing import Any

import torch

import gansample
from train.checkpoint import save_checkpoint
from train.data.dataset import DataSet
from train.distributed import ProcessGroup
from train.plan import TrainingPlan
from train.run_folder import RunFolder
from train.selection import ScoredGenerator
from train.state import TrainingState
from train.state_files import write_state

SAVE_SECONDS = 60.0  # how much work a power cut may cost


class Checkpointer:
    """Saves into `run`, which is None in every process but the first: those only take part in gathering the state."""

    def __init__(self, run: RunFolder | None, data: DataSet, provenance: Mapping[str, Any], save_seconds: float) -> None:
        self.last_good: dict[str, Any] = {}
        """The training state saved last, to roll back to; empty before the first save."""
        self._run, self._data, self._provenance, self._save_seconds = run, data, provenance, save_seconds
        self._requested, self._saved_at = False, time.monotonic()

    @property
    def due(self) -> bool:
        """Whether to save before the next step."""
        return self._requested or time.monotonic() - self._saved_at >= self._save_seconds

    def request(self) -> None:
        """Make the next save due now."""
        self._requested = True

    def remember(self, state: TrainingState) -> dict[str, Any]:
        """The state as plain tensors, copied to roll back to. Called in every process at the same step."""
        training = state.state_dict()
        self.last_good = copy.deepcopy(training)
        return training

    def save_state(self, state: TrainingState, rest: Mapping[str, Any]) -> None:
        """Write the state and the `rest` of the run. Called in every process at the same step."""
        self._requested, self._saved_at = False, time.monotonic()
        training = self.remember(state)
        if self._run is not None:
            write_state(self._run, state.step, {"training": training, **rest})

    def save_generator(
        self, state: TrainingState, selected: ScoredGenerator, metrics: Mapping[str, Any], *, finished: bool
    ) -> None:
        """Write the selected generator and checkpoint.json."""
        assert self._run is not None
        config, data = state.config, self._data
        save_checkpoint(
            self._run.path,
            selected.generator,
            {
                "name": data.name,
                "generator": state.generator_arguments,
                "latent": {"size": config.latent_size, "distribution": config.latent_distribution},
                "image": {"size": config.image_size, "channels": data.channels, "range": config.output},
                "classes": list(data.class_names) if config.conditional and data.class_names is not None else None,
                "step": selected.step,
                "images_seen": selected.images_seen,
                "finished": finished,
                "selected_by": "kernel distance" if config.select == "best" else "last",
                "trained": {"step": state.step, "images_seen": state.images_seen, "of": state.images_total},
                "metrics": metrics,
                **self._provenance,
            },
        )


def provenance(plan: TrainingPlan, data: DataSet, group: ProcessGroup) -> dict[str, Any]:
    """Where a run comes from: part of its config.json and checkpoint.json."""
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
