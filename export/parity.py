"""The verdict: does the exported model draw the pictures of PyTorch?

The reference is the same network in PyTorch float64. PyTorch's own float32 against it is the noise floor: no export can be
asked to be closer than that, and a floor that is unusually high announces a generator that amplifies every rounding.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from export.face import Drawn, Face, draw
from gansample.fidelity import GATES, Fidelity, Verdict, compare, psnr_db
from gansample.latents import latents
from gansample.spec import Spec

BATCHES = {1: 64, 2: 64, 3: 66, 64: 1024}  # batch size -> latents compared at that size

Draws = Callable[[npt.NDArray[np.float32], npt.NDArray[np.int64] | None], npt.NDArray[np.generic]]


@dataclass(frozen=True, slots=True)
class Reference:
    """Latents and what PyTorch draws for them, in float64 (the truth) and in float32 (the noise floor)."""

    seeds: range
    z: npt.NDArray[np.float32]
    label: npt.NDArray[np.int64] | None
    gold: Drawn
    float32_psnr_db: float


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchRow:
    batch: int
    fidelity: Fidelity
    failures: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ParityReport:
    """One variant judged. `verdict` is PASS only if every row passed and the float levels were compared too."""

    variant: str
    precision: str
    rows: tuple[BatchRow, ...]
    levels_psnr_db: float
    """PSNR of the pictures before rounding to 8 bits: tells near misses apart that rounding hides."""
    float32_psnr_db: float
    batch_invariant: bool
    """Whether the same latent gave the same bytes at every batch size."""

    @property
    def failures(self) -> list[str]:
        if not self.rows:
            return ["nothing was compared"]
        return [f"batch {row.batch}: {failure}" for row in self.rows for failure in row.failures] + (
            [] if self.batch_invariant else ["a picture changes with the batch it is drawn in"]
        )

    @property
    def verdict(self) -> Verdict:
        return "FAIL" if self.failures else "PASS"

    def to_dict(self) -> dict[str, Any]:
        return {
            "verdict": self.verdict,
            "failures": self.failures,
            "reference": "PyTorch float64",
            "rows": [{"batch": row.batch, **row.fidelity.to_dict()} for row in self.rows],
            "levels_psnr_db": _finite(self.levels_psnr_db),
            "torch_float32_psnr_db": _finite(self.float32_psnr_db),
            "batch_invariant": self.batch_invariant,
        }


def reference_from_face(face: Face, seeds: range = range(1024)) -> Reference:
    """Draw the reference pictures for `seeds`; a conditional generator cycles through its classes."""
    z = latents(seeds, face.spec.latent_size, face.spec.distribution)
    label = cycled_labels(face.spec, len(seeds))
    gold = draw(face.in_precision(torch.float64), z, label)
    float32 = draw(face.in_precision(torch.float32), z, label)
    return Reference(seeds, z, label, gold, levels_psnr_db(float32.levels, gold.levels))


def cycled_labels(spec: Spec, n: int) -> npt.NDArray[np.int64] | None:
    return np.arange(n, dtype=np.int64) % len(spec.classes) if spec.classes is not None else None


def judge(
    images: Draws, levels: Draws, reference: Reference, *, variant: str, precision: str, batches: dict[int, int] | None = None
) -> ParityReport:
    """Compare a variant with the reference.

    images   draws uint8 pictures (N, H, W, C) with the very file and runtime that ship
    levels   draws the same pictures before rounding
    batches  batch size -> number of latents compared at that size
    """
    gate, rows, drawn = GATES[precision], [], []
    for batch, n in (BATCHES if batches is None else batches).items():
        pictures = in_batches(images, reference, n, batch)
        fidelity = compare(pictures.astype(np.uint8, copy=False), reference.gold.images[:n])
        rows.append(BatchRow(batch=batch, fidelity=fidelity, failures=tuple(gate.failures(fidelity))))
        drawn.append(pictures)
    n = max((len(pictures) for pictures in drawn), default=0)
    return ParityReport(
        variant=variant,
        precision=precision,
        rows=tuple(rows),
        levels_psnr_db=levels_psnr_db(in_batches(levels, reference, n, 64), reference.gold.levels[:n]) if n else float("nan"),
        float32_psnr_db=reference.float32_psnr_db,
        batch_invariant=_agree(drawn),
    )


def in_batches(draws: Draws, reference: Reference, n: int, batch: int) -> npt.NDArray[Any]:
    parts = []
    for start in range(0, n, batch):
        part = slice(start, min(start + batch, n))
        parts.append(draws(reference.z[part], reference.label[part] if reference.label is not None else None))
    return np.concatenate(parts)


def levels_psnr_db(levels: npt.NDArray[Any], reference: npt.NDArray[np.float64]) -> float:
    return psnr_db(float(np.square(levels.astype(np.float64) - reference).mean()))


def _agree(drawn: Sequence[npt.NDArray[Any]]) -> bool:
    shortest = min((len(pictures) for pictures in drawn), default=0)
    return all(np.array_equal(pictures[:shortest], drawn[0][:shortest]) for pictures in drawn)


def _finite(value: float) -> float | None:
    return round(value, 2) if np.isfinite(value) else None
