"""Scores for pictures, next to the score that real pictures get: a distance means nothing without its floor."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from gansample.errors import UsageError
from train.data.dataset import MIN_PICTURES, DataSet
from train.scores import metrics
from train.scores.classifier import FEATURES, held_out_accuracy, train_classifier
from train.scores.metrics import Features, Gaussian
from train.scores.modes import Classes, Modes
from train.scores.random_features import RandomFeatures

FEWEST = MIN_PICTURES // 2  # held-out pictures
MAX_SAMPLE = 20 * FEATURES  # pictures compared at a time: enough for a covariance, and small distance matrices
QUICK = 2_000  # pictures for an evaluation during training, at most
FINAL = 10_000  # pictures for the final score, at most
REFERENCE = 2_000  # training pictures that the kernel distance is measured to, at most
SPREAD = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """Every distance is a mean over draws of equally many pictures, so that scores and floor carry the same bias."""

    images: int
    frechet: float
    """Fréchet distance to the training split in the classifier's features; smaller is better."""
    frechet_sd: float
    """Standard deviation between draws; 0 for a single draw."""
    kernel: float
    """Unbiased kernel distance to the training split; near 0 is as good as real. The best checkpoint is chosen by it."""
    kernel_sd: float
    precision: float
    """Share of the pictures that lie among real ones, 0..1."""
    recall: float
    """Share of real pictures that lie among these, 0..1."""
    density: float
    """How deep the pictures lie among real ones, around 1 for real pictures."""
    coverage: float
    """Share of real pictures with a neighbour among these, 0..1."""
    class_shares: tuple[float, ...]
    """Share of the pictures that the classifier takes for each class, or that fall into each bin of its features, 0..1."""
    class_distance: float
    """Total variation between these shares and the training split's, 0..1."""
    classes_seen: int
    """Classes that have more than 0.4 of their share in the training split."""
    memorisation: float
    """Median distance to the nearest training picture, divided by the held-out pictures' median: around 1 for new pictures,
    near 0 for copies. A screen only: it shows copying, and does not rule it out."""
    second_frechet: float
    """Both distances once more in the features of a random network, which select nothing."""
    second_kernel: float
    obedience: float | None = None
    """Share of the pictures that the classifier takes for the requested class (real pictures: for their own), 0..1; None
    without classes. Saved and shown as `obedience` in files of every version; people read "class accuracy"."""

    def to_dict(self) -> dict[str, Any]:
        rounded = {key: round(value, 6) if isinstance(value, float) else value for key, value in asdict(self).items()}
        return rounded | {"class_shares": [round(share, 4) for share in self.class_shares]}


