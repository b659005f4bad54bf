"""Classes for pictures that have none: bins of the classifier's features, so that a missing mode leaves one empty."""

from typing import Any

import numpy as np
import numpy.typing as npt

from train.scores.metrics import Features, nearest

BINS = 10
_FIT = 10_000  # pictures are enough to find ten centres

Classes = npt.NDArray[np.int64]


class Modes:
    """The ten k-means centres of real pictures' features (N, d); every picture belongs to the nearest.

    The number of different modes (Richardson & Weiss 2018, "On GANs and GMMs") counts the same way.
    """

    def __init__(self, real: Features) -> None:
        from sklearn.cluster import KMeans
        from threadpoolctl import threadpool_limits

        with threadpool_limits(limits=1):  # the order of a sum decides where a picture on an edge belongs
            fitted: Any = KMeans(min(BINS, len(real)), n_init=4, random_state=0).fit(real[:_FIT])
        self.centres: Features = fitted.cluster_centers_

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(f"mode {index}" for index in range(len(self.centres)))

    def assign(self, features: Features) -> Classes:
        """The bin of each picture, int64 (N,)."""
        return nearest(features, self.centres)[0]
