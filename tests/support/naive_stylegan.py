"""StyleGAN2, and what StyleGAN3 shares with it, in the plainest way: from the papers' equations, one picture at a time."""

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


def filtered(x: Tensor, taps: Tensor, before: int, after: int, up: int = 1) -> Tensor:
    """x (C, H, W): zeros between pixels and around, then out[y, x] = sum over a, b of taps[a, b] · in[y + T−1−a, x + T−1−b]."""
    taps = taps.double() if taps.dim() == 2 else torch.outer(taps.double(), taps.double())
    spread = torch.zeros(x.shape[0], x.shape[1] * up, x.shape[2] * up, dtype=x.dtype)
    spread[:, ::up, ::up] = x
    wide = functional.pad(spread, (before, after, before, after))
    size = len(taps)
    height, width = wide.shape[1] - size + 1, wide.shape[2] - size + 1
    out = torch.zeros(x.shape[0], height, width, dtype=x.dtype)
    for a in range(size):
        for b in range(size):
            out += taps[a, b] * wide[:, size - 1 - a : size - 1 - a + height, size - 1 - b : size - 1 - b + width]
    return out * up**2


def convolved(layer: Module, x: Tensor, w: Tensor, demodulate: bool = True, up: int = 1) -> Tensor:
    """x (I, H, W) with a kernel of its own: styled, and with unit norm."""
    kernel = layer["weight"].double() * connected(layer["affine"], w)[None, :, None, None]
    if demodulate:
        kernel = kernel / (kernel.square().sum((1, 2, 3), keepdim=True) + 1e-8).sqrt()
    if up == 1:
        return functional.conv2d(x[None], kernel, padding=kernel.shape[2] // 2)[0]
    height, width = x.shape[1:]
    spread = torch.zeros(len(kernel), 2 * height + 1, 2 * width + 1, dtype=x.dtype)
    for a in range(3):  # every pixel paints the kernel, two pixels apart
        for b in range(3):
            painted = torch.einsum("oi,ihw->ohw", kernel[:, :, a, b], x)
            spread[:, a : a + 2 * height : 2, b : b + 2 * width : 2] += painted
    size = layer["resample_filter"].shape[-1]
    return filtered(spread, layer["resample_filter"], (size - 1) // 2, size // 2 - 1) * 4


def clipped(x: Tensor, clamp: float | None, gain: float = 1.0) -> Tensor:
    return x if clamp is None else x.clamp(-clamp * gain, clamp * gain)


def layered(layer: Module, x: Tensor, w: Tensor, noise: bool, gain: float = 1.0) -> Tensor:
    y = convolved(layer, x, w, up=layer["up"])
    if noise:
        y = y + layer["noise_const"].double() * layer["noise_strength"].double()
    y = y + layer["bias"].double()[:, None, None]
    return clipped(torch.where(y > 0, y, 0.2 * y) * layer["act_gain"] * gain, layer["conv_clamp"], gain)


def stylegan2_drawn(network: Module, z: Tensor, label: int | None = None, psi: float = 1.0, noise: bool = True) -> Tensor:
    """One picture (C, H, W) of z (D,)."""
    w = style_of(network["mapping"], z, label, psi)
    synthesis, picture, x = network["synthesis"], None, torch.zeros(0)
    for resolution in synthesis["block_resolutions"]:
        block = synthesis[f"b{resolution}"]
        residual = block["architecture"] == "resnet" and block["in_channels"] > 0
        if block["in_channels"] == 0:
            x = layered(block["conv1"], block["const"].double(), w, noise)
        else:
            y = layered(block["conv1"], layered(block["conv0"], x, w, noise), w, noise, sqrt(0.5) if residual else 1.0)
            if residual:
                skip = block["skip"]
                size = skip["resample_filter"].shape[-1]
                kernel = skip["weight"].double() * skip["weight_gain"]
                narrow = functional.conv2d(x[None], kernel)[0]
                y = y + sqrt(0.5) * filtered(narrow, skip["resample_filter"], (size + 1) // 2, size // 2 - 1, up=2)
            x = y
        if picture is not None:
            size = block["resample_filter"].shape[-1]
            picture = filtered(picture, block["resample_filter"], (size + 1) // 2, size // 2 - 1, up=2)
        if "torgb" in block.modules:
            part = block["torgb"]
            y = convolved(part, x, w, demodulate=False) * part["weight_gain"] + part["bias"].double()[:, None, None]
            y = clipped(y, part["conv_clamp"])
            picture = y if picture is None else picture + y
    assert picture is not None
    return picture


def latents(n: int, size: int = 8) -> Tensor:
    return torch.randn(n, size, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
