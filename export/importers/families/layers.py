"""What the networks of the StyleGAN family are made of (Karras et al. 2019, 2020), with kernels that are constants.

A modulated convolution scales its kernel by a style of its own for every picture, W'[o,i] = s[i]·W[o,i], and brings the result
back to unit variance, d[o] = 1/√(Σ W'²). The same numbers come from a constant kernel between two scalings of activations:

    conv(x, d·s·W) = d · conv(x·s, W)      d = 1/√(s² · Σₖ W² + ε)

in which Σₖ W² is a constant matrix. No runtime ever sees a kernel for each picture.
"""

from math import sqrt
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

Activation = Literal["linear", "lrelu"]
EPSILON = 1e-8
SLOPE = 0.2
GAIN = sqrt(2)  # of the leaky ReLU, which else would halve the variance


def normalised(x: Tensor) -> Tensor:
    """x (N, D), each row scaled to a mean square of 1."""
    return x * torch.rsqrt(x.square().mean(1, keepdim=True) + EPSILON)


def clipped(x: Tensor, largest: float | None) -> Tensor:
    """x within ±largest; None for any magnitude."""
    return x.clamp(-largest, largest) if largest is not None else x


class FullyConnected(nn.Module):
    """x (N, I) -> (N, O). `weight` (O, I) and `bias` (O,) as they are used, their gains multiplied in."""

    def __init__(self, weight: Tensor, bias: Tensor | None, activation: Activation = "linear") -> None:
        super().__init__()
        self.weight = nn.Parameter(weight)
        self.bias = nn.Parameter(bias) if bias is not None else None
        self.activation = activation

    def forward(self, x: Tensor) -> Tensor:
        y = functional.linear(x, self.weight, self.bias)
        return functional.leaky_relu(y, SLOPE) * GAIN if self.activation == "lrelu" else y


class ModulatedConvolution(nn.Module):
    """x (N, I, H, W) and styles (N, I) -> (N, O, H, W), or (N, O, 2H+1, 2W+1) of a 3×3 kernel with `up`.

    weight  (O, I, k, k)
    gain    a factor of the result
    up      a transposed convolution of stride 2
    """

    energy: Tensor

    def __init__(
        self, weight: Tensor, *, demodulate: bool = True, up: bool = False, gain: float = 1.0, pad: int | None = None
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight.transpose(0, 1).contiguous() if up else weight)
        self.demodulate, self.up, self.gain = demodulate, up, gain
        self.pad = weight.shape[-1] // 2 if pad is None else pad
        self.register_buffer("energy", weight.square().sum((2, 3)).T.contiguous())

    def forward(self, x: Tensor, styles: Tensor) -> Tensor:
        x = x * styles[:, :, None, None]
        if self.up:
            x = functional.conv_transpose2d(x, self.weight, stride=2)
        else:
            x = functional.conv2d(x, self.weight, padding=self.pad)
        if not self.demodulate:
            return x * self.gain if self.gain != 1 else x
        scale = torch.rsqrt(styles.square() @ self.energy + EPSILON) * self.gain
        return x * scale[:, :, None, None]
