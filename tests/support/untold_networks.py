"""Small generators as people write them, of which the exporter sees the weights alone: what it reads must be theirs, or be
graded as assumed.

BatchNorm's statistics have settled as in training, on the latents of the network's own distribution. Nothing of ours is
imported, so that the truth is independent of what is tested.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn


class Sampled(nn.Module):
    """A body behind the latent, joined with the embedded label where there are classes."""

    def __init__(self, body: nn.Module, classes: int = 0, embed: int = 0, times: bool = False, last: bool = False) -> None:
        super().__init__()
        if classes:
            self.label_emb = nn.Embedding(classes, embed)
        self.net, self.times, self.channels_last = body, times, last

    def forward(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        if label is not None:
            embedded = self.label_emb(label)
            z = z * embedded if self.times else torch.cat([z, embedded], 1)
        image: Tensor = self.net(z)
        return image.permute(0, 2, 3, 1).reshape(image.shape) if self.channels_last else image


class Residual(nn.Module):
    """Skips that no tensor tells, with a norm before each block or without."""

    def __init__(self, norm: bool) -> None:
        super().__init__()
        self.fc, self.out = nn.Linear(24, 16 * 49), nn.Conv2d(16, 1, 3, padding=1)
        if norm:
            self.norm1 = nn.BatchNorm2d(16)
        self.conv1, self.conv2 = nn.Conv2d(16, 16, 3, padding=1), nn.Conv2d(16, 16, 3, padding=1)
        if norm:
            self.norm2 = nn.BatchNorm2d(16)
        self.conv3, self.conv4 = nn.Conv2d(16, 16, 3, padding=1), nn.Conv2d(16, 16, 3, padding=1)
        self.norm = norm

    def forward(self, z: Tensor) -> Tensor:
        x = self.fc(z).view(-1, 16, 7, 7)
        for index in (1, 3):
            x = nn.functional.interpolate(x, scale_factor=2)
            y = torch.relu(getattr(self, f"norm{index // 2 + 1}")(x) if self.norm else x)
            y = torch.relu(getattr(self, f"conv{index}")(y))
            x = x + getattr(self, f"conv{index + 1}")(y)
        return torch.tanh(self.out(torch.relu(x)))


def leaky() -> nn.Module:
    return nn.LeakyReLU(0.2)


def planes(width: int) -> list[nn.Module]:
    return [nn.Unflatten(1, (width, 1, 1))]


def up(
    a: int, b: int, act: Callable[[], nn.Module], kernel: int = 4, stride: int = 2, pad: int = 1, extra: int = 0
) -> list[nn.Module]:
    return [nn.ConvTranspose2d(a, b, kernel, stride, pad, extra, bias=False), nn.BatchNorm2d(b), act()]


def dcgan(
    side: int, act: Callable[[], nn.Module] = nn.ReLU, last: type[nn.Module] = nn.Tanh, c: int = 1, nz: int = 32
) -> nn.Module:
    """Radford et al. 2015 as PyTorch's tutorial writes it; 28 pixels begin with a kernel of 7."""
    kernel, doublings = (7, 2) if side == 28 else (4, {32: 3, 64: 4, 128: 5}[side])
    widths = [8 * 2**index for index in reversed(range(doublings))]
    layers = [*planes(nz), *up(nz, widths[0], act, kernel, 1, 0)]
    for a, b in pairwise(widths):
        layers += up(a, b, act)
    return Sampled(nn.Sequential(*layers, nn.ConvTranspose2d(widths[-1], c, 4, 2, 1, bias=False), last()))


