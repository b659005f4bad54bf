"""The generator that is shown, scored, selected and exported: an exponential moving average with statistics of its own.

Averaged weights with the raw BatchNorm statistics are a network that was never trained: the statistics belong to other
weights. So they are recomputed for the averaged weights, from latents of their own, before anything is scored or shown.
"""

import copy

import torch
from torch import nn

from train.model.latents import LatentSpace
from train.model.networks import Generator

STANDING_BATCHES = 8
STANDING_BATCH = 256
_STANDING_SEED = 0


class MovingAverage:
    """An exponential moving average of a generator's parameters (Karras et al. 2018; Yazıcı et al. 2019)."""

    def __init__(self, generator: Generator) -> None:
        self.generator = copy.deepcopy(generator).requires_grad_(False)

    @torch.no_grad()
    def update(self, generator: Generator, decay: float) -> None:
        """average ← decay · average + (1 − decay) · generator; a decay of 0 copies the weights."""
        for average, current in zip(self.generator.parameters(), generator.parameters(), strict=True):
            average.lerp_(current, 1.0 - decay)

    def snapshot(self, space: LatentSpace) -> Generator:
        """The average as it will be exported: a float32 copy in eval mode with standing BatchNorm statistics."""
        exported: Generator = copy.deepcopy(self.generator).cpu().to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
        recompute_statistics(exported, space)
        return exported.eval()


def ema_decay(batch: int, half_life_images: float) -> float:
    """The decay per step after which, `half_life_images` later, half of an old weight is left; 0 for no averaging."""
    return 0.5 ** (batch / half_life_images) if half_life_images > 0 else 0.0


@torch.no_grad()
def recompute_statistics(generator: Generator, space: LatentSpace) -> None:
    """Replace every BatchNorm's running statistics by the mean over 8 batches of 256 latents ("standing statistics",
    Brock et al. 2019, section 3.1)."""
    norms = [module for module in generator.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the plain mean over batches instead of an exponential one
    generator.train()
    stream = torch.Generator().manual_seed(_STANDING_SEED)
    for _ in range(STANDING_BATCHES):
        generator(*space.random_inputs(STANDING_BATCH, stream))
    generator.eval()
