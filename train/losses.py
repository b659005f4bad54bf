"""The game, written down.

    min over G, max over D of   V(D, G) = E[log D(x)] + E[log(1 − D(G(z)))]          (Goodfellow et al. 2014, equation 1)

The discriminator puts out a logit ℓ with D = σ(ℓ), and every logarithm is taken through softplus, which cannot overflow:

    log D = −softplus(−ℓ)        log(1 − D) = −softplus(ℓ)

Each function takes logits (N,) and returns a scalar to *minimise*; where a player ascends, the sign is turned.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from train.config import Loss


def value(real: Tensor, fake: Tensor) -> Tensor:
    """V(D, G) for logits of real and generated pictures: 0 for a perfect D, −2 log 2 = −1.386 for one that only guesses."""
    return -F.softplus(-real).mean() - F.softplus(fake).mean()


def discriminator_loss(loss: Loss, real: Tensor, fake: Tensor, label_noise: float = 0.0) -> Tensor:
    """What D minimises: −V for both forms of the original game, the hinge for "hinge"."""
    if loss == "hinge":
        return hinge_discriminator(real, fake)
    return ascend_value(real, fake, label_noise)


def generator_loss(loss: Loss, fake: Tensor) -> Tensor:
    """What G minimises, for logits of generated pictures."""
    match loss:
        case "saturating":
            return saturating(fake)
        case "non_saturating":
            return non_saturating(fake)
        case "hinge":
            return hinge_generator(fake)


def ascend_value(real: Tensor, fake: Tensor, label_noise: float = 0.0) -> Tensor:
    """D's ascent of V is the descent of −V: cross-entropy with labels 1 for real and 0 for generated pictures.

    With label noise the labels are 1 − U(0, label_noise) and U(0, label_noise), drawn anew for every picture; without,
    this is −V exactly.
    """
    if label_noise == 0.0:
        return -value(real, fake)
    real_labels = 1.0 - label_noise * torch.rand_like(real)
    fake_labels = label_noise * torch.rand_like(fake)
    return F.binary_cross_entropy_with_logits(real, real_labels) + F.binary_cross_entropy_with_logits(fake, fake_labels)


def saturating(fake: Tensor) -> Tensor:
    """G's descent of V itself: E[log(1 − D(G(z)))]. Its gradient vanishes where D is sure, so G starts slowly."""
    return -F.softplus(fake).mean()


def non_saturating(fake: Tensor) -> Tensor:
    """−E[log D(G(z))]: the same fixed point with a strong gradient where D is sure (Goodfellow et al. 2014, section 3)."""
    return F.softplus(-fake).mean()


def hinge_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """E[max(0, 1 − ℓ(x))] + E[max(0, 1 + ℓ(G(z)))] (Miyato et al. 2018, equation 16)."""
    return F.relu(1.0 - real).mean() + F.relu(1.0 + fake).mean()


def hinge_generator(fake: Tensor) -> Tensor:
    """−E[ℓ(G(z))] (Miyato et al. 2018, equation 17)."""
    return -fake.mean()
