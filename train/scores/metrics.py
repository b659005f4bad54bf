"""How far generated pictures are from real ones, in the features (N, d) of a network. Plain functions, float64.

None of these is FID: that name belongs to Inception features (`train.scores.inception`), which mean little for grey digits.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Features = npt.NDArray[np.float64]

NEIGHBOURS = 5
SEEN = 0.4  # of its share among real pictures: a class that is drawn more rarely counts as dropped
_ROWS = 256  # of a distance matrix at a time: 256 × 60,000 pictures take 120 MB


class Neighbourhood(NamedTuple):
    """What the balls say that reach from each picture to its fifth neighbour of its own kind."""

    precision: float
    """Share of the generated pictures that lie in some real picture's ball, 0..1: are they plausible?"""
    recall: float
    """Share of the real pictures that lie in some generated picture's ball, 0..1 (both Kynkäänniemi et al. 2019, section 2)."""
    density: float
    """In how many real balls a generated picture lies, divided by 5: around 1 for real pictures, may exceed it."""
    coverage: float
    """Share of the real pictures whose ball holds a generated one, 0..1 (both Naeem et al. 2020, section 3): is everything
    drawn? One outlier among the generated pictures, with its huge ball, fools recall but not this."""


class Gaussian(NamedTuple):
    """The normal distribution fitted to features (N, d)."""

    mean: Features
    covariance: Features

    @classmethod
    def fit(cls, x: Features) -> "Gaussian":
        return cls(x.mean(0), np.cov(x, rowvar=False))


def frechet_distance(a: Features, b: Features | Gaussian) -> float:
    """|μa − μb|² + tr(Σa + Σb − 2 (Σa Σb)^½), the distance of the two Gaussians (Dowson & Landau 1982; Heusel et al. 2017).

    Biased upwards where pictures are few: compare only values for equal numbers of pictures.
    """
    ours, other = Gaussian.fit(a), b if isinstance(b, Gaussian) else Gaussian.fit(b)
    values, vectors = np.linalg.eigh(ours.covariance)
    root = (vectors * np.sqrt(values.clip(0))) @ vectors.T
    # tr (Σa Σb)^½ = tr (Σa^½ Σb Σa^½)^½, and that matrix is symmetric
    cross = np.sqrt(np.linalg.eigvalsh(root @ other.covariance @ root).clip(0)).sum()
    shift = ours.mean - other.mean
    return float(shift @ shift + np.trace(ours.covariance) + np.trace(other.covariance) - 2 * cross)


def kernel_distance(a: Features, b: Features, within_b: float | None = None) -> float:
    """Squared maximum mean discrepancy with the kernel (x·y/d + 1)³, unbiased (Bińkowski et al. 2018, section 4).

    Around zero, negative included, for two samples of one distribution, however few the pictures.
    within_b  `kernel_within(b)`, where many are measured against the same b.
    """
    within_b = kernel_within(b) if within_b is None else within_b
    return float(kernel_within(a) + within_b - 2 * _kernel(a, b).mean())


def kernel_within(x: Features) -> float:
    """Mean kernel of two different rows of x."""
    values = _kernel(x, x)
    return float((values.sum() - np.trace(values)) / (len(x) * (len(x) - 1)))


def _kernel(x: Features, y: Features) -> Features:
    base = x @ y.T / x.shape[1] + 1
    return np.asarray(base * base * base)  # ** 3 takes ten times as long


def neighbourhood(generated: Features, real: Features) -> Neighbourhood:
    """Precision, recall, density and coverage. All four depend on how many pictures there are: compare equal numbers."""
    between = distances(real, generated)
    in_real_ball = between <= _reach(real)[:, None]  # (real, generated)
    in_generated_ball = between <= _reach(generated)[None]
    return Neighbourhood(
        precision=float(in_real_ball.any(axis=0).mean()),
        recall=float(in_generated_ball.any(axis=1).mean()),
        density=float(in_real_ball.sum(axis=0).mean() / _neighbours(len(real))),
        coverage=float(in_real_ball.any(axis=1).mean()),
    )


def _reach(x: Features) -> Features:
    """Distance from each picture to its fifth neighbour among the others, (N,)."""
    k = _neighbours(len(x))
    return np.asarray(np.partition(distances(x, x), k, axis=1)[:, k])  # column 0 is the picture itself


def _neighbours(count: int) -> int:
    """Where there are no five others, the farthest."""
    return min(NEIGHBOURS, count - 1)


def class_distance(shares: npt.NDArray[np.float64], reference: npt.NDArray[np.float64]) -> float:
    """Total variation of two class distributions: the share of pictures that would have to change class, 0..1."""
    return float(np.abs(shares - reference).sum() / 2)


def classes_seen(shares: npt.NDArray[np.float64], reference: npt.NDArray[np.float64]) -> int:
    """How many classes have more than 0.4 of the share that they have among real pictures."""
    return int((shares > SEEN * reference).sum())


def nearest(x: Features, others: Features) -> tuple[npt.NDArray[np.int64], Features]:
    """For each row of x the index of the nearest among the others, and its distance, both (N,)."""
    half_squares = (others * others).sum(1) / 2
    parts = [(half_squares - x[start : start + _ROWS] @ others.T).argmin(1) for start in range(0, len(x), _ROWS)]
    indices = np.concatenate(parts)
    return indices, np.linalg.norm(x - others[indices], axis=1)


def mean_distance(x: Features) -> float:
    """Of all pairs of different rows: how spread out the pictures are. Near zero where a generator has collapsed."""
    return float(distances(x, x).sum() / (len(x) * (len(x) - 1)))


def distances(a: Features, b: Features) -> Features:
    """Euclidean distances (len(a), len(b))."""
    squares = (a * a).sum(1)[:, None] + (b * b).sum(1)[None] - 2 * a @ b.T
    return np.asarray(np.sqrt(squares.clip(0)))
