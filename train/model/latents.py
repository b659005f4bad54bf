"""What goes into a generator: latents and, where it has classes, labels; random for training, by seed for everything else."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from gansample.bundle.spec import Distribution
from gansample.latents import latents


class GeneratorInputs(NamedTuple):
    """The arguments of `Generator`."""

    z: Tensor
    """float32 (N, size)."""
    labels: Tensor | None
    """int64 (N,), or None for a generator without classes."""


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

    def random_inputs(self, n: int, stream: torch.Generator) -> GeneratorInputs:
        """Latents and labels as often as the real pictures have them."""
        z = self.random(n, stream)
        if self.class_shares is None:
            return GeneratorInputs(z, None)
        shares = torch.tensor(self.class_shares)
        return GeneratorInputs(z, torch.multinomial(shares, n, replacement=True, generator=stream))

    def inputs_for_seeds(self, seeds: range, labels: Tensor | None = None) -> GeneratorInputs:
        """What `gansample` draws for these seeds; without `labels` classes, if any, take turns: seed mod classes."""
        z = torch.from_numpy(latents(seeds, self.size, self.distribution))
        if self.class_shares is None:
            return GeneratorInputs(z, None)
        if labels is None:
            labels = torch.tensor([seed % len(self.class_shares) for seed in seeds])
        return GeneratorInputs(z, labels)

    def inputs_for_scoring(self, seeds: range) -> GeneratorInputs:
        """These seeds with labels drawn as often as the real pictures have them, the same ones every time."""
        if self.class_shares is None:
            return self.inputs_for_seeds(seeds)
        labels = np.random.RandomState(0).choice(len(self.class_shares), len(seeds), p=self.class_shares)
        return self.inputs_for_seeds(seeds, torch.from_numpy(labels.astype(np.int64)))
