"""The generator that is shown, scored, selected and exported: an exponential moving average with statistics of its own.

Averaged weights with the raw generator's BatchNorm statistics are a network that nobody trained: the statistics belong to other
weights. So they are recomputed for the averaged weights, from latents of their own, before anyone looks.
"""

import copy

import torch
from torch import Tensor, nn

from gansample.latents import latents
from gansample.spec import Distribution
from train.model import Generator

STANDING_BATCHES = 8
STANDING_BATCH = 256
_STANDING_SEED = 2**31  # far from the seeds that people draw with


class MovingAverage:
    """An exponential moving average of a generator's parameters (Karras et al. 2018; Yazıcı et al. 2019)."""

    def __init__(self, generator: Generator) -> None:
        self.generator = copy.deepcopy(generator).requires_grad_(False)

    @torch.no_grad()
    def update(self, generator: Generator, decay: float) -> None:
        """average ← decay · average + (1 − decay) · generator; a decay of 0 copies the weights."""
        for average, current in zip(self.generator.parameters(), generator.parameters(), strict=True):
            average.lerp_(current, 1.0 - decay)

    def snapshot(self, distribution: Distribution, latent_size: int) -> Generator:
        """The average as it will be exported: a float32 copy in eval mode with standing BatchNorm statistics."""
        exported: Generator = copy.deepcopy(self.generator).to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
        recompute_statistics(exported, distribution, latent_size)
        return exported.eval()


def decay_of(batch: int, half_life_images: float) -> float:
    """The decay per step after which, `half_life_images` later, half of an old weight is left; 0 for no averaging."""
    return 0.5 ** (batch / half_life_images) if half_life_images > 0 else 0.0


@torch.no_grad()
def recompute_statistics(generator: Generator, distribution: Distribution, latent_size: int) -> None:
    """Replace every BatchNorm's running statistics by the mean over 8 batches of 256 latents ("standing statistics",
    Brock et al. 2019, section 3.1)."""
    norms = [module for module in generator.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the plain mean over batches instead of an exponential one
    generator.train()
    for batch in range(STANDING_BATCHES):
        first = _STANDING_SEED + batch * STANDING_BATCH
        generator(torch.from_numpy(latents(range(first, first + STANDING_BATCH), latent_size, distribution)))
    generator.eval()


@torch.no_grad()
def draw(generator: Generator, seeds: range, distribution: Distribution, latent_size: int, batch: int = 256) -> Tensor:
    """Pictures of an eval-mode generator for seeds as `gansample` draws them: float32 (N, C, H, W)."""
    z = torch.from_numpy(latents(seeds, latent_size, distribution))
    return torch.cat([generator(part) for part in torch.split(z, batch)])