def pytorch_gan(
    act: Callable[[], nn.Module] = leaky,
    eps: float = 0.8,
    inputs: int = 32,
    classes: int = 0,
    embed: int = 0,
    times: bool = False,
) -> nn.Module:
    """Linear, Upsample, Conv, and the eps that was meant to be a momentum."""
    head = [nn.Linear(inputs, 32 * 49), nn.Unflatten(1, (32, 7, 7)), nn.BatchNorm2d(32)]
    first = [nn.Upsample(scale_factor=2), nn.Conv2d(32, 32, 3, 1, 1), nn.BatchNorm2d(32, eps), act()]
    second = [nn.Upsample(scale_factor=2), nn.Conv2d(32, 16, 3, 1, 1), nn.BatchNorm2d(16, eps), act()]
    return Sampled(nn.Sequential(*head, *first, *second, nn.Conv2d(16, 1, 3, 1, 1), nn.Tanh()), classes, embed, times)


def linear_first(norm_flat: bool) -> nn.Module:
    norm = [nn.BatchNorm1d(32 * 49), nn.ReLU()] if norm_flat else []
    body = [
        nn.Linear(32, 32 * 49, bias=False),
        *norm,
        nn.Unflatten(1, (32, 7, 7)),
        *([] if norm_flat else [nn.BatchNorm2d(32), nn.ReLU()]),
    ]
    return Sampled(nn.Sequential(*body, *up(32, 16, nn.ReLU), nn.ConvTranspose2d(16, 1, 4, 2, 1), nn.Tanh()))


def mlp() -> nn.Module:
    layers: list[nn.Module] = [nn.Linear(32, 64), nn.LeakyReLU(0.2)]
    for a, b in ((64, 128), (128, 256)):
        layers += [nn.Linear(a, b), nn.BatchNorm1d(b, 0.8), nn.LeakyReLU(0.2)]
    return Sampled(nn.Sequential(*layers, nn.Linear(256, 784), nn.Tanh()))


def without_norm(first_only: bool) -> nn.Module:
    head = [*planes(32), nn.ConvTranspose2d(32, 32, 4), nn.ReLU()]
    if first_only:
        body = [*up(32, 16, nn.ReLU), *up(16, 8, nn.ReLU)]
    else:
        body = [nn.ConvTranspose2d(32, 16, 4, 2, 1), nn.ReLU(), nn.ConvTranspose2d(16, 8, 4, 2, 1), nn.ReLU()]
    return Sampled(nn.Sequential(*head, *body, nn.ConvTranspose2d(8, 3, 4, 2, 1), nn.Tanh()))


def odd_blocks() -> nn.Module:
    """Kernels 3 and 4 without padding, as in a much copied WGAN-GP."""
    body = [*planes(24), *up(24, 32, nn.ReLU, 3, 2, 0), *up(32, 16, nn.ReLU, 4, 1, 0), *up(16, 8, nn.ReLU, 3, 2, 0)]
    return Sampled(nn.Sequential(*body, nn.ConvTranspose2d(8, 1, 4, 2), nn.Tanh()))


def kernel_five() -> nn.Module:
    body = [nn.Linear(32, 32 * 16), nn.Unflatten(1, (32, 4, 4)), nn.BatchNorm2d(32), nn.ReLU()]
    body += [*up(32, 16, nn.ReLU, 5, 2, 2, 1), *up(16, 8, nn.ReLU, 5, 2, 2, 1)]
    return Sampled(nn.Sequential(*body, nn.ConvTranspose2d(8, 3, 5, 2, 2, 1), nn.Tanh()))


def no_activation_first() -> nn.Module:
    body = [*planes(32), nn.ConvTranspose2d(32, 64, 4, bias=False), nn.BatchNorm2d(64)]
    body += [nn.Conv2d(64, 32, 3, 1, 1, bias=False), nn.BatchNorm2d(32), leaky(), *up(32, 16, leaky), *up(16, 8, leaky)]
    return Sampled(nn.Sequential(*body, nn.ConvTranspose2d(8, 3, 4, 2, 1), nn.Tanh()))


@dataclass(frozen=True)
class Untold:
    """A generator, and what nobody tells about it."""

    make: Callable[[], nn.Module]
    latent: int = 32
    distribution: Literal["normal", "uniform"] = "normal"
    classes: int = 0
    updates: int = 60
    """Batches on which the statistics have settled."""
    std: float | None = None
    """Of the weights; None keeps every layer's variance."""
    averaged: bool = False
    """The weights have moved on from those whose statistics are in the file."""


