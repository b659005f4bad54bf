"""Scores for pictures, next to the score that real pictures get: a distance means nothing without its floor."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from train.data.dataset import DataSet
from train.scores import metrics
from train.scores.classifier import train_classifier

SEEN = 0.04  # a class with a smaller share of the pictures than this counts as dropped
DRAWS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """Every distance is a mean over draws of equally many pictures, so that scores and floor carry the same bias."""

    images: int
    frechet: float
    """Fréchet distance to the training split in the classifier's features; smaller is better."""
    frechet_sd: float
    """Standard deviation between draws; 0 for a single draw."""
    kernel: float
    """Unbiased kernel distance to the training split; near 0 is as good as real."""
    kernel_sd: float
    precision: float
    """Share of the pictures that lie among real ones, 0..1."""
    coverage: float
    """Share of real pictures with a neighbour among these, 0..1."""
    class_shares: tuple[float, ...]
    """Share of the pictures that the classifier takes for each class, 0..1."""
    class_distance: float
    """Total variation between these shares and the training split's, 0..1."""

    @property
    def classes_seen(self) -> int:
        return sum(share > SEEN for share in self.class_shares)

    def to_dict(self) -> dict[str, Any]:
        rounded = {key: round(value, 6) if isinstance(value, float) else value for key, value in asdict(self).items()}
        rounded["class_shares"] = [round(share, 4) for share in self.class_shares]
        return rounded | {"classes_seen": self.classes_seen}


class Judge:
    """Trains its classifier on the real training split, then scores pictures against that split.

    All pictures are compared in draws of as many as are held out. `floor` is what a perfect generator would score: the
    held-out real pictures, drawn at random with replacement (once each, they would be stratified as no generator is).
    """

    def __init__(self, data: DataSet) -> None:
        assert data.labels is not None
        assert data.held_out_labels is not None
        assert data.class_names is not None
        self.classifier = train_classifier(data)
        self.sha256 = self.classifier.sha256
        self.draw = min(len(data.held_out_images), 1000)
        self._real, _ = self._look(data.images[torch.from_numpy(np.random.RandomState(1).permutation(len(data.images))[:5000])])
        self._reference = self._real[: self.draw]  # as many as are compared with them: a share of balls depends on n
        labels = data.labels.numpy()
        self._prior = np.bincount(labels, minlength=len(data.class_names)) / len(labels)
        _, held_out = self._look(data.held_out_images)
        self.accuracy = float((held_out == data.held_out_labels.numpy()).mean())
        drawn = np.random.RandomState(0).randint(len(data.held_out_images), size=self.images_wanted)
        self.floor = self.score(data.held_out_images[torch.from_numpy(drawn)])

    @property
    def images_wanted(self) -> int:
        return DRAWS * self.draw

    def score(self, images: Tensor) -> Scores:
        """Scores for uint8 pictures (N, C, H, W), N a multiple of `draw`."""
        features, classes = self._look(images)
        draws = np.split(features, len(features) // self.draw)
        frechet = np.array([metrics.frechet_distance(draw, self._real) for draw in draws])
        kernel = np.array([metrics.kernel_distance(draw, self._real) for draw in draws])
        balls = np.array([metrics.precision_and_coverage(draw, self._reference) for draw in draws])
        shares = np.bincount(classes, minlength=len(self._prior)) / len(classes)
        return Scores(
            images=len(images),
            frechet=float(frechet.mean()),
            frechet_sd=float(frechet.std()),
            kernel=float(kernel.mean()),
            kernel_sd=float(kernel.std()),
            precision=float(balls[:, 0].mean()),
            coverage=float(balls[:, 1].mean()),
            class_shares=tuple(float(share) for share in shares),
            class_distance=metrics.class_distance(shares, self._prior),
        )

    @torch.no_grad()
    def _look(self, images: Tensor) -> tuple[metrics.Features, np.ndarray[Any, np.dtype[np.int64]]]:
        """Features float64 (N, d) and the class the classifier sees, int64 (N,)."""
        features = torch.cat([self.classifier.features(part) for part in torch.split(images, 512)])
        return features.double().numpy(), self.classifier.classify(features).argmax(1).numpy()
