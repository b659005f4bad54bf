"""ConvTranspose -> Conv + DepthToSpace + crop: the same sums, as a convolution of s² phases (`phases` has the arithmetic).

What is computed value by value behind the layer (its bias, ReLU, Tanh) moves in front of DepthToSpace: there a runtime computes
it as part of the convolution, and what is interleaved is final.

OpenVINO ignores the bf16 hint for ConvTranspose, not for Conv. The price is a border of T − 1 more inputs.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import NodeProto, helper

from export.graph.passes.phases import Phases, phases_of
from export.graph.passes.rewrite import Rewrite, constants, only_reader
from export.graph.passes.transposed import Transposed, transposed_convolutions

# One value in, one value out, wherever it stands; the others of their inputs are constants.
VALUE_BY_VALUE = frozenset(
    {"Relu", "LeakyRelu", "PRelu", "Elu", "Tanh", "Sigmoid", "Softplus", "Clip", "Add", "Sub", "Mul", "Div"}
)


def phase_convolution(model: onnx.ModelProto) -> list[Rewrite]:
    """Every strided ConvTranspose; one of stride 1 has a single phase and nothing to interleave."""
    return [_rewrite(model, found) for found in transposed_convolutions(model) if found.stride > 1]


@dataclass(frozen=True, slots=True)
class Moved:
    """A node in front of DepthToSpace, and the constants it reads."""

    node: NodeProto
    constants: Mapping[str, npt.NDArray[Any]]


def _rewrite(model: onnx.ModelProto, found: Transposed) -> Rewrite:
    phases = phases_of(found.weight, found.stride, found.pad, found.output_padding)
    name = found.node.output[0]
    values: dict[str, npt.NDArray[Any]] = {f"{name}.phases": phases.weight}
    inputs = [found.node.input[0], f"{name}.phases"]
    if found.bias is not None:
        values[f"{name}.bias"] = phases.per_channel(found.bias, 0)
        inputs.append(f"{name}.bias")
    begin, end = phases.pads
    kernel = [phases.taps] * 2
    nodes = [helper.make_node("Conv", inputs, [f"{name}.conv"], kernel_shape=kernel, pads=[begin, begin, end, end])]
    old = [found.node]
    known, channels = constants(model), found.weight.shape[1]
    while (reader := only_reader(model, old[-1].output[0])) is not None:
        moved = _moved(reader, old[-1].output[0], nodes[-1].output[0], phases, channels, known)
        if moved is None:
            break
        old.append(reader)
        nodes.append(moved.node)
        values |= moved.constants
    values |= {
        f"{name}.from": np.array([phases.crop[0]] * 2),
        f"{name}.to": np.array([phases.crop[1]] * 2),
        f"{name}.axes": np.array([2, 3]),
    }
    cut = [f"{name}.full", f"{name}.from", f"{name}.to", f"{name}.axes"]
    nodes += [
        helper.make_node("DepthToSpace", [nodes[-1].output[0]], cut[:1], blocksize=phases.stride, mode="DCR"),
        helper.make_node("Slice", cut, [old[-1].output[0]]),
    ]
    return Rewrite(old=old, new=nodes, constants=values, probe=(2, found.weight.shape[0], 3, 3))


def _moved(
    reader: NodeProto, before: str, after: str, phases: Phases, channels: int, known: Mapping[str, npt.NDArray[Any]]
) -> Moved | None:
    """`reader` of `before`, reading `after` instead, its constants for every phase; None where it has to stay behind."""
    others = [name for name in reader.input if name and name != before]
    if reader.op_type not in VALUE_BY_VALUE or any(name not in known for name in others):
        return None
    output = f"{reader.output[0]}.phases"
    values, names = {}, {before: after, "": ""}
    for place, name in enumerate(others):
        value = phases.repeated(known[name], channels)
        if value is None:
            return None
        names[name] = f"{output}.{place}"
        values[names[name]] = value.astype(np.float64) if value.dtype == np.float32 else value
    node = NodeProto()
    node.CopyFrom(reader)
    del node.input[:], node.output[:]
    node.input.extend(names[name] for name in reader.input)
    node.output.append(output)
    return Moved(node, values)
