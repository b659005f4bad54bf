"""What StyleGAN2 and StyleGAN3 share, in the plainest way, one picture at a time: its mapping, from the papers' equations."""

from math import sqrt

import torch
from torch import Tensor
from torch.nn import functional

from tests.support.nvidia_pickle import Module


def connected(layer: Module, x: Tensor) -> Tensor:
    y = layer["weight"].double() * layer["weight_gain"] @ x + layer["bias"].double() * layer["bias_gain"]
    return torch.where(y > 0, y, 0.2 * y) * sqrt(2) if layer["activation"] == "lrelu" else y


def style_of(network: Module, z: Tensor, label: int | None, psi: float) -> Tensor:
    """w (D,): normalise, embed, connect (Karras et al. 2019, 2020), and the truncation trick."""
    x = z / (z.square().mean() + 1e-8).sqrt()
    if label is not None:
        hot = functional.one_hot(torch.tensor(label), network["c_dim"]).double()
        y = connected(network["embed"], hot)
        x = torch.cat([x, y / (y.square().mean() + 1e-8).sqrt()])
    for index in range(network["num_layers"]):
        x = connected(network[f"fc{index}"], x)
    return network["w_avg"].double() * (1 - psi) + psi * x


def latents(n: int, size: int = 8) -> Tensor:
    return torch.randn(n, size, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