class Evaluator:
    """Trains its classifier on the real training split, then scores pictures against that split.

    All pictures are compared in draws of `sample_size` (as many as are held out, 640 at most). `floor` is what a perfect
    generator would score: the held-out real pictures, drawn at random with replacement (once each, they would be stratified
    as no generator is).

    Raises UsageError where fewer than FEWEST pictures are held out, as in a set with a test split of its own.
    """

    def __init__(self, data: DataSet) -> None:
        if len(data.held_out_images) < FEWEST:
            raise UsageError(
                f"{len(data.held_out_images)} pictures are held out for scoring, at least {FEWEST} are needed",
                "use more pictures",
            )
        self._held_out = len(data.held_out_images)
        self.sample_size = min(self._held_out, len(data.images), MAX_SAMPLE)
        self._modes: Modes | None = None
        self.classifier = train_classifier(data)
        self.sha256 = self.classifier.sha256
        self.accuracy = held_out_accuracy(self.classifier, data)
        self._real, _ = self._features_and_classes(data.images)
        sample = np.random.RandomState(0).permutation(len(self._real))  # folders come in order, samples must not
        # As many neighbours as are compared with them: a share of balls depends on n.
        self._neighbours = self._real[sample[: self.sample_size]]
        self._kernel_reference = self._real[sample[:REFERENCE]]
        self._kernel_within = metrics.kernel_within(self._kernel_reference)
        self._gaussian = Gaussian.fit(self._real)
        self._random_features = RandomFeatures(data.images[torch.from_numpy(sample[:FINAL])])
        self._second_real = self._random_features.features(data.images[torch.from_numpy(sample[:REFERENCE])])
        self._second_gaussian = Gaussian.fit(self._second_real)
        self._second_within = metrics.kernel_within(self._second_real)
        if data.class_names is not None and data.labels is not None:
            self.class_names, classes = data.class_names, data.labels.numpy()
        else:
            self._modes = Modes(self._real[sample])
            self.class_names, classes = self._modes.names, self._modes.assign(self._real)
        self._prior = self._shares(classes)
        self.real_spread = metrics.mean_distance(self._real[sample[:SPREAD]])
        held_out, _ = self._features_and_classes(data.held_out_images)
        self._usual_distance = float(np.median(self._distance_to_training(held_out[:QUICK])))
        drawn = torch.from_numpy(np.random.RandomState(0).randint(len(held_out), size=self.images_wanted_final))
        labels = data.held_out_labels
        self.floor = self.score(data.held_out_images[drawn], labels[drawn] if labels is not None else None)

    @property
    def name(self) -> str:
        """What the classifier is: a person should know whether it ever saw a label."""
        return "classifier" if self.classifier.task == "classes" else "rotation classifier"

    def describe(self) -> dict[str, Any]:
        """The classifier, to be printed with every score: distances with different digests cannot be compared."""
        return {"name": self.name, "accuracy": round(self.accuracy, 4), "sha256": self.sha256}

    @property
    def images_wanted(self) -> int:
        """Pictures for an evaluation during training, 2,000 at most."""
        return QUICK // self.sample_size * self.sample_size

    @property
    def images_wanted_final(self) -> int:
        """Pictures for the final score: as many as are held out, 10,000 at most. The floor is not more precise."""
        return max(self.images_wanted, min(FINAL, self._held_out) // self.sample_size * self.sample_size)

    def score(self, images: Tensor, requested: Tensor | None = None) -> Scores:
        """Scores for uint8 pictures (N, C, H, W), N a multiple of `sample_size`.

        requested  int64 (N,), the class requested of each, where the pictures have classes.
        """
        features, classes = self._features_and_classes(images)
        draws = np.split(features, len(features) // self.sample_size)
        second = np.split(self._random_features.features(images), len(draws))
        frechet = np.array([metrics.frechet_distance(draw, self._gaussian) for draw in draws])
        kernel = np.array([metrics.kernel_distance(draw, self._kernel_reference, self._kernel_within) for draw in draws])
        balls = np.mean([metrics.neighbourhood(draw, self._neighbours) for draw in draws], axis=0)
        shares = self._shares(classes)
        second_frechet = [metrics.frechet_distance(draw, self._second_gaussian) for draw in second]
        second_kernel = [metrics.kernel_distance(draw, self._second_real, self._second_within) for draw in second]
        return Scores(
            images=len(images),
            frechet=float(frechet.mean()),
            frechet_sd=float(frechet.std()),
            kernel=float(kernel.mean()),
            kernel_sd=float(kernel.std()),
            **{name: float(share) for name, share in zip(metrics.Neighbourhood._fields, balls, strict=True)},
            class_shares=tuple(float(share) for share in shares),
            class_distance=metrics.class_distance(shares, self._prior),
            classes_seen=metrics.classes_seen(shares, self._prior),
            memorisation=float(np.median(self._distance_to_training(features[:QUICK]) / self._usual_distance)),
            second_frechet=float(np.mean(second_frechet)),
            second_kernel=float(np.mean(second_kernel)),
            obedience=float((classes == requested.numpy()).mean()) if requested is not None else None,
        )

    def nearest(self, images: Tensor) -> npt.NDArray[np.int64]:
        """For each picture the index into `data.images` of the training picture nearest to it in the classifier's features."""
        return metrics.nearest(self._features_and_classes(images)[0], self._real)[0]

    def novelty(self, images: Tensor) -> Features:
        """Distance of each picture to its nearest training picture, in units of the held-out pictures' median, (N,)."""
        return self._distance_to_training(self._features_and_classes(images)[0]) / self._usual_distance

    def spread(self, images: Tensor) -> float:
        """Mean distance of two of these pictures, 256 at most; compare it with `real_spread`."""
        return metrics.mean_distance(self._features_and_classes(images[:SPREAD])[0])

    def _features_and_classes(self, images: Tensor) -> tuple[Features, Classes]:
        """Features float64 (N, 32), and the class that the classifier sees or the mode nearest to them, int64 (N,)."""
        found, classes = self.classifier.features_and_classes(images)
        features = found.double().numpy()
        return features, self._modes.assign(features) if self._modes is not None else classes.numpy()

    def _distance_to_training(self, features: Features) -> Features:
        return metrics.nearest(features, self._real)[1]

    def _shares(self, classes: Classes) -> npt.NDArray[np.float64]:
        return np.bincount(classes, minlength=len(self.class_names)) / len(classes)
