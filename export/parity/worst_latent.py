"""The latent a variant draws worst, and a short search for a worse one.

A thousand random latents rarely hold the one that hurts. The search redraws a share of a latent's components from the
prior, keeps what the variant draws worse, and halves the share: every candidate is a latent that a seed could have given.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from export.effort import at_once, fewer
from export.parity.reference import Reference
from gansample.bundle.fidelity import Gate, mean_square_steps, psnr_db
from gansample.runtimes.base import Run, run_batched
from gansample.types import Images, Latents

PARENTS, CHILDREN, ROUNDS = 4, 4, 6  # 96 pictures in all: a second or two of PyTorch float64


class WorstDrawn:
    """The few pictures of a stream that are farthest off, worst first; of equals the earlier."""

    def __init__(self) -> None:
        self.rows = np.empty(0, np.int64)
        """Which of the stream they are."""
        self.errors = np.empty(0)
        """As `mean_square_steps`."""
        self.images: list[npt.NDArray[np.uint8]] = []

    def add(self, row: int, images: Images, errors: npt.NDArray[np.float64]) -> None:
        """The next pictures (N, H, W, C) of the stream, from `row` on."""
        rows = np.concatenate([self.rows, np.arange(row, row + len(images))])
        errors = np.concatenate([self.errors, errors])
        keep = np.argsort(-errors, kind="stable")[:PARENTS]
        pictures = [*self.images, *images]
        self.rows, self.errors, self.images = rows[keep], errors[keep], [pictures[i].copy() for i in keep]


@dataclass(frozen=True, slots=True, kw_only=True)
class WorstLatent:
    """The picture that is farthest off, among the compared seeds and after the search."""

    seed: int
    """The worst of the compared seeds."""
    seed_psnr_db: float
    psnr_db: float
    """What the search made of it; never better than the seed's."""
    max_step: int
    """Largest difference of any channel in any picture of the search, 8-bit steps."""
    searched: int
    """Pictures drawn by the search."""
    z: Latents
    label: int | None
    drawn: Images
    """(H, W, C), by the variant."""
    expected: Images
    """(H, W, C), by PyTorch float64."""

    def failures(self, gate: Gate) -> list[str]:
        """Which bounds of a single picture the search broke, in words."""
        broken = []
        if not self.max_step <= gate.max_step:
            broken.append(f"max {self.max_step} steps, allowed {gate.max_step:.0f}")
        if not self.psnr_db >= gate.worst_psnr_db:
            broken.append(f"{self.psnr_db:.1f} dB, needed {gate.worst_psnr_db:.0f}")
        return broken

    def to_dict(self) -> dict[str, Any]:
        return {
            "seed": self.seed,
            "seed_psnr_db": _finite(self.seed_psnr_db),
            "searched_psnr_db": _finite(self.psnr_db),
            "searched_max_step": self.max_step,
            "searched": self.searched,
            "label": self.label,
            "z": [round(float(component), 6) for component in self.z],
        }


def search_worst_latent(draws: Run[Any], worst: WorstDrawn, reference: Reference) -> WorstLatent:
    """Search from the worst of the variant's pictures for the reference's seeds.

    Fixed streams of random numbers: the same variant always has the same worst latent.
    """
    spec, rows, error = reference.generator.spec, worst.rows, worst.errors
    first, first_error = int(rows[0]), float(error[0])
    z, pictures, truth = reference.z[rows], np.stack(worst.images), reference.images[rows]
    label = reference.label[rows] if reference.label is not None else None
    largest, searched, stream = _max_step(pictures, truth), 0, np.random.RandomState(0)
    for i in range(fewer(spec, ROUNDS, least=2)):
        share = 0.5 ** (i + 1)
        parent = np.repeat(np.arange(len(z)), CHILDREN)
        child = _redrawn(z[parent], share, stream, spec.distribution)
        child_label = label[parent] if label is not None else None
        theirs = run_batched(draws, child, child_label, at_once(spec)).astype(np.uint8, copy=False)
        ours = reference.draw(child, child_label)
        largest, searched = max(largest, _max_step(theirs, ours)), searched + len(child)
        # Parents and children compete; a stable order keeps the parent where nothing got worse.
        error = np.concatenate([error, mean_square_steps(theirs, ours)])
        keep = np.argsort(-error, kind="stable")[:PARENTS]
        z, error = np.concatenate([z, child])[keep], error[keep]
        pictures, truth = np.concatenate([pictures, theirs])[keep], np.concatenate([truth, ours])[keep]
        if label is not None and child_label is not None:
            label = np.concatenate([label, child_label])[keep]
    return WorstLatent(
        seed=reference.seeds[first],
        seed_psnr_db=psnr_db(first_error),
        psnr_db=psnr_db(float(error[0])),
        max_step=largest,
        searched=searched,
        z=z[0],
        label=int(label[0]) if label is not None else None,
        drawn=pictures[0],
        expected=truth[0],
    )


def _redrawn(z: Latents, share: float, stream: np.random.RandomState, distribution: str) -> Latents:
    """`z` (N, nz) with about `share` of the components, at least one, drawn anew."""
    fresh = stream.standard_normal(z.shape) if distribution == "normal" else stream.random_sample(z.shape) * 2 - 1
    chosen = stream.random_sample(z.shape)
    chosen = chosen <= np.maximum(share, chosen.min(axis=1, keepdims=True))
    return np.where(chosen, fresh, z).astype(np.float32)


def _max_step(a: Images, b: Images) -> int:
    return int(np.abs(a.astype(np.int16) - b.astype(np.int16)).max(initial=0))


def _finite(value: float) -> float | None:
    return round(value, 2) if np.isfinite(value) else None
