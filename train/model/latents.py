"""What a generator is asked for: latents and, where it has classes, labels – at random for training, by seed for people."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from gansample.bundle.spec import Distribution
from gansample.latents import latents

Wish = tuple[Tensor, Tensor | None]
"""z float32 (N, size) and label int64 (N,), or None for a generator without classes: the arguments of `Generator`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LatentSpace:
    """Where latents come from."""

    size: int
    distribution: Distribution = "normal"
    class_shares: tuple[float, ...] | None = None
    """How often each class occurs among the real pictures, summing to 1; None without classes."""

    def random(self, n: int, stream: torch.Generator | None = None) -> Tensor:
        """z float32 (n, size) from `stream`, or from torch's global one: what a generator is trained on."""
        if self.distribution == "normal":
            return torch.randn(n, self.size, generator=stream)
        return torch.rand(n, self.size, generator=stream) * 2 - 1

    def random_wish(self, n: int, stream: torch.Generator) -> Wish:
        """Latents and labels as often as the real pictures have them."""
        z = self.random(n, stream)
        if self.class_shares is None:
            return z, None
        return z, torch.multinomial(torch.tensor(self.class_shares), n, replacement=True, generator=stream)

    def of_seeds(self, seeds: range, labels: Tensor | None = None) -> Wish:
        """What `gansample` draws for these seeds; without `labels` classes, if any, take turns: seed mod classes."""
        z = torch.from_numpy(latents(seeds, self.size, self.distribution))
        if self.class_shares is None:
            return z, None
        return z, torch.tensor([seed % len(self.class_shares) for seed in seeds]) if labels is None else labels

    def to_be_scored(self, seeds: range) -> Wish:
        """These seeds with labels drawn as often as the real pictures have them, the same ones every time."""
        if self.class_shares is None:
            return self.of_seeds(seeds)
        labels = np.random.RandomState(0).choice(len(self.class_shares), len(seeds), p=self.class_shares)
        return self.of_seeds(seeds, torch.from_numpy(labels.astype(np.int64)))
