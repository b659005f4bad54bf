"""DiffAugment: what the discriminator sees is shifted, real and generated alike, so it cannot learn a small set by heart.

Zhao et al. 2020, "Differentiable Augmentation for Data-Efficient GAN Training". Only translation: flips and rotations turn one
digit into another, and cutout leaks into the samples.
"""

import torch
from torch import Tensor


def translate(images: Tensor, probability: float, pixels: int) -> Tensor:
    """Shift each picture of (N, C, H, W), with `probability`, by up to ±`pixels` in x and y; what moves in is zero.

    A shift is a product with a shifted identity matrix on either side, S_y · X · S_xᵀ: differentiable, and bit for bit the
    same in every run, which scattering gradients through an index is not.
    """
    if probability == 0.0 or pixels == 0:
        return images
    n, _, height, width = images.shape
    moved = torch.rand(n, 1, device=images.device) < probability
    shift = torch.randint(-pixels, pixels + 1, (n, 2), device=images.device) * moved  # (N, 2): y, x
    down = _shifted_identity(height, shift[:, 0]).to(images.dtype)  # (N, H, H)
    right = _shifted_identity(width, shift[:, 1]).to(images.dtype)  # (N, W, W)
    return down[:, None] @ images @ right[:, None].mT


def _shifted_identity(size: int, shift: Tensor) -> Tensor:
    """(N, size, size) with ones where column = row − shift."""
    index = torch.arange(size, device=shift.device)
    return index[None, None, :] == index[None, :, None] - shift[:, None, None]
