"""A ConvTranspose as the passes see it, its weight and bias in float64."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx

from export.graph.passes.rewrite import attributes, constants


@dataclass(frozen=True, slots=True, kw_only=True)
class Transposed:
    """A square, dense ConvTranspose with constant weight: out = (in − 1)·stride − 2·pad + kernel + output_padding."""

    node: onnx.NodeProto
    weight: npt.NDArray[np.float64]
    """(Cin, Cout, k, k)"""
    bias: npt.NDArray[np.float64] | None
    stride: int
    pad: int
    output_padding: int

    @property
    def kernel(self) -> int:
        return int(self.weight.shape[2])


def transposed_convolutions(model: onnx.ModelProto) -> Iterator[Transposed]:
    """Those of the model that the passes understand; grouped, dilated or oblong ones are left alone."""
    known = constants(model)
    for node in model.graph.node:
        if node.op_type != "ConvTranspose" or any(name not in known for name in node.input[1:]):
            continue
        weight = known[node.input[1]].astype(np.float64)
        has = attributes(node)
        plain = weight.ndim == 4 and has.get("group", 1) == 1 and "output_shape" not in has
        plain = plain and has.get("auto_pad", b"NOTSET") == b"NOTSET" and set(has.get("dilations", [1])) == {1}
        stride, pad = _one(has, "strides", 1), _one(has, "pads", 0)
        extra = _one(has, "output_padding", 0)
        if not plain or stride is None or pad is None or extra is None or weight.shape[2] != weight.shape[3]:
            continue
        bias = known[node.input[2]].astype(np.float64) if len(node.input) > 2 else None
        yield Transposed(node=node, weight=weight, bias=bias, stride=stride, pad=pad, output_padding=extra)


def _one(has: dict[str, Any], name: str, default: int) -> int | None:
    """The attribute's single value in all directions; None where the directions differ."""
    values = set(has.get(name, [default]))
    return int(values.pop()) if len(values) == 1 else None
