"""A whole training set-up small enough for a test: the real digits at 8×8 pixels, narrow networks, a classifier in a second."""

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import torch

from train.checkpointer import provenance
from train.config import Config
from train.data.dataset import DataSet
from train.data.digits import digits
from train.data.request import DataRequest
from train.distributed import ProcessGroup
from train.interruption import Interruption
from train.plan import TrainingPlan
from train.presets import config_for
from train.run_folder import RunFolder
from train.scores.evaluator import Evaluator
from train.show.progress import NoProgress
from train.state import TrainingState
from train.trainer import Trainer

torch.set_num_threads(1)  # these networks are too small to share

IMAGES = 640


def tiny_config(preset: str = "modern", **changes: Any) -> Config:
    small: Mapping[str, Any] = {
        "image_size": 8,
        "batch": 32,
        "images": IMAGES,
        "g_width": 8,
        "d_width": 8,
        "evaluations": 2,
        "select": "last",
        "device": "cpu",
    }
    return replace(config_for(preset), **{**small, **changes})


@cache
def tiny_data() -> DataSet:
    return digits(8)


@cache
def tiny_evaluator() -> Evaluator:
    return Evaluator(tiny_data())


def tiny_trainer(run: Path, config: Config | None = None, deadline: float | None = None) -> Trainer:
    """A trainer that writes into the new folder `run`."""
    config = config or tiny_config()
    data = tiny_data()
    source = provenance(tiny_plan(config), data, ProcessGroup())
    folder = RunFolder.create(run, "digits")
    return Trainer(TrainingState(config, data), data, tiny_evaluator(), folder, NoProgress(), deadline, source)


def tiny_plan(config: Config) -> TrainingPlan:
    return TrainingPlan(config=config, request=DataRequest(image_size=8), preset="modern", command="python -m train")


def tiny_run(run: Path, config: Config | None = None) -> Path:
    """Train a tiny generator into the new folder `run`."""
    tiny_trainer(run, config).fit(Interruption())
    return run
