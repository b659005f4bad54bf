"""BigGAN's and BigGAN-deep's generators, and SAGAN's in the same code: residual blocks whose BatchNorm depends on the class.

A. Brock, J. Donahue and K. Simonyan, *Large Scale GAN Training for High Fidelity Natural Image Synthesis*, ICLR 2019
(arXiv:1809.11096), appendix B. The names are this project's: `biggan_names` brings those of each publication into them.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import batch_norm, interpolate, relu

from export.importers.families.family import Tensors
from export.importers.families.non_local import NonLocal

RGB = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What decides how the layers are connected."""

    side: int
    """Of the first feature maps."""
    enlarging: frozenset[int]
    """Layers that double the size."""
    eps: float
    """Of BatchNorm."""
    chunk: int | None
    """Numbers of z that the first layer and each block take, where z is split; None where all of it goes in."""
    condition: int
    """Width of what BatchNorm depends on; the number of classes where it has a table of them."""
    joined: bool
    """Whether z and the embedded class go into every layer together, as in BigGAN-deep."""


class Statistics(nn.Module):
    """BatchNorm by the statistics in the file, without scale and shift."""

    def __init__(self, channels: int, eps: float) -> None:
        super().__init__()
        self.eps = eps
        self.register_buffer("stored_mean", torch.empty(channels))
        self.register_buffer("stored_var", torch.empty(channels))

    def normalised(self, x: Tensor) -> Tensor:
        return batch_norm(x, self.get_buffer("stored_mean"), self.get_buffer("stored_var"), eps=self.eps)


class Conditional(Statistics):
    """relu((1 + gain(c)) · normalised x + bias(c)); c is a vector, or a class where gain and bias are tables."""

    def __init__(self, tensors: Tensors, at: str, plan: Plan) -> None:
        (channels,) = tensors[f"{at}.stored_mean"].shape
        super().__init__(channels, plan.eps)
        table, width = "shared.weight" not in tensors, plan.condition
        self.gain: nn.Module = nn.Embedding(width, channels) if table else nn.Linear(width, channels, bias=False)
        self.bias: nn.Module = nn.Embedding(width, channels) if table else nn.Linear(width, channels, bias=False)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        gain, bias = (layer(condition)[:, :, None, None] for layer in (self.gain, self.bias))
        return relu(self.normalised(x) * (1 + gain) + bias)


class Plain(Statistics):
    """relu(gain · normalised x + bias)"""

    def __init__(self, channels: int, eps: float) -> None:
        super().__init__(channels, eps)
        self.gain, self.bias = nn.Parameter(torch.empty(channels)), nn.Parameter(torch.empty(channels))

    def forward(self, x: Tensor) -> Tensor:
        return relu(self.normalised(x) * self.gain[:, None, None] + self.bias[:, None, None])


def convolution(tensors: Tensors, path: str) -> nn.Conv2d:
    out, width, side, _ = tensors[f"{path}.weight"].shape
    return nn.Conv2d(width, out, side, padding=side // 2)


def doubled(x: Tensor) -> Tensor:
    return interpolate(x, scale_factor=2.0)


class Block(nn.Module):
    """BigGAN's: two 3×3 convolutions beside a 1×1 one."""

    def __init__(self, tensors: Tensors, at: str, plan: Plan, enlarges: bool) -> None:
        super().__init__()
        self.enlarges = enlarges
        self.bn1, self.bn2 = Conditional(tensors, f"{at}.bn1", plan), Conditional(tensors, f"{at}.bn2", plan)
        self.conv1, self.conv2 = convolution(tensors, f"{at}.conv1"), convolution(tensors, f"{at}.conv2")
        self.conv_sc = convolution(tensors, f"{at}.conv_sc")

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        y = self.bn1(x, condition)
        if self.enlarges:
            x, y = doubled(x), doubled(y)
        out: Tensor = self.conv2(self.bn2(self.conv1(y), condition)) + self.conv_sc(x)
        return out


class Bottleneck(nn.Module):
    """BigGAN-deep's: 1×1, 3×3, 3×3, 1×1; beside it the first of x's channels, as many as come out."""

    def __init__(self, tensors: Tensors, at: str, plan: Plan, enlarges: bool) -> None:
        super().__init__()
        self.enlarges = enlarges
        self.bn1, self.bn2, self.bn3, self.bn4 = (Conditional(tensors, f"{at}.bn{i}", plan) for i in range(1, 5))
        self.conv1, self.conv2, self.conv3, self.conv4 = (convolution(tensors, f"{at}.conv{i}") for i in range(1, 5))

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        y = self.bn2(self.conv1(self.bn1(x, condition)), condition)
        x = x[:, : self.conv4.out_channels]
        if self.enlarges:
            x, y = doubled(x), doubled(y)
        y = self.conv3(self.bn3(self.conv2(y), condition))
        out: Tensor = x + self.conv4(self.bn4(y, condition))
        return out


class Generator(nn.Module):
    """z (N, nz), label int64 (N,) -> pictures (N, 3, side, side) in −1..1."""

    def __init__(self, tensors: Tensors, plan: Plan) -> None:
        super().__init__()
        self.plan = plan
        first, table, last = tensors["linear.weight"], tensors.get("shared.weight"), tensors["output_conv.weight"]
        self.shared = nn.Embedding(*table.shape) if table is not None else nn.Identity()
        self.linear = nn.Linear(first.shape[1], first.shape[0])
        self.layers = nn.ModuleList(self._layer(tensors, i) for i in range(layer_count(tensors)))
        self.output_norm, self.output_conv = Plain(last.shape[1], plan.eps), convolution(tensors, "output_conv")

    def _layer(self, tensors: Tensors, i: int) -> nn.Module:
        at, enlarges = f"layers.{i}", i in self.plan.enlarging
        if f"{at}.gamma" in tensors:
            return NonLocal(tensors, at)
        kind = Bottleneck if f"{at}.conv4.weight" in tensors else Block
        return kind(tensors, at, self.plan, enlarges)

    def forward(self, z: Tensor, label: Tensor) -> Tensor:
        condition: Tensor = self.shared(label)
        if self.plan.joined:
            z = condition = torch.cat([z, condition], 1)
        first, *rest = torch.split(z, self.plan.chunk, 1) if self.plan.chunk is not None else (z,)
        chunks = iter(rest)
        x: Tensor = self.linear(first).reshape(z.shape[0], -1, self.plan.side, self.plan.side)
        for layer in self.layers:
            if isinstance(layer, NonLocal):
                x = layer(x)
            else:
                x = layer(x, torch.cat([condition, next(chunks)], 1) if self.plan.chunk is not None else condition)
        return torch.tanh(self.output_conv(self.output_norm(x))[:, :RGB])


def layer_count(tensors: Tensors) -> int:
    return len({name.split(".")[1] for name in tensors if name.startswith("layers.")})
