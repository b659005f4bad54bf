"""A second opinion: features of a random convolutional network that is never trained and never selects anything.

Networks with random weights compare sets of pictures about as well as trained ones and favour no data set (Naeem et al. 2020,
section 3.2). A generator that pleases only the classifier, by what the classifier does not see, is exposed here.
"""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from train.model.pixels import from_bytes
from train.scores.metrics import Features

WIDTHS = (8, 8, 16)  # channels of the three convolutions; the means of all three are the features, 32 together
_SEED = 20_260_101
_PART = 256  # pictures at a time: memory, never the features


class RandomFeatures:
    """Maps pictures uint8 (N, C, H, W) to float64 (N, 32), scaled so that over real pictures the features' average variance
    is 1. One scale for all: a feature that real pictures hardly move would drown the others in its noise."""

    def __init__(self, real: Tensor) -> None:
        self.layers = random_layers(real.shape[1])
        raw = self._raw(real)
        self._mean = raw.mean(0)
        self._scale = 1 / np.sqrt(max(raw.var(0).mean(), np.finfo(np.float64).tiny))

    def features(self, images: Tensor) -> Features:
        return np.asarray((self._raw(images) - self._mean) * self._scale)

    def _raw(self, images: Tensor) -> Features:
        parts = [self._channel_means(from_bytes(part)) for part in torch.split(images, _PART)]
        return torch.cat(parts).double().numpy()

    def _channel_means(self, maps: Tensor) -> Tensor:
        means = []
        for index, (weight, bias) in enumerate(self.layers):
            maps = F.relu(F.conv2d(maps, weight, bias, stride=1 if index == 0 else 2, padding=1))
            means.append(maps.mean((2, 3)))
        return torch.cat(means, 1)


def random_layers(channels: int) -> list[tuple[Tensor, Tensor]]:
    """Weights and biases of three convolutions 3×3 from one frozen `RandomState` stream: the same on every machine.

    Weights are He-normal (He et al. 2015), biases N(0, 1/4) so that ReLUs bend at different levels. The means are edges and
    tones after the first layer, texture and layout after the last.
    """
    stream = np.random.RandomState(_SEED)
    layers = []
    for width in WIDTHS:
        weight = stream.standard_normal((width, channels, 3, 3)) * np.sqrt(2 / (9 * channels))
        bias = stream.standard_normal(width) / 2
        layers.append((torch.from_numpy(weight).float(), torch.from_numpy(bias).float()))
        channels = width
    return layers
