"""Score a deployed bundle: pictures that gansample draws from it, by the evaluator that selected the checkpoint.

PyTorch does not draw here. Training's final score used the same seeds, so with the same evaluator and data any difference comes
from export and runtime.
"""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gansample.bundle.spec import Spec
from gansample.errors import UsageError
from gansample.sampling.sampler import Sampler, open_sampler
from train.data.dataset import DataSet
from train.model.latents import LatentSpace
from train.scores.evaluator import Evaluator
from train.scores.inception import Inception
from train.selection import FINAL_SEEDS


def evaluate(
    bundle_path: Path | None,
    data: DataSet,
    evaluator: Evaluator,
    n: int | None = None,
    backend: str = "auto",
    inception: Inception | None = None,
) -> dict[str, Any]:
    """Scores of the bundle (the newest without a path) beside the floor, with every digest that they depend on.

    n          pictures; rounded down to a multiple of the evaluator's sample size, by default as in training's final score.
    inception  also gives the FID, of as many pictures.

    Raises UsageError where the bundle draws something else than the data hold, ArtefactError where it is damaged.
    """
    wanted = (evaluator.images_wanted_final if n is None else n) // evaluator.sample_size * evaluator.sample_size
    if not wanted:
        raise UsageError(f"{n} pictures are too few to score", f"draw at least {evaluator.sample_size}")
    with open_sampler(bundle_path, backend) as sampler:
        spec = sampler.spec
        _check_face(spec, data)
        images, requested = _sample(sampler, data, wanted)
        result = {
            "bundle": str(sampler.bundle.path),
            "model": {"name": spec.name, "sha256": sampler.bundle.sha256},
            "backend": sampler.runner.backend,
            "variant": sampler.runner.variant,
            "scores": evaluator.score(images, requested).to_dict(),
            "real": evaluator.floor.to_dict(),
            "classifier": evaluator.describe(),
            "class_names": list(evaluator.class_names),
            "data": {"name": data.name, "fingerprint": data.fingerprint, "images": len(data.images)},
            "trained": _score_at_training(spec, evaluator),
            "trained_on": spec.provenance.get("data", {}).get("fingerprint"),
        }
    if inception is not None:
        result["inception_fid"] = inception.distance(images, data.images)
    return result


def _check_face(spec: Spec, data: DataSet) -> None:
    theirs, ours = (spec.channels, spec.height, spec.width), tuple(data.images.shape[1:])
    if theirs != ours:
        raise UsageError(
            f"{spec.name} draws {_size(*theirs)}, {data.name} holds {_size(*ours)}",
            "give the data it was trained on, at its size",
        )
    if spec.classes is not None and data.class_names is not None and set(spec.classes) != set(data.class_names):
        raise UsageError(
            f"{spec.name} has the classes {', '.join(spec.classes)}, {data.name} has {', '.join(data.class_names)}",
            "give the data it was trained on",
        )


def _size(channels: int, height: int, width: int) -> str:
    return f"{width}×{height} pixels with {channels} channel{'s' if channels > 1 else ''}"


def _sample(sampler: Sampler, data: DataSet, count: int) -> tuple[Tensor, Tensor | None]:
    """Pictures uint8 (count, C, H, W) and the class requested for each, int64 (count,), where the data have classes.

    The seeds and the classes requested for are those of training's last score.
    """
    spec, seeds = sampler.spec, FINAL_SEEDS[:count]
    labels, requested = None, None
    if spec.classes is not None and data.class_names is not None:
        _, requested = LatentSpace(size=spec.latent_size, class_shares=data.class_shares).inputs_for_scoring(seeds)
        assert requested is not None
        labels = [spec.classes.index(data.class_names[index]) for index in requested.tolist()]
    elif spec.classes is not None:
        labels = [seed % len(spec.classes) for seed in seeds]
    images = sampler.sample(seeds, labels=labels)
    return torch.from_numpy(images).permute(0, 3, 1, 2).contiguous(), requested


def _score_at_training(spec: Spec, evaluator: Evaluator) -> dict[str, Any] | None:
    """The checkpoint's score where this same evaluator gave it, else None."""
    metrics = spec.provenance.get("metrics", {})
    if metrics.get("classifier", {}).get("sha256") != evaluator.sha256:
        return None
    scores: dict[str, Any] = metrics["scores"]
    return scores
