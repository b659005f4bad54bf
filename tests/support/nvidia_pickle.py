"""Files in NVIDIA's pickle format, written without NVIDIA's code: small StyleGANs with random weights.

A module is pickled as a call of `torch_utils.persistence._reconstruct_persistent_obj` with its class's name, source and state.
The classes do not exist here, and whoever reads such a file must not need them.
"""

import io
import pickle
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import sqrt
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

SOURCE = "raise SystemExit('the source text in a file was run')"


@dataclass
class Module:
    """One module: what its file says about it."""

    kind: str
    parameters: Mapping[str, Tensor | None] = field(default_factory=dict)
    buffers: Mapping[str, Tensor | None] = field(default_factory=dict)
    modules: Mapping[str, Any] = field(default_factory=dict)
    attributes: dict[str, Any] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Any:
        """A part by its name, whatever it is."""
        return next(part[name] for part in (self.parameters, self.buffers, self.modules, self.attributes) if name in part)

    @property
    def state(self) -> dict[str, Any]:
        hooks: dict[str, Any] = {"training": False, "_non_persistent_buffers_set": set(), "_forward_hooks": {}}
        parts = {
            "_parameters": {name: torch.nn.Parameter(t) if t is not None else None for name, t in self.parameters.items()},
            "_buffers": dict(self.buffers),
            "_modules": dict(self.modules),
        }
        return (
            hooks | parts | self.attributes | {"_init_args": (), "_init_kwargs": dict(self.attributes.get("_init_kwargs", {}))}
        )


class _Pickler(pickle.Pickler):
    def reducer_override(self, value: Any) -> Any:
        if not isinstance(value, Module):
            return NotImplemented
        meta = {"type": "class", "version": 6, "module_src": SOURCE, "class_name": value.kind, "state": value.state}
        return sys.modules["torch_utils.persistence"]._reconstruct_persistent_obj, (meta,)


@contextmanager
def _named() -> Iterator[None]:
    """With modules of NVIDIA's names, which the pickler asks for; whoever reads does so without."""
    made = {name: ModuleType(name) for name in ("torch_utils", "torch_utils.persistence")}

    def _reconstruct_persistent_obj(meta: Any) -> Any: ...

    _reconstruct_persistent_obj.__module__ = "torch_utils.persistence"
    _reconstruct_persistent_obj.__qualname__ = "_reconstruct_persistent_obj"
    made["torch_utils.persistence"]._reconstruct_persistent_obj = _reconstruct_persistent_obj  # type: ignore[attr-defined]
    sys.modules.update(made)
    try:
        yield
    finally:
        for name in made:
            del sys.modules[name]


def pickled(content: Any, protocol: int = 4) -> bytes:
    """`content`, in which modules may be anywhere, as such a file."""
    file = io.BytesIO()
    with _named():
        _Pickler(file, protocol).dump(content)
    return file.getvalue()


def fully_connected(stream: torch.Generator, inputs: int, outputs: int, **how: Any) -> Module:
    """how  activation, lr (the learning rate's multiplier), bias (its mean)"""
    lr = how.get("lr", 1.0)
    return Module(
        "FullyConnectedLayer",
        {
            "weight": torch.randn(outputs, inputs, generator=stream) / lr,
            "bias": torch.randn(outputs, generator=stream) * 0.1 / lr + how.get("bias", 0.0),
        },
        attributes={"activation": how.get("activation", "linear"), "weight_gain": lr / sqrt(inputs), "bias_gain": lr},
    )


def mapping(stream: torch.Generator, size: int, classes: int, layers: int, count: int = 2) -> Module:
    first = {"embed": fully_connected(stream, classes, size)} if classes else {}
    widths = [size * 2 if classes else size, *[size] * count]
    connected = {
        f"fc{index}": fully_connected(stream, widths[index], size, activation="lrelu", lr=0.01) for index in range(count)
    }
    return Module(
        "MappingNetwork",
        buffers={"w_avg": torch.randn(size, generator=stream) * 0.3},
        modules=first | connected,
        attributes={"z_dim": size, "c_dim": classes, "w_dim": size, "num_ws": layers, "num_layers": count},
    )


