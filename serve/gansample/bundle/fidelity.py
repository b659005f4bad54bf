"""How far one set of pictures is from another, in the units of a picture, and how far is allowed.

A GAN is deterministic: the same latent must give the same picture, so the gates can be tight. One *step* is one of the 256
levels of an 8-bit channel.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from gansample.types import Images

Verdict = str  # "PASS", "FAIL" or "NOT RUN"; the last is never a pass

SSIM_IMAGES = 256  # a mean that has settled by then, and the one figure here that costs time
CHUNK = 2**20  # channels compared at a time


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
    ssim: float
    """Mean structural similarity of the first SSIM_IMAGES, −1..1; 1 for identical pictures."""
    worst_psnr_db: float
    """PSNR of the single picture that is farthest off: a mean over a thousand hides one that is garbage."""

    def to_dict(self) -> dict[str, Any]:
        row = asdict(self)
        for key in ("psnr_db", "worst_psnr_db"):
            row[key] = None if math.isinf(row[key]) else round(row[key], 2)  # JSON has no infinity
        row["ssim"] = round(self.ssim, 6)
        return row

    @classmethod
    def from_dict(cls, row: Mapping[str, Any]) -> Self:
        """What `to_dict` gave."""
        infinite = {key: math.inf for key in ("psnr_db", "worst_psnr_db") if row[key] is None}
        return cls(**{**row, **infinite})


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """What a precision is allowed to lose."""

    max_step: float = math.inf
    mean_step: float = math.inf
    identical: float = 0.0
    psnr_db: float = 0.0
    worst_psnr_db: float = 0.0

    def failures(self, seen: Fidelity) -> list[str]:
        """A message for every bound that `seen` breaks; none means PASS. Comparing nothing is a failure, not a pass."""
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
        if not seen.worst_psnr_db >= self.worst_psnr_db:
            broken.append(f"one picture at {seen.worst_psnr_db:.1f} dB, needed {self.worst_psnr_db:.0f}")
        return broken

    def under_stress(self) -> "Gate":
        """The bounds for extreme latents, which seeds hardly ever produce: without averages, which are meant for usual ones."""
        return replace(self, mean_step=math.inf, psnr_db=0.0)

    def describe(self) -> str:
        """The bounds as a phrase, for a report."""
        parts = []
        if self.max_step < math.inf:
            parts.append(f"at most {self.max_step:.0f} step")
        if self.mean_step < math.inf:
            parts.append(f"at most {self.mean_step} steps on average")
        if self.identical > 0:
            parts.append(f"at least {self.identical:.1%} of the pixels identical")
        if self.psnr_db > 0:
            parts.append(f"PSNR at least {self.psnr_db:.0f} dB")
        if self.worst_psnr_db > 0:
            parts.append(f"no picture below {self.worst_psnr_db:.0f} dB")
        return ", ".join(parts)


GATES: Mapping[str, Gate] = {
    "fp32": Gate(max_step=1, identical=0.999),
    "fp16": Gate(mean_step=0.1, psnr_db=60, worst_psnr_db=40),
    "bf16": Gate(mean_step=0.5, psnr_db=48, worst_psnr_db=30),
    "int8": Gate(psnr_db=33, worst_psnr_db=20),  # together with the distribution test, which only the exporter runs
}


class RunningFidelity:
    """`compare` for pictures that come batch by batch: its figures are the same, however they are cut into batches.

    It keeps two numbers of every picture, and no picture.
    """

    def __init__(self) -> None:
        self._squares: list[npt.NDArray[np.float64]] = []
        self._ssim: list[npt.NDArray[np.float64]] = []
        self._images = self._channels = self._steps = self._identical = self._max_step = 0

    def add(self, images: Images, reference: Images) -> None:
        """Compare uint8 pictures with their reference, both (N, H, W, C). Raises ValueError where the shapes differ."""
        if images.shape != reference.shape:
            raise ValueError(f"cannot compare pictures of shape {images.shape} with {reference.shape}")
        for ours, theirs in zip(_chunks(images), _chunks(reference), strict=True):
            self._add(ours, theirs)

    def _add(self, images: Images, reference: Images) -> None:
        step = np.abs(images.astype(np.int16) - reference.astype(np.int16))
        self._max_step = max(self._max_step, int(step.max()))
        self._steps += int(step.sum(dtype=np.int64))
        self._identical += step.size - int(np.count_nonzero(step))
        self._channels += step.size
        self._squares.append(mean_square_steps(images, reference))
        if (left := SSIM_IMAGES - self._images) > 0:
            self._ssim.append(ssim(images[:left], reference[:left]))
        self._images += len(images)

    @property
    def squares(self) -> npt.NDArray[np.float64]:
        """Mean squared difference of every picture so far, as `mean_square_steps`, float64 (N,)."""
        return np.concatenate(self._squares) if self._squares else np.empty(0)

    def result(self) -> Fidelity:
        """The distance of all pictures so far."""
        if self._channels == 0:
            nan = math.nan
            return Fidelity(images=0, max_step=nan, mean_step=nan, identical=nan, psnr_db=nan, ssim=nan, worst_psnr_db=nan)
        squares = self.squares
        return Fidelity(
            images=self._images,
            max_step=float(self._max_step),
            mean_step=self._steps / self._channels,
            identical=self._identical / self._channels,
            psnr_db=psnr_db(float(squares.mean())),
            ssim=float(np.concatenate(self._ssim).mean()),
            worst_psnr_db=psnr_db(float(squares.max())),
        )


def compare(images: Images, reference: Images) -> Fidelity:
    """Compare uint8 pictures with their reference, both (N, H, W, C). Raises ValueError where the shapes differ."""
    seen = RunningFidelity()
    seen.add(images, reference)
    return seen.result()


def _chunks(images: Images) -> Iterator[Images]:
    """A few pictures at a time: what is computed of them takes ten times their memory and more."""
    size = math.prod(images.shape[1:])
    n = max(1, CHUNK // size) if size else max(1, len(images))
    return (images[start : start + n] for start in range(0, len(images) if size else 0, n))


def mean_square_steps(images: Images, reference: Images) -> npt.NDArray[np.float64]:
    """Mean squared difference of every picture, in 8-bit steps², float64 (N,): what ranks pictures from best to worst."""
    step = (images.astype(np.int32) - reference.astype(np.int32)).reshape(len(images), -1)
    return np.asarray(np.einsum("np,np->n", step, step, dtype=np.int64) / step.shape[1], np.float64)


def psnr_db(mean_square_step: float) -> float:
    """Peak signal-to-noise ratio of a mean squared error given in 8-bit steps²."""
    return math.inf if mean_square_step == 0 else 10 * math.log10(255**2 / mean_square_step)


def ssim(images: Images, reference: Images, window: int = 7) -> npt.NDArray[np.float64]:
    """Structural similarity of every picture, float64 (N,), −1..1 (Wang et al. 2004, equation 13).

    Means, variances and covariance over a sliding uniform window (smaller where the picture is), channels averaged;
    C₁ = (0.01·255)², C₂ = (0.03·255)². Window sums are exact integers, so identical pictures give exactly 1.
    """
    window = min(window, *images.shape[1:3])
    area, parts = window * window, []
    for ours, theirs in zip(_chunks(images), _chunks(reference), strict=True):
        x, y = ours.astype(np.int32), theirs.astype(np.int32)
        sum_x, sum_y, sum_xx, sum_yy, sum_xy = (_window_sums(v, window) for v in (x, y, x * x, y * y, x * y))
        product = sum_x * sum_y  # all moments are scaled by area²
        spread = area * (sum_xx + sum_yy) - sum_x * sum_x - sum_y * sum_y
        c1, c2 = (0.01 * 255 * area) ** 2, (0.03 * 255 * area) ** 2
        map_ = (2 * product + c1) * (2 * (area * sum_xy - product) + c2)
        map_ = map_ / ((sum_x * sum_x + sum_y * sum_y + c1) * (spread + c2))
        parts.append(map_.mean(axis=(1, 2, 3)))
    return np.concatenate(parts) if parts else np.empty(0)


def _window_sums(values: npt.NDArray[np.int32], window: int) -> npt.NDArray[np.int32]:
    """Sums over every window × window patch of (N, H, W, C), by differences of cumulative sums.

    Exact: 32 bits hold the largest of them for pictures up to 4,096 pixels wide.
    """
    for axis in (1, 2):
        total = np.cumsum(np.moveaxis(values, axis, 0), axis=0, dtype=np.int32)
        total[window:] -= total[:-window].copy()
        values = np.moveaxis(total[window - 1 :], 0, axis)
    return values
