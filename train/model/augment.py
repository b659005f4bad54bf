"""DiffAugment: what the discriminator sees is changed, real and generated alike, so it cannot memorise a small set.

Zhao et al. 2020, "Differentiable Augmentation for Data-Efficient GAN Training". No flips and no rotations, which turn one digit
into another; cutout only on request, since it leaks into the samples of small sets.
"""

import torch
from torch import Tensor


def augment(images: Tensor, probability: float, *, translate: float, color: float, cutout: float) -> Tensor:
    """Change each picture of (N, C, H, W), around zero, with `probability` for each kind of change; differentiable.

    translate  largest shift in each direction, as a share of the side; what moves in is zero.
    color      0..1: brightness by up to ±color, contrast and saturation by up to a factor 1 ± color.
    cutout     side of the square set to zero, as a share of the picture's.
    """
    if probability == 0.0:
        return images
    if color:
        images = recolor(images, probability, color)
    if translate:
        images = shift(images, probability, round(translate * images.shape[-1]))
    if cutout:
        images = cut(images, probability, max(1, round(cutout * images.shape[-1])))
    return images


def shift(images: Tensor, probability: float, pixels: int) -> Tensor:
    """Shift each picture, with `probability`, by up to ±`pixels` in x and y; what moves in is zero.

    A shift is a product with a shifted identity matrix on either side, S_y · X · S_xᵀ: differentiable, and bit for bit the
    same in every run, which scattering gradients through an index is not.
    """
    n, _, height, width = images.shape
    offset = torch.randint(-pixels, pixels + 1, (n, 2), device=images.device) * _chosen(images, probability)  # (N, 2): y, x
    down = _shifted_identity(height, offset[:, 0]).to(images.dtype)  # (N, H, H)
    right = _shifted_identity(width, offset[:, 1]).to(images.dtype)  # (N, W, W)
    return down[:, None] @ images @ right[:, None].mT


def recolor(images: Tensor, probability: float, strength: float) -> Tensor:
    """Brightness, saturation and contrast, each by a random amount for the pictures that are chosen."""
    chosen = _chosen(images, probability)  # (N, 1)
    brightness, saturation, contrast = (
        ((2 * torch.rand(len(images), 1, device=images.device) - 1) * strength * chosen)[:, :, None, None] for _ in range(3)
    )
    images = images + brightness
    if images.shape[1] > 1:
        images = images + saturation * (images - images.mean(1, keepdim=True))
    return images + contrast * (images - images.mean((1, 2, 3), keepdim=True))


def cut(images: Tensor, probability: float, side: int) -> Tensor:
    """Set a random square of `side` pixels, which may reach over the edge, to zero."""
    n, _, height, width = images.shape
    top = torch.randint(-side // 2, height - side // 2, (n, 1), device=images.device)
    left = torch.randint(-side // 2, width - side // 2, (n, 1), device=images.device)
    y, x = torch.arange(height, device=images.device), torch.arange(width, device=images.device)
    rows, columns = (y >= top) & (y < top + side), (x >= left) & (x < left + side)  # (N, H), (N, W)
    hole = (rows[:, :, None] & columns[:, None, :] & _chosen(images, probability)[:, :, None])[:, None]
    return images * ~hole


def _chosen(images: Tensor, probability: float) -> Tensor:
    return torch.rand(len(images), 1, device=images.device) < probability


def _shifted_identity(size: int, offset: Tensor) -> Tensor:
    """(N, size, size) with ones where column = row − offset."""
    index = torch.arange(size, device=offset.device)
    return index[None, None, :] == index[None, :, None] - offset[:, None, None]
