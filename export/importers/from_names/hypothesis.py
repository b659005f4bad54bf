"""What the recogniser weighs: a partial chain, the features it gives for fixed latents, and what its assumptions cost."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from export.importers.from_names.chain import Layer
from gansample.bundle.spec import Distribution

VALUES = 2048  # pixels per channel that are enough to estimate a mean and a variance
FEWEST = 8  # latents, however large the planes


class Features:
    """A batch of features whose shape is known at once and whose values are computed when first looked at."""

    def __init__(self, shape: tuple[int, ...], compute: Callable[[], Tensor]) -> None:
        self.shape, self._compute = shape, compute
        self._values: Tensor | None = None

    @property
    def values(self) -> Tensor:
        """float32 (N, *shape); large planes give as many values from fewer pictures."""
        if self._values is None:
            self._values = self._compute()
            if len(self.shape) == 3:
                self._values = self._values[: max(FEWEST, VALUES // (self.shape[1] * self.shape[2]))]
        return self._values

    def through(self, shape: tuple[int, ...], layer: Callable[[Tensor], Tensor]) -> "Features":
        return Features(shape, lambda: layer(self.values))


@dataclass(frozen=True, slots=True)
class Hypothesis:
    tokens: tuple[str, ...]
    features: Features
    distribution: Distribution
    cost: float = 0.0
    mismatches: tuple[float, ...] = ()
    activated: bool = True
    """Whether an activation, or nothing that could want one, came last."""
    at: str = ""
    """Path of the layer that came last."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the features: (F,) or (C, H, W)."""
        return self.features.shape

    def then(self, token: str, features: Features, cost: float = 0.0) -> "Hypothesis":
        return replace(self, tokens=(*self.tokens, token), features=features, cost=self.cost + cost)


def statistics_off(x: Tensor, layer: Layer) -> float:
    """How far a BatchNorm's running statistics are from those of `x` (N, C, …): 0 the same, above 1 nothing alike."""
    return float(channels_off(x, layer).mean())


def channels_off(x: Tensor, layer: Layer) -> Tensor:
    """The same for each channel, float (C,).

    |log variance ratio| + |difference of the means| in standard deviations, each at most 2.
    """
    dims = [0, *range(2, x.dim())]
    mean, variance = layer.tensors["running_mean"], layer.tensors["running_var"]
    floor = 1e-5 + 0.01 * float(variance.mean())  # dead channels have no ratio
    apart = torch.log((x.var(dims, unbiased=False) + floor) / (variance + floor)).abs().clamp(max=2)
    shifted = ((x.mean(dims) - mean).abs() / (variance + floor).sqrt()).clamp(max=2)
    return apart + shifted
