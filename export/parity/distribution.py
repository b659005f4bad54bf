"""Do two sets of pictures come from the same distribution? Fréchet and kernel distance, with intervals and a floor.

The variant and PyTorch draw the same latents, so their shift is measured pair by pair. What it is compared with is the
*floor*: the distance of PyTorch from itself on other latents, which is what the choice of a thousand seeds alone does. A
shift inside the floor cannot be told from drawing other seeds.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from export.parity.features import Features

RESAMPLES = 100
FEWEST = 16  # with fewer, a resample may hold one picture only
CONFIDENCE = 0.95

Float64 = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Distance:
    """A squared distance and its bootstrap interval, which may reach below zero."""

    value: float
    low: float
    high: float

    def to_dict(self) -> dict[str, Any]:
        return {key: float(f"{value:.4g}") for key, value in asdict(self).items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """How far one set of pictures lies from another, in the features of one network."""

    frechet: Distance
    kernel: Distance

    def to_dict(self) -> dict[str, Any]:
        return {"frechet": self.frechet.to_dict(), "kernel": self.kernel.to_dict()}


@dataclass(frozen=True, slots=True, kw_only=True)
class DistributionTest:
    """The reference pictures in features, and the floor that shifts are compared with."""

    features: Features
    reference: Float64
    """Features of what PyTorch float64 draws, (N, D), scaled to unit total variance."""
    normals: Sequence["Normal"]
    scale: float
    floor: Shift

    @classmethod
    def fit(cls, features: Features, raw: Float64, other: Float64) -> "DistributionTest":
        """raw, other: features (N, D) of what PyTorch draws for the compared latents, and for as many others."""
        if len(raw) < FEWEST:
            raise ValueError(f"{len(raw)} pictures make no distribution, at least {FEWEST} do")
        # A random network's features have no unit. In these, 1 is a shift as large as the pictures' own spread.
        spread = float(np.sqrt(raw.var(axis=0).sum()))
        scale = 1 / spread if spread > 0 else 1.0
        reference = raw * scale
        fitted = normals(reference)
        floor = measure(reference, other * scale, fitted)
        return cls(features=features, reference=reference, normals=fitted, scale=scale, floor=floor)

    def shift(self, raw: Float64) -> Shift:
        """The shift of what a variant draws for the same latents, in the same order: its pictures' features (N, D)."""
        return measure(self.reference, raw * self.scale, self.normals)

    def failures(self, shift: Shift) -> list[str]:
        """Which distance leaves the floor: its interval must end below the end of the floor's; empty means PASS."""
        return [
            "its pictures as a whole differ from the reference's by more than other seeds do: "
            f"{name} distance {ours.value:.2g} (up to {ours.high:.2g}), and other seeds' is at most {floor.high:.2g}"
            for name, ours, floor in (
                ("Fréchet", shift.frechet, self.floor.frechet),
                ("kernel", shift.kernel, self.floor.kernel),
            )
            if not ours.high <= floor.high
        ]


def measure(a: Float64, b: Float64, a_normals: Sequence["Normal"] | None = None) -> Shift:
    """Both distances between features (N, D) of as many pictures each; the bootstrap redraws rows of a and b together.

    a_normals  `normals(a)`, where many are measured against the same a.
    """
    h, weights = kernel_pairs(a, b), row_weights(len(a))
    pairs = zip(a_normals if a_normals is not None else normals(a), weights, strict=True)
    return Shift(
        frechet=_interval([frechet_distance(normal, Normal.fit(b, weight)) for normal, weight in pairs]),
        kernel=_interval([float(weight @ h @ weight / (weight.sum() ** 2 - weight @ weight)) for weight in weights]),
    )


def row_weights(n: int) -> Float64:
    """How often each of n rows counts, (1 + RESAMPLES, n): once each, then as the bootstrap redraws them."""
    counts = np.random.RandomState(0).multinomial(n, np.full(n, 1 / n), size=RESAMPLES)
    return np.concatenate([np.ones((1, n)), counts])


def normals(x: Float64) -> list["Normal"]:
    """The normal distributions fitted to features (N, D) under every row weighting, with their roots."""
    return [Normal.fit(x, weight) for weight in row_weights(len(x))]


def _interval(values: list[float]) -> Distance:
    """The first value is the distance, the others are its resamples.

    Repeated rows inflate a distance, so the percentiles are moved back by the resamples' mean excess (Efron and Tibshirani
    1993, section 10.6: bias correction).
    """
    value, resampled = values[0], np.array(values[1:])
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(resampled - (resampled.mean() - value), [tail, 1 - tail])
    return Distance(value=value, low=float(low), high=float(high))


@dataclass(frozen=True, eq=False)
class Normal:
    """A normal distribution fitted to features: mean (D,) and covariance (D, D)."""

    mean: Float64
    covariance: Float64

    @classmethod
    def fit(cls, x: Float64, weight: Float64) -> "Normal":
        """Fitted to rows x (N, D) that count `weight` (N,) times."""
        mean = weight @ x / weight.sum()
        centred = x - mean
        return cls(mean, (centred * weight[:, None]).T @ centred / (weight.sum() - 1))

    @cached_property
    def root(self) -> Float64:
        """The symmetric square root of the covariance."""
        values, vectors = np.linalg.eigh(self.covariance)
        return np.asarray((vectors * np.sqrt(values.clip(0))) @ vectors.T)


def frechet_distance(a: Normal, b: Normal) -> float:
    """|μ₁ − μ₂|² + tr(Σ₁ + Σ₂ − 2(Σ₁Σ₂)^½): Heusel et al. 2017, equation 6.

    The trace of the root comes from the eigenvalues of Σ₁^½ Σ₂ Σ₁^½, which is symmetric, so no complex root is met.
    """
    cross = np.sqrt(np.linalg.eigvalsh(a.root @ b.covariance @ a.root).clip(0)).sum()
    squared = np.square(a.mean - b.mean).sum() + np.trace(a.covariance) + np.trace(b.covariance) - 2 * cross
    return float(max(squared, 0))


def kernel_pairs(a: Float64, b: Float64) -> Float64:
    """h(i, j) = k(aᵢ, aⱼ) + k(bᵢ, bⱼ) − k(aᵢ, bⱼ) − k(aⱼ, bᵢ), (N, N), zero on the diagonal.

    Its mean off the diagonal is the unbiased squared MMD (Gretton et al. 2012, equation 4) with the cubic kernel
    (x·y / D + 1)³ of the kernel inception distance (Bińkowski et al. 2018). Pairs of one latent are left out on both
    sides, so it stays unbiased where a and b are drawn for the same latents.
    """
    dimensions = a.shape[1]

    def kernel(x: Float64, y: Float64) -> Float64:
        return np.asarray((x @ y.T / dimensions + 1) ** 3)

    cross = kernel(a, b)
    h = kernel(a, a) + kernel(b, b) - cross - cross.T
    np.fill_diagonal(h, 0)
    return np.asarray(h)
