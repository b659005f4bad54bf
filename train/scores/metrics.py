"""How far generated pictures are from real ones, in the features (N, d) of a classifier. Plain functions, float64.

None of these is FID: that name belongs to Inception features, which are neither here nor meaningful for grey digits.
"""

import numpy as np
import numpy.typing as npt

Features = npt.NDArray[np.float64]

NEIGHBOURS = 5


def frechet_distance(a: Features, b: Features) -> float:
    """|μa − μb|² + tr(Σa + Σb − 2 (Σa Σb)^½), the distance of the two Gaussians (Dowson & Landau 1982; Heusel et al. 2017).

    Biased upwards where pictures are few: compare only values for equal numbers of pictures.
    """
    covariance_a, covariance_b = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    values, vectors = np.linalg.eigh(covariance_a)
    root_a = (vectors * np.sqrt(values.clip(0))) @ vectors.T
    # tr (Σa Σb)^½ = tr (Σa^½ Σb Σa^½)^½, and that matrix is symmetric
    cross = np.sqrt(np.linalg.eigvalsh(root_a @ covariance_b @ root_a).clip(0)).sum()
    shift = a.mean(0) - b.mean(0)
    return float(shift @ shift + np.trace(covariance_a) + np.trace(covariance_b) - 2 * cross)


def kernel_distance(a: Features, b: Features) -> float:
    """Squared maximum mean discrepancy with the kernel (x·y/d + 1)³, unbiased (Bińkowski et al. 2018, section 4).

    Around zero, negative included, for two samples of one distribution, however few the pictures.
    """
    size = a.shape[1]

    def kernel(x: Features, y: Features) -> Features:
        return np.asarray((x @ y.T / size + 1) ** 3)

    within_a, within_b = kernel(a, a), kernel(b, b)
    n, m = len(a), len(b)
    mean_a = (within_a.sum() - np.trace(within_a)) / (n * (n - 1))
    mean_b = (within_b.sum() - np.trace(within_b)) / (m * (m - 1))
    return float(mean_a + mean_b - 2 * kernel(a, b).mean())


def precision_and_coverage(generated: Features, real: Features) -> tuple[float, float]:
    """Shares, 0..1, in balls around each real picture that reach to its fifth real neighbour.

    precision  generated pictures that lie in some real picture's ball (Kynkäänniemi et al. 2019): are they plausible?
    coverage   real pictures whose ball holds a generated one (Naeem et al. 2020): is everything drawn?
    """
    radius = np.partition(_distances(real, real), NEIGHBOURS, axis=1)[:, NEIGHBOURS]  # column 0 is the picture itself
    inside = _distances(real, generated) <= radius[:, None]  # (real, generated)
    return float(inside.any(axis=0).mean()), float(inside.any(axis=1).mean())


def class_distance(shares: npt.NDArray[np.float64], reference: npt.NDArray[np.float64]) -> float:
    """Total variation of two class distributions: the share of pictures that would have to change class, 0..1."""
    return float(np.abs(shares - reference).sum() / 2)


def _distances(a: Features, b: Features) -> Features:
    """Euclidean distances (len(a), len(b))."""
    squares = (a * a).sum(1)[:, None] + (b * b).sum(1)[None] - 2 * a @ b.T
    return np.asarray(np.sqrt(squares.clip(0)))
