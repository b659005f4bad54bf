"""A small StyleGAN3 with random weights in NVIDIA's pickle format, -T or -R."""

from itertools import pairwise
from math import sqrt

import numpy as np
import torch
from torch import Tensor

from tests.support.nvidia_pickle import Module, fully_connected, mapping

# (size, factor up, factor down) of each layer's result: the last but one is cut to the picture.
STEPS = ((12, 2, 2), (20, 4, 2), (16, 2, 2))
FIRST = 12


def stylegan3(*, radial: bool = False, classes: int = 0, size: int = 8, clamp: float | None = 256.0, side: int = 16) -> Module:
    """16×16 pixels, three layers and the last, 10 and fewer channels."""
    stream = torch.Generator().manual_seed(3 + classes)
    kernel, channels = (1 if radial else 3), (10, 9, 8, 7)
    names, layers, before = [], {}, FIRST
    for index, ((inputs, outputs), (after, up, down)) in enumerate(zip(pairwise(channels), STEPS, strict=True)):
        taps = (6 * up, 6 * down)
        total = (
            (after - 1) * down + taps[1] - (before + kernel - 1) * up + taps[0] - 1
        )  # NVIDIA's: half of it before, rounded down
        low = total // 2
        falling = _taps(taps[1])
        if radial:
            falling = torch.outer(falling, falling) * (1 + torch.rand(taps[1], taps[1], generator=stream))
        names.append(f"L{index}_{after}_{outputs}")
        layers[names[-1]] = _layer(
            stream, size, inputs, outputs, kernel, clamp, up, down, _taps(taps[0]), falling, [low, total - low] * 2
        )
        before = after
    names.append(f"L{len(STEPS)}_{side}_3")
    layers[names[-1]] = _layer(stream, size, channels[-1], 3, 1, clamp, 1, 1, None, None, [0, 0, 0, 0])
    waves = Module(
        "SynthesisInput",
        {"weight": torch.randn(channels[0], channels[0], generator=stream)},
        {
            "transform": torch.eye(3) + torch.randn(3, 3, generator=stream) * torch.tensor([[0.1], [0.1], [0.0]]),
            "freqs": torch.randn(channels[0], 2, generator=stream) * 2,
            "phases": torch.rand(channels[0], generator=stream) - 0.5,
        },
        {"affine": fully_connected(stream, size, 4, bias=0.5)},
        {"channels": channels[0], "size": np.array([FIRST, FIRST]), "sampling_rate": 8.0, "bandwidth": 1.5},
    )
    count = len(names) + 1
    synthesis = Module(
        "SynthesisNetwork",
        modules={"input": waves, **layers},
        attributes={"w_dim": size, "num_ws": count, "layer_names": names, "output_scale": 0.25, "img_resolution": side},
    )
    return Module(
        "Generator",
        modules={"synthesis": synthesis, "mapping": mapping(stream, size, classes, count)},
        attributes={"z_dim": size, "c_dim": classes, "w_dim": size, "img_resolution": side, "img_channels": 3, "num_ws": count},
    )


def _taps(n: int) -> Tensor:
    """A low-pass filter that is not symmetrical, so that its direction shows."""
    taps = torch.hann_window(n + 2, periodic=False)[1:-1] * torch.linspace(0.8, 1.2, n)
    return taps / taps.sum()


def _layer(
    stream: torch.Generator, size: int, inputs: int, outputs: int, kernel: int, clamp: float | None, up: int, down: int,
    rising: Tensor | None, falling: Tensor | None, padding: list[int],
) -> Module:  # fmt: skip
    return Module(
        "SynthesisLayer",
        {
            "weight": torch.randn(outputs, inputs, kernel, kernel, generator=stream),
            "bias": torch.randn(outputs, generator=stream) * 0.2,
        },
        {"magnitude_ema": torch.rand([], generator=stream) + 0.5, "up_filter": rising, "down_filter": falling},
        {"affine": fully_connected(stream, size, inputs, bias=1.0)},
        {
            "is_torgb": rising is None, "conv_kernel": kernel, "conv_clamp": clamp, "up_factor": up, "down_factor": down,
            "padding": padding, "weight_gain": 1 / sqrt(inputs),
        },
    )  # fmt: skip