def stylegan2(
    side: int = 16, *, kind: str = "skip", classes: int = 0, channels: int = 3, size: int = 8, clamp: float | None = None,
    taps: tuple[float, ...] = (1, 3, 3, 1),
) -> Module:  # fmt: skip
    """A StyleGAN2 of 12 and fewer channels inside, as stylegan2-ada-pytorch pickles it."""
    stream = torch.Generator().manual_seed(side + classes)
    line = torch.tensor(taps)
    fir = torch.outer(line, line) / line.sum() ** 2 if len(taps) < 8 else line / line.sum()
    resolutions = [4 << index for index in range(side.bit_length() - 2)]
    widths = [12 - 2 * index for index in range(len(resolutions))]
    blocks, layers = {}, 0
    for index, (resolution, width) in enumerate(zip(resolutions, widths, strict=True)):
        last, before = resolution == side, widths[index - 1] if index else 0

        def layer(inputs: int, outputs: int, up: int, resolution: int = resolution) -> Module:
            return Module(
                "SynthesisLayer",
                {
                    "weight": torch.randn(outputs, inputs, 3, 3, generator=stream),
                    "noise_strength": torch.randn([], generator=stream) * 0.3,
                    "bias": torch.randn(outputs, generator=stream) * 0.2,
                },
                {"resample_filter": fir, "noise_const": torch.randn(resolution, resolution, generator=stream)},
                {"affine": fully_connected(stream, size, inputs, bias=1.0)},
                {
                    "up": up,
                    "use_noise": True,
                    "activation": "lrelu",
                    "conv_clamp": clamp,
                    "act_gain": sqrt(2),
                    "resolution": resolution,
                },
            )

        inner = {"conv0": layer(before, width, 2)} if index else {}
        inner["conv1"] = layer(width, width, 1)
        if last or kind == "skip":
            inner["torgb"] = Module(
                "ToRGBLayer",
                {
                    "weight": torch.randn(channels, width, 1, 1, generator=stream) * 0.3,
                    "bias": torch.randn(channels, generator=stream) * 0.1,
                },
                modules={"affine": fully_connected(stream, size, width, bias=1.0)},
                attributes={"conv_clamp": clamp, "weight_gain": 1 / sqrt(width)},
            )
        if index and kind == "resnet":
            inner["skip"] = Module(
                "Conv2dLayer",
                {"weight": torch.randn(width, before, 1, 1, generator=stream)},
                {"resample_filter": fir},
                attributes={
                    "activation": "linear",
                    "conv_clamp": None,
                    "weight_gain": 1 / sqrt(before),
                    "act_gain": 1,
                    "bias": None,
                },
            )
        count = 2 if index else 1
        layers += count
        blocks[f"b{resolution}"] = Module(
            "SynthesisBlock",
            {} if index else {"const": torch.randn(width, 4, 4, generator=stream)},
            {"resample_filter": fir},
            inner,
            {"in_channels": before, "is_last": last, "architecture": kind, "use_fp16": resolution > 8, "num_conv": count},
        )
    layers += 1
    synthesis = Module(
        "SynthesisNetwork",
        modules=blocks,
        attributes={"w_dim": size, "num_ws": layers, "block_resolutions": resolutions, "img_resolution": side},
    )
    return Module(
        "Generator",
        modules={"synthesis": synthesis, "mapping": mapping(stream, size, classes, layers)},
        attributes={
            "z_dim": size, "c_dim": classes, "w_dim": size, "img_resolution": side, "img_channels": channels, "num_ws": layers,
        },
    )  # fmt: skip


def network_file(generator: Module, protocol: int = 4, **others: Any) -> bytes:
    """A whole file, with a discriminator beside the generator."""
    discriminator = Module("Discriminator", {"weight": torch.ones(2)})
    content = {"G": stylegan2(8), "D": discriminator, "G_ema": generator, "training_set_kwargs": {"path": "data.zip"}, **others}
    return pickled(content, protocol)
