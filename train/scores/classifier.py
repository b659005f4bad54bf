"""The examiner: a small classifier of the real pictures, whose features are the space in which distances are measured.

It sees the real training split only, starts from a seed of its own, and never meets a generated picture before it judges one.
Distances in its features are comparable between generators judged by the same classifier (the same digest), and nowhere else.
"""

from typing import cast

import torch
from safetensors.torch import save
from torch import Tensor, nn
from torch.nn import functional as F

from gansample.seal import digest
from train.augment import shift
from train.data.dataset import DataSet
from train.data.order import Shuffle

FEATURES = 32  # few enough for a covariance from a few hundred pictures

_SEED = 0
_IMAGES = 20_000
_BATCH = 64
_PEAK_RATE = 4e-3


class Classifier(nn.Module):
    """Pictures uint8 (N, C, H, W) -> class logits (N, classes), by way of `features` (N, 32)."""

    def __init__(self, image_size: int, channels: int, classes: int) -> None:
        super().__init__()

        def halve(inputs: int, outputs: int) -> list[nn.Module]:
            return [nn.Conv2d(inputs, outputs, 4, 2, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]

        self.embed = nn.Sequential(
            *halve(channels, 16), *halve(16, 32), *halve(32, 64), nn.Flatten(), nn.Linear(64 * (image_size // 8) ** 2, FEATURES)
        )
        self.head = nn.Linear(FEATURES, classes)

    def forward(self, images: Tensor) -> Tensor:
        return self.classify(self.features(images))

    def features(self, images: Tensor) -> Tensor:
        """Before the last nonlinearity, where classes are nearest to Gaussian, as the Fréchet distance assumes."""
        return cast(Tensor, self.embed(images / 127.5 - 1.0))

    def classify(self, features: Tensor) -> Tensor:
        return cast(Tensor, self.head(F.relu(features)))

    @property
    def sha256(self) -> str:
        return digest(save(self.state_dict()))


def train_classifier(data: DataSet) -> Classifier:
    """A classifier of the real training split: about three seconds on two cores, the same weights for the same data.

    Leaves torch's random state as it found it.
    """
    assert data.labels is not None
    assert data.class_names is not None
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(_SEED)
        classifier = Classifier(data.images.shape[-1], data.channels, len(data.class_names))
        classifier.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        steps = _IMAGES // _BATCH
        adam = torch.optim.Adam(classifier.parameters())
        schedule = torch.optim.lr_scheduler.OneCycleLR(adam, _PEAK_RATE, total_steps=steps)
        order = Shuffle(len(data.images), _SEED)
        for _ in range(steps):
            batch = order.take(_BATCH)
            images = shift(data.images[batch].float(), 0.5, data.images.shape[-1] // 16)
            loss = F.cross_entropy(classifier(images), data.labels[batch], label_smoothing=0.05)
            adam.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            adam.step()
            schedule.step()
    classifier.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    return classifier.eval().requires_grad_(False)
