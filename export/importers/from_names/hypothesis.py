"""What the recogniser weighs: a partial chain, the features it gives for fixed latents, and what its assumptions cost."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from torch import Tensor

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
