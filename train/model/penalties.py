"""Gradient penalties: what keeps D's slope with respect to its input in bounds.

Each takes `logits`, which maps pictures (N, C, H, W) to logits (N,), and returns a scalar to add to D's loss. All of them go
backwards through D twice, and so cost about as much again as D's step itself.
"""

from collections.abc import Callable

import torch
from torch import Tensor

Logits = Callable[[Tensor], Tensor]


def gradient_penalty(logits: Logits, real: Tensor, fake: Tensor) -> Tensor:
    """E[(|∇ℓ(x̂)| − 1)²] at random points x̂ between real and generated pictures (Gulrajani et al. 2017, equation 3)."""
    share = torch.rand(len(real), 1, 1, 1, device=real.device)
    between = (share * real + (1 - share) * fake).requires_grad_(True)
    return (_slopes(logits, between).sqrt() - 1).square().mean()


def zero_centred(logits: Logits, images: Tensor) -> Tensor:
    """½ E[|∇ℓ(x)|²]: R1 for real pictures, R2 for generated ones (Mescheder et al. 2018, equations 9 and 10)."""
    return _slopes(logits, images.detach().requires_grad_(True)).mean() / 2


def _slopes(logits: Logits, images: Tensor) -> Tensor:
    """|∇ℓ|² of each picture, (N,), with a graph of its own."""
    (gradient,) = torch.autograd.grad(logits(images).sum(), images, create_graph=True)
    return gradient.square().sum((1, 2, 3)) + 1e-12  # the root of zero has no gradient
