"""How far one set of pictures is from another, in the units of a picture, and how far is allowed.

A GAN is deterministic: the same latent must give the same picture, so the gates can be tight. One *step* is one of the 256
levels of an 8-bit channel.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Verdict = str  # "PASS", "FAIL" or "NOT RUN"; the last is never a pass


@dataclass(frozen=True, slots=True, kw_only=True)
class Fidelity:
    """The distance between pictures and their reference."""

    images: int
    max_step: float
    """Largest difference of any channel, 8-bit steps."""
    mean_step: float
    """Mean absolute difference, 8-bit steps."""
    identical: float
    """Share of channels that are exactly equal, 0..1."""
    psnr_db: float
    """20·log10(255 / rmse); infinite for identical pictures."""

    def to_dict(self) -> dict[str, Any]:
        row = asdict(self)
        row["psnr_db"] = None if math.isinf(self.psnr_db) else round(self.psnr_db, 2)  # JSON has no infinity
        return row


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """What a precision is allowed to lose."""

    max_step: float = math.inf
    mean_step: float = math.inf
    identical: float = 0.0
    psnr_db: float = 0.0

    def failures(self, seen: Fidelity) -> list[str]:
        """Every bound that `seen` breaks, in words; empty means PASS. Comparing nothing is a failure, not a pass."""
        if seen.images == 0:
            return ["nothing was compared"]
        broken = []
        if not seen.max_step <= self.max_step:
            broken.append(f"max {seen.max_step:.0f} steps, allowed {self.max_step:.0f}")
        if not seen.mean_step <= self.mean_step:
            broken.append(f"mean {seen.mean_step:.3f} steps, allowed {self.mean_step:.3f}")
        if not seen.identical >= self.identical:
            broken.append(f"{seen.identical:.4%} of the pixels identical, needed {self.identical:.2%}")
        if not seen.psnr_db >= self.psnr_db:
            broken.append(f"PSNR {seen.psnr_db:.1f} dB, needed {self.psnr_db:.0f}")
        return broken


GATES: Mapping[str, Gate] = {
    "fp32": Gate(max_step=1, identical=0.999),
    "fp16": Gate(mean_step=0.1, psnr_db=60),
    "bf16": Gate(mean_step=0.5, psnr_db=48),
    "int8": Gate(psnr_db=33),  # together with the distribution test, which only the exporter runs
}


def compare(images: npt.NDArray[np.uint8], reference: npt.NDArray[np.uint8]) -> Fidelity:
    """Compare uint8 pictures with their reference, both (N, H, W, C). Raises ValueError where the shapes differ."""
    if images.shape != reference.shape:
        raise ValueError(f"cannot compare pictures of shape {images.shape} with {reference.shape}")
    if images.size == 0:
        return Fidelity(images=0, max_step=math.nan, mean_step=math.nan, identical=math.nan, psnr_db=math.nan)
    step = np.abs(images.astype(np.int16) - reference.astype(np.int16))
    return Fidelity(
        images=len(images),
        max_step=float(step.max()),
        mean_step=float(step.mean()),
        identical=float((step == 0).mean()),
        psnr_db=psnr_db(float(np.square(step, dtype=np.float64).mean())),
    )


def psnr_db(mean_square_step: float) -> float:
    """Peak signal-to-noise ratio of a mean squared error given in 8-bit steps²."""
    return math.inf if mean_square_step == 0 else 10 * math.log10(255**2 / mean_square_step)
