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
    """What D minimises, penalties on its gradient (`train.penalties`) not included."""
    match loss:
        case "saturating" | "non_saturating":
            return ascend_value(real, fake, label_noise)
        case "hinge":
            return hinge_discriminator(real, fake)
        case "least_squares":
            return least_squares_discriminator(real, fake, label_noise)
        case "wgan_gp":
            return wasserstein_discriminator(real, fake)
        case "relativistic":
            return relativistic_discriminator(real, fake)


def generator_loss(loss: Loss, fake: Tensor, real: Tensor | None = None) -> Tensor:
    """What G minimises, for logits of generated pictures; the relativistic loss compares them with those of real ones."""
    match loss:
        case "saturating":
            return saturating(fake)
        case "non_saturating":
            return non_saturating(fake)
        case "hinge" | "wgan_gp":
            return hinge_generator(fake)
        case "least_squares":
            return least_squares_generator(fake)
        case "relativistic":
            assert real is not None
            return relativistic_discriminator(fake, real)  # the same game with the sides exchanged


def ascend_value(real: Tensor, fake: Tensor, label_noise: float = 0.0) -> Tensor:
    """D's ascent of V is the descent of −V: cross-entropy with labels 1 for real and 0 for generated pictures.

    With label noise the labels are 1 − U(0, label_noise) and U(0, label_noise), drawn anew for every picture; without,
    this is −V exactly.
    """
    if label_noise == 0.0:
        return -value(real, fake)
    real_labels, fake_labels = noisy_labels(real, fake, label_noise)
    return F.binary_cross_entropy_with_logits(real, real_labels) + F.binary_cross_entropy_with_logits(fake, fake_labels)


def noisy_labels(real: Tensor, fake: Tensor, label_noise: float) -> tuple[Tensor, Tensor]:
    """1 − U(0, label_noise) for each real picture and U(0, label_noise) for each generated one."""
    return 1.0 - label_noise * torch.rand_like(real), label_noise * torch.rand_like(fake)


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
    """−E[ℓ(G(z))]: G's side of the hinge (Miyato et al. 2018, equation 17) and of the Wasserstein game alike."""
    return -fake.mean()


def least_squares_discriminator(real: Tensor, fake: Tensor, label_noise: float = 0.0) -> Tensor:
    """½ E[(ℓ(x) − 1)²] + ½ E[ℓ(G(z))²] (Mao et al. 2017, equation 9)."""
    real_labels, fake_labels = noisy_labels(real, fake, label_noise) if label_noise else (1.0, 0.0)
    return ((real - real_labels).square().mean() + (fake - fake_labels).square().mean()) / 2


def least_squares_generator(fake: Tensor) -> Tensor:
    """½ E[(ℓ(G(z)) − 1)²] (Mao et al. 2017, equation 9)."""
    return (fake - 1.0).square().mean() / 2


def wasserstein_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """E[ℓ(G(z))] − E[ℓ(x)], an estimate of minus the distance while D's slope is at most 1 (Gulrajani et al. 2017)."""
    return fake.mean() - real.mean()


def relativistic_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """E[softplus(ℓ(G(z)) − ℓ(x))]: is this real picture more real than that generated one?

    Jolicoeur-Martineau 2019; with R1 and R2 it is the loss of R3GAN (Huang et al. 2024, equations 1 to 4).
    """
    return F.softplus(fake - real).mean()
