"""StyleGAN2 (Karras et al. 2020, "Analyzing and Improving the Image Quality of StyleGAN"), in constant kernels.

    z (N, D)  → mapping: normalised, with the class's embedding beside it, through a few layers → w (N, D), one for every layer
    w         → synthesis: a constant of 4×4, then blocks that double the side; every convolution modulated by its w

`skip` adds up a picture of every block, `resnet` adds each block's input to its output, `orig` does neither. How each layer is
wired is what the layers are made with; files that say so are read in `nvidia_stylegan2.py` and `rosinality.py`.
"""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from export.importers.families.fir import Fir
from export.importers.families.layers import SLOPE, FullyConnected, ModulatedConvolution, clipped, normalised

NoiseInput = Literal["const", "none", "random"]


class Mapping(nn.Module):
    """z (N, D) [, label int64 (N,)] -> w (N, L, W).

    classes  normalised embedding of each class, (K, E); None without classes
    w_avg    (W,): the mean of w in training, towards which psi draws; None where the file has none
    layers   L: how many layers of the synthesis take a w
    """

    classes: Tensor | None
    w_avg: Tensor | None

    def __init__(self, connected: Sequence[FullyConnected], classes: Tensor | None, w_avg: Tensor | None, layers: int) -> None:
        super().__init__()
        self.connected, self.layers = nn.ModuleList(connected), layers
        self.register_buffer("classes", classes)
        self.register_buffer("w_avg", w_avg)

    def forward(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        x = normalised(z)
        if self.classes is not None:
            assert label is not None
            x = torch.cat([x, self.classes[label]], 1)
        for layer in self.connected:
            x = layer(x)
        return x[:, None].expand(-1, self.layers, -1)


class SynthesisLayer(nn.Module):
    """One convolution of a block: clip(gain · leakyReLU(modulated convolution + noise + bias)).

    affine      w (N, W) -> styles (N, I)
    weight      (O, I, 3, 3)
    bias        (O,)
    taps        the filter of a layer that doubles the side, (T,) or (T, T); None for one that keeps it
    noise       (H, W), the noise times its strength; None for none
    strength    of noise that is drawn anew for each picture; None for that of `noise`
    gain        of the activation
    clamp       the largest magnitude that is let through; None for any
    """

    noise: Tensor | None

    def __init__(
        self, affine: FullyConnected, weight: Tensor, bias: Tensor, *, taps: Tensor | None, noise: Tensor | None,
        strength: float | None, resolution: int, gain: float, clamp: float | None,
    ) -> None:  # fmt: skip
        super().__init__()
        self.affine, self.clamp, self.resolution = affine, clamp, resolution
        # leakyReLU(gain · x) = gain · leakyReLU(x): the gain goes into what is constant
        self.convolution = ModulatedConvolution(weight, up=taps is not None, gain=gain)
        self.bias = nn.Parameter((bias * gain).reshape(1, -1, 1, 1))
        self.strength = strength * gain if strength is not None else None
        self.register_buffer("noise", noise * gain if noise is not None else None)
        self.blur: Fir | None = None
        if taps is not None:
            size = taps.shape[-1]  # 2H + 1 pixels come in, 2H go out
            self.blur = Fir(taps, len(bias), ((size - 1) // 2, size // 2 - 1), gain=4)

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        y = self.convolution(x, self.affine(w))
        if self.blur is not None:
            y = self.blur(y)
        if self.strength is not None:
            y = y + self.strength * torch.randn(y.shape[0], 1, self.resolution, self.resolution, device=y.device, dtype=y.dtype)
        elif self.noise is not None:
            y = y + self.noise
        y = functional.leaky_relu(y + self.bias, SLOPE)
        return clipped(y, self.clamp)


class ToPicture(nn.Module):
    """A block's features as a picture: a modulated convolution of 1×1 without demodulation, plus bias, clipped.

    weight  (C, I, 1, 1), its gain multiplied in
    """

    def __init__(self, affine: FullyConnected, weight: Tensor, bias: Tensor, clamp: float | None) -> None:
        super().__init__()
        self.affine, self.clamp = affine, clamp
        self.convolution = ModulatedConvolution(weight, demodulate=False)
        self.bias = nn.Parameter(bias.reshape(1, -1, 1, 1))

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        return clipped(self.convolution(x, self.affine(w)) + self.bias, self.clamp)


class Shortcut(nn.Module):
    """What `resnet` adds to a block's output: its input through a 1×1 kernel, doubled in size.

    weight  (O, I, 1, 1), all gains multiplied in
    """

    def __init__(self, weight: Tensor, taps: Tensor) -> None:
        super().__init__()
        self.weight, self.enlarge = nn.Parameter(weight), doubled(taps, len(weight))

    def forward(self, x: Tensor) -> Tensor:
        enlarged: Tensor = self.enlarge(functional.conv2d(x, self.weight))
        return enlarged


class Block(nn.Module):
    """The layers of one resolution.

    enlarge  doubles the picture so far, which the block's own is added to; None where there is none, or it is replaced
    """

    def __init__(
        self, layers: Sequence[SynthesisLayer], picture: ToPicture | None, shortcut: Shortcut | None, enlarge: Fir | None
    ) -> None:
        super().__init__()
        self.layers, self.picture, self.shortcut, self.enlarge = nn.ModuleList(layers), picture, shortcut, enlarge

    def forward(self, x: Tensor, picture: Tensor | None, w: Sequence[Tensor]) -> tuple[Tensor, Tensor | None]:
        """x (N, I, H, W), the picture so far, one w (N, W) for each layer and one for the picture."""
        y = x
        for layer, style in zip(self.layers, w, strict=False):
            y = layer(y, style)
        if self.shortcut is not None:
            y = y + self.shortcut(x)
        if picture is not None and self.enlarge is not None:
            picture = self.enlarge(picture)
        if self.picture is not None:
            own = self.picture(y, w[len(self.layers)])
            picture = own if picture is None else picture + own
        return y, picture


class Synthesis(nn.Module):
    """w (N, L, W) -> pictures (N, C, H, W), unbounded; −1..1 is what is shown.

    const  (C, 4, 4)
    """

    def __init__(self, const: Tensor, blocks: Sequence[Block]) -> None:
        super().__init__()
        self.const, self.blocks = nn.Parameter(const[None]), nn.ModuleList(blocks)
        self.counts = [len(block.layers) for block in blocks]

    def forward(self, w: Tensor) -> Tensor:
        x: Tensor = self.const
        picture: Tensor | None = None
        first = 0
        for block, count in zip(self.blocks, self.counts, strict=True):
            x, picture = block(x, picture, list(w[:, first : first + count + 1].unbind(1)))
            first += count  # a block's picture takes the w of the next block's first layer
        assert picture is not None
        return picture


class StyleGAN2(nn.Module):
    """z (N, D) [, label int64 (N,)] -> pictures (N, C, H, W): the mapping, then the synthesis."""

    def __init__(self, mapping: Mapping, synthesis: nn.Module) -> None:
        super().__init__()
        self.mapping, self.synthesis = mapping, synthesis

    def forward(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        pictures: Tensor = self.synthesis(self.mapping(z, label))
        return pictures


def doubled(taps: Tensor, channels: int) -> Fir:
    """The filter that doubles a picture's side."""
    size = taps.shape[-1]
    return Fir(taps, channels, ((size + 1) // 2, size // 2 - 1), up=2, gain=4)


def layers_of(blocks: Sequence[Block]) -> int:
    """How many w the blocks take: one for each layer, and one for the last picture."""
    return sum(len(block.layers) for block in blocks) + 1
