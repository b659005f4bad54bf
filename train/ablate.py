"""Which of the tips does anything? Each taken away from `classic` alone, each ingredient of `modern` added to it alone.

Every arm sees equally many pictures from the same data, with several seeds, and is scored by the same evaluator. Results are
written after every run, and an existing file is continued: an interrupted experiment loses nothing.
"""

import json
import logging
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from gansample.errors import UsageError
from gansample.system.atomic import write_atomic
from train.checkpointer import provenance
from train.config import Config
from train.data.dataset import DataSet
from train.distributed import ProcessGroup
from train.interruption import Interruption
from train.machine import make_reproducible
from train.plan import TrainingPlan
from train.presets import config_for
from train.run_folder import RunFolder
from train.scores.evaluator import Evaluator
from train.show.progress import NoProgress
from train.state import TrainingState
from train.trainer import Trainer

logger = logging.getLogger(__name__)

EVALUATIONS = 4  # what a best checkpoint can be chosen from
SCORES = ("frechet", "kernel", "precision", "recall", "density", "coverage", "class_distance", "second_frechet", "memorisation")


class UnevenKernelConfig(Config):
    """Allows a kernel that is not divisible by the stride: the arm that shows why `Config` refuses one."""

    __slots__ = ()

    def _check_kernel(self) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """One way of training: a preset with something changed."""

    name: str
    group: str
    """whole, without (a tip of classic), or with (an ingredient of modern)."""
    preset: str = "classic"
    config: type[Config] = Config
    changes: Mapping[str, Any]


ARMS: tuple[Arm, ...] = (
    Arm(name="classic", group="whole", changes={}),
    Arm(name="modern", group="whole", preset="modern", changes={}),
    Arm(name="tanh output", group="without", changes={"output": "sigmoid"}),
    Arm(name="normal latents", group="without", changes={"latent_distribution": "uniform"}),
    Arm(name="dropout in D", group="without", changes={"d_dropout": 0.0}),
    Arm(name="noisy labels", group="without", changes={"label_noise": 0.0}),
    Arm(name="strided convolutions", group="without", changes={"d_downsample": "pool"}),
    Arm(name="LeakyReLU", group="without", changes={"d_leak": 0.0}),
    Arm(name="kernel divisible by stride", group="without", config=UnevenKernelConfig, changes={"kernel": 5}),
    Arm(name="hinge loss", group="with", changes={"loss": "hinge", "label_noise": 0.0}),
    Arm(name="spectral norm for BatchNorm in D", group="with", changes={"d_norm": "spectral", "d_dropout": 0.0}),
    Arm(name="average of the weights", group="with", changes={"ema_share": 0.05}),
    Arm(name="best checkpoint, not last", group="with", changes={"select": "best"}),
    Arm(name="rates falling to zero", group="with", changes={"lr_decay": 0.6}),
    Arm(name="batches of 16", group="with", changes={"batch": 16}),
    Arm(name="faster Adam (5e-4, β2 0.99)", group="with", changes={"lr_g": 5e-4, "lr_d": 5e-4, "beta2": 0.99}),
    Arm(name="shifted pictures (DiffAugment)", group="with", changes={"augment_probability": 0.6}),
)  # fmt: skip


def ablate(data: DataSet, plan: TrainingPlan, seeds: int, out: Path, arms: Iterable[Arm] = ARMS) -> dict[str, Any]:
    """Run every arm that `out` does not hold yet, and give the whole document.

    plan  what all arms share: the data, the pictures to be seen, the sizes of the networks.

    Raises UsageError where `out` is from another experiment.
    """
    make_reproducible(plan.config)
    evaluator = Evaluator(data)
    document = _document(data, evaluator, plan, out)
    done = {(row["arm"], row["seed"]) for row in document["rows"]}
    for seed in range(seeds):  # whole rounds, so that a file of any length compares all arms
        for arm in arms:
            if (arm.name, seed) in done:
                continue
            scores = _run(arm, seed, data, evaluator, plan)
            document["rows"].append({"arm": arm.name, "group": arm.group, "seed": seed, **scores})
            write_atomic(out, (json.dumps(document, indent=1) + "\n").encode())
            found = f"Fréchet {scores['frechet']:8.2f}  coverage {scores['coverage']:.2f}"
            logger.info("seed %d  %-8s %-34s %s", seed, arm.group, arm.name, found)
    return document


def subset(data: DataSet, images: int) -> DataSet:
    """The first `images` pictures after a fixed shuffle, and at most as many held out: the same for every run."""
    kept = torch.randperm(len(data.images), generator=torch.Generator().manual_seed(0))[:images]
    held_out = torch.randperm(len(data.held_out_images), generator=torch.Generator().manual_seed(0))[:images]
    return replace(
        data,
        images=data.images[kept],
        labels=data.labels[kept] if data.labels is not None else None,
        held_out_images=data.held_out_images[held_out],
        held_out_labels=data.held_out_labels[held_out] if data.held_out_labels is not None else None,
        fingerprint=f"{data.fingerprint}, {len(kept)} of {len(data.images)}",
    )


def arm_config(arm: Arm, seed: int, shared: Config) -> Config:
    """The arm's configuration: its preset for digits, at the size and budget of `shared`."""
    same = {name: getattr(shared, name) for name in ("images", "image_size", "threads", "precision", "device")}
    same |= {"seed": seed, "intervene": False, "evaluations": EVALUATIONS}
    return arm.config(**{**config_for(arm.preset).to_dict(), **same, **arm.changes})


def _run(arm: Arm, seed: int, data: DataSet, evaluator: Evaluator, plan: TrainingPlan) -> dict[str, Any]:
    config = arm_config(arm, seed, plan.config)
    with tempfile.TemporaryDirectory() as folder:
        run = RunFolder.create(Path(folder) / "run", arm.name)
        source = provenance(replace(plan, config=config), data, ProcessGroup())
        trainer = Trainer(TrainingState(config, data), data, evaluator, run, NoProgress(), None, source, save_seconds=1e9)
        metrics = trainer.fit(Interruption())
        run.close()
    return {name: metrics["scores"][name] for name in SCORES}


def _document(data: DataSet, evaluator: Evaluator, plan: TrainingPlan, out: Path) -> dict[str, Any]:
    about = {
        "data": {"name": data.name, "fingerprint": data.fingerprint, "images": len(data.images)},
        "images_seen": plan.config.images,
        "classifier": evaluator.describe(),
        "real": evaluator.floor.to_dict(),
    }
    if not out.exists():
        return {**about, "rows": []}
    document: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
    if any(document[name] != about[name] for name in ("data", "images_seen", "classifier")):
        raise UsageError(f"{out} is from another experiment", "give --out another file, or delete it")
    return document