UNTOLD: dict[str, Untold] = {
    "dcgan28": Untold(lambda: dcgan(28)),
    "dcgan32": Untold(lambda: dcgan(32, c=3)),
    "dcgan64": Untold(lambda: dcgan(64, c=3)),
    "dcgan128": Untold(lambda: dcgan(128, c=3)),
    "dcgan64-hardly-settled": Untold(lambda: dcgan(64, c=3), updates=3, std=0.02),
    "dcgan32-lrelu0.2": Untold(lambda: dcgan(32, leaky)),
    "dcgan32-lrelu0.1": Untold(lambda: dcgan(32, lambda: nn.LeakyReLU(0.1))),
    "dcgan32-lrelu0.01": Untold(lambda: dcgan(32, nn.LeakyReLU)),
    "dcgan32-selu": Untold(lambda: dcgan(32, nn.SELU)),
    "dcgan32-elu": Untold(lambda: dcgan(32, nn.ELU)),
    "dcgan28-sigmoid": Untold(lambda: dcgan(28, last=nn.Sigmoid)),
    "dcgan32-uniform": Untold(lambda: dcgan(32), distribution="uniform"),
    "upsample-eps0.8": Untold(pytorch_gan),
    "upsample-eps1e-5": Untold(lambda: pytorch_gan(nn.ReLU, 1e-5)),
    "embedding-joined": Untold(lambda: pytorch_gan(inputs=42, classes=10, embed=10), classes=10),
    "embedding-times": Untold(lambda: pytorch_gan(classes=10, embed=32, times=True), classes=10),
    "linear-first": Untold(lambda: linear_first(norm_flat=False)),
    "linear-flat-norm": Untold(lambda: linear_first(norm_flat=True)),
    "mlp": Untold(mlp),
    "first-without-norm": Untold(lambda: without_norm(first_only=True)),
    "without-norm": Untold(lambda: without_norm(first_only=False)),
    "kernel3-kernel4": Untold(odd_blocks, latent=24),
    "kernel5": Untold(kernel_five),
    "no-activation-first": Untold(no_activation_first),
    "averaged": Untold(lambda: dcgan(32), averaged=True),
    "channels-last": Untold(lambda: Sampled(dcgan(32, c=3), last=True)),
    "residual": Untold(lambda: Residual(norm=True), latent=24),
    "residual-without-norm": Untold(lambda: Residual(norm=False), latent=24),
}


def batch(network: Untold, n: int, seed: int) -> tuple[Tensor, ...]:
    """z (n, nz) of the network's own distribution, and with classes label (n,)."""
    generator = torch.Generator().manual_seed(seed)
    shape = (n, network.latent)
    z = (
        torch.randn(shape, generator=generator)
        if network.distribution == "normal"
        else torch.rand(shape, generator=generator) * 2 - 1
    )
    return (z, torch.arange(n) % network.classes) if network.classes else (z,)


def settled(name: str) -> nn.Module:
    """The generator in eval mode, its weights fixed and random, its statistics as after that many steps of training."""
    network = UNTOLD[name]
    torch.manual_seed(0)
    module = network.make().train()
    for layer in module.modules():
        if isinstance(layer, nn.modules.batchnorm._BatchNorm):
            nn.init.normal_(layer.weight, 1.0, 0.2 if network.std is None else network.std)
            nn.init.normal_(layer.bias, 0.0, 0.2 if network.std is None else 1e-6)
        elif isinstance(layer, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(layer.weight, std=network.std or (2.0 / max(layer.weight[0].numel(), 16)) ** 0.5)
    with torch.no_grad():
        for step in range(network.updates):
            module(*batch(network, 64, step))
        if network.averaged:
            for parameter in module.parameters():
                parameter.add_(0.1 * parameter.std() * torch.randn(parameter.shape))
    return module.eval()
