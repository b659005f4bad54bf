"""StyleGAN3 (Karras et al. 2021, "Alias-Free Generative Adversarial Networks"), -T and -R, in constant kernels.

    w → input: waves of fixed frequencies, turned and moved as w says
      → layers: a modulated convolution, then a leaky ReLU at a higher resolution, between two low-pass filters

Sizes, filters and margins are those of the file: nothing is designed anew. -R differs from -T by its numbers alone: kernels of
1×1, and filters that are round, which do not fall apart into two directions.
"""

from collections.abc import Sequence
from math import pi

import torch
from torch import Tensor, nn
from torch.nn import functional

from export.importers.families.fir import Fir, framed
from export.importers.families.layers import FullyConnected, ModulatedConvolution, clipped


class Waves(nn.Module):
    """w (N, W) -> (N, C, H, W'): sin(2π(f·x + φ)) of every frequency f, faded out towards the band's end, and mixed.

    affine      w -> (N, 4): the turn as cosine and sine of any length, and the shift
    weight      (C, C), its gain multiplied in
    frequencies (C, 2), in waves per unit; phases (C,), in turns
    transform   (3, 3): what the whole picture is turned and moved by
    size        (width, height) in pixels; rate: pixels per unit; bandwidth: up to which frequency nothing is faded
    """

    frequencies: Tensor
    phases: Tensor
    transform: Tensor
    grid: Tensor

    def __init__(
        self, affine: FullyConnected, weight: Tensor, frequencies: Tensor, phases: Tensor, transform: Tensor,
        *, size: tuple[int, int], rate: float, bandwidth: float,
    ) -> None:  # fmt: skip
        super().__init__()
        self.affine, self.weight = affine, nn.Parameter(weight)
        self.rate, self.bandwidth, self.size = rate, bandwidth, size
        self.register_buffer("frequencies", frequencies)
        self.register_buffer("phases", phases)
        self.register_buffer("transform", transform)
        across, down = ((torch.arange(n, dtype=torch.float64) + 0.5 - n / 2) / rate for n in size)  # of the pixels' centres
        grid = torch.stack([across.expand(size[1], -1), down[:, None].expand(-1, size[0])], -1)
        self.register_buffer("grid", grid.reshape(-1, 2).float())

    def forward(self, w: Tensor) -> Tensor:
        t = self.affine(w)
        t = t / t[:, :2].square().sum(1, keepdim=True).sqrt()
        c, s, x, y = t.unbind(1)
        # The rotation ((c, −s), (s, c)) after the shift by (−x, −y), then the picture's own transform.
        turned = torch.stack([c, -s, s * y - c * x, s, c, -s * x - c * y], 1).reshape(-1, 2, 3)
        moved = turned[:, :, :2] @ self.transform[:2] + turned[:, :, 2:] * self.transform[2]
        phases = self.phases + (self.frequencies @ moved[:, :, 2:]).squeeze(2)
        frequencies = self.frequencies @ moved[:, :, :2]
        length = frequencies.square().sum(2).sqrt()
        fade = (1 - (length - self.bandwidth) / (self.rate / 2 - self.bandwidth)).clamp(0, 1)
        waves = torch.sin(2 * pi * (frequencies @ self.grid.T + phases[:, :, None])) * fade[:, :, None]
        width, height = self.size
        mixed = self.weight @ waves
        return mixed.reshape(-1, len(self.weight), height, width)


class FilteredLayer(nn.Module):
    """A modulated convolution and a filtered leaky ReLU: enlarged, filtered, the activation, filtered, made smaller.

    weight  (O, I, k, k)
    scale   of the result: 1/√ of what the layer's input measured in training
    up, down  (factor, taps or None)
    margin  (before, after) of the enlarged picture, the same in both directions
    gain, slope  of the activation
    """

    def __init__(
        self, affine: FullyConnected, weight: Tensor, bias: Tensor, *, demodulate: bool, scale: float,
        up: tuple[int, Tensor | None], down: tuple[int, Tensor | None], margin: tuple[int, int],
        gain: float, slope: float, clamp: float | None,
    ) -> None:  # fmt: skip
        super().__init__()
        self.affine, self.gain, self.slope, self.clamp, self.margin = affine, gain, slope, clamp, margin
        self.convolution = ModulatedConvolution(weight, demodulate=demodulate, gain=scale, pad=weight.shape[-1] - 1)
        self.bias = nn.Parameter(bias.reshape(1, -1, 1, 1))
        (enlarge, rising), (reduce, falling) = up, down
        self.enlarge = Fir(rising, len(bias), margin, up=enlarge, gain=enlarge**2) if rising is not None else None
        self.reduce = Fir(falling, len(bias), (0, 0), down=reduce) if falling is not None else None

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        y = self.convolution(x, self.affine(w)) + self.bias
        y = self.enlarge(y) if self.enlarge is not None else framed(y, *self.margin)
        if self.slope != 1:
            y = functional.leaky_relu(y, self.slope)
        y = clipped(y * self.gain if self.gain != 1 else y, self.clamp)
        return self.reduce(y) if self.reduce is not None else y


class FilteredSynthesis(nn.Module):
    """w (N, L, W) -> pictures (N, C, H, W), unbounded; −1..1 is what is shown. The waves take the first w, layers the next."""

    def __init__(self, waves: Waves, layers: Sequence[FilteredLayer], scale: float) -> None:
        super().__init__()
        self.waves, self.layers, self.scale = waves, nn.ModuleList(layers), scale

    def forward(self, w: Tensor) -> Tensor:
        first, *others = w.unbind(1)
        x: Tensor = self.waves(first)
        for layer, style in zip(self.layers, others, strict=True):
            x = layer(x, style)
        return x * self.scale if self.scale != 1 else x
