"""The quantised layers of an OpenVINO model, as NNCF leaves them.

x ── FakeQuantize ──────────────┐
int8 ── Convert ── Multiply ── layer ── Add bias        the Multiply holds one step per output channel
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from openvino import Core, Model, Node, opset13

from export.effort import AREA
from export.variants.openvino_model import feed_of
from gansample.types import Labels, Latents

LAYERS = ("Convolution", "ConvolutionBackpropData", "MatMul")
MOVES = ("Reshape", "Unsqueeze", "Squeeze", "Transpose", "DepthToSpace", "Slice")
TOGETHER = (
    72  # latents drawn in one run, for pictures of 128×128: all that a 64×64 generator is calibrated on, and 4 of 512×512
)


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantisedLayer:
    node: Node
    quantisers: tuple[Node, ...]
    """The FakeQuantize of its input; of each part, where the input is joined (a latent and an embedded label)."""
    weight: Node
    """The Constant of int8 values."""
    step: npt.NDArray[np.float64]
    """Broadcasts against the weight: float weight = step · int8."""
    bias: Node | None
    """The Constant that is added to its output, if there is one."""


def quantised_layers(model: Model) -> Iterator[QuantisedLayer]:
    """In the order they are computed."""
    for node in model.get_ordered_ops():
        if node.get_type_name() not in LAYERS:
            continue
        quantisers, scaled = tuple(origins(_source(node, 0))), _source(node, 1)
        if {one.get_type_name() for one in quantisers} != {"FakeQuantize"} or scaled.get_type_name() != "Multiply":
            continue
        weight = _source(_source(scaled, 0), 0)
        if weight.get_type_name() != "Constant" or weight.get_element_type().get_type_name() != "i8":
            continue
        step = constant_value(_source(scaled, 1)).astype(np.float64)
        yield QuantisedLayer(node=node, quantisers=quantisers, weight=weight, step=step, bias=bias_of(node))


def reads_a_table(node: Node) -> bool:
    """Whether the node looks values up, or is a layer that looked-up values reach: those NNCF leaves in float."""
    if node.get_type_name() == "Gather":
        return node.input_value(0).get_node().get_type_name() in ("Constant", "Convert", "Multiply")
    return node.get_type_name() in LAYERS and "Gather" in {origin.get_type_name() for origin in origins(_source(node, 0))}


def restore_float(model: Model, layer: QuantisedLayer, weight: npt.NDArray[np.float32]) -> None:
    """Take the quantisers of one layer out again."""
    for quantiser in layer.quantisers:
        quantiser.output(0).replace(quantiser.input_value(0))
    layer.node.input(1).replace_source_output(opset13.constant(weight).output(0))
    model.validate_nodes_and_infer_types()


def replace_constant(old: Node, value: npt.NDArray[Any]) -> None:
    new = opset13.constant(value.astype(old.data.dtype).reshape(old.data.shape))
    new.set_friendly_name(old.get_friendly_name())
    old.output(0).replace(new.output(0))


def constant_value(node: Node) -> npt.NDArray[Any]:
    """The value of a Constant, or of a Constant behind a Convert."""
    while node.get_type_name() == "Convert":
        node = _source(node, 0)
    value: npt.NDArray[Any] = node.data.copy()
    return value


def together(model: Model, n: int = TOGETHER, least: int = 1) -> int:
    """How many pictures of a model with the output `levels` (N, H, W, C) are drawn in one run; `n` for 128×128."""
    height, width = (size.get_length() for size in list(model.output("levels").get_partial_shape())[1:3])
    return int(max(least, n * AREA // (height * width)))


def feeds(model: Model, z: Latents, label: Labels | None, most: int | None = None) -> Iterator[dict[str, npt.NDArray[Any]]]:
    """The model's inputs for all latents, as many at a time as `together` says, and no more than `most`."""
    batch = min(together(model), most or len(z))
    for start in range(0, len(z), batch):
        part = slice(start, start + batch)
        yield feed_of(model, z[part], label[part] if label is not None else None)


def values_at(model: Model, output: Any, z: Latents, label: Labels | None) -> Iterator[torch.Tensor]:
    """What flows through `output` of the model for these latents, computed in float32: (n, …), some latents at a time."""
    part = Model([opset13.result(output)], model.get_parameters(), "part")
    compiled = Core().compile_model(part, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    wanted = {port.get_any_name() for port in part.inputs}
    for feed in feeds(model, z, label):
        yield torch.from_numpy(compiled({name: value for name, value in feed.items() if name in wanted})[0].copy())


def channel_ranges(model: Model, name: str, z: Latents, label: Labels | None) -> npt.NDArray[np.float64]:
    """The largest magnitude of each channel of the tensor `name` (N, C, H, W), as the ONNX file calls it."""
    output = next(out for op in model.get_ops() for out in op.outputs() if name in out.get_names())
    peaks = [x.abs().amax((0, 2, 3)) for x in values_at(model, output, z, label)]
    return np.asarray(torch.stack(peaks).amax(0).double().numpy())


def _source(node: Node, port: int) -> Node:
    return node.input_value(port).get_node()


def origins(node: Node) -> Iterator[Node]:
    """What computes the values that arrive at `node`: behind everything that only moves or repeats them."""
    nearest = node.get_type_name() == "Interpolate" and node.get_attributes().get("mode") == "nearest"
    if nearest or node.get_type_name() in MOVES:
        yield from origins(_source(node, 0))
    elif node.get_type_name() == "Concat":
        for port in range(node.get_input_size()):
            yield from origins(_source(node, port))
    else:
        yield node


def bias_of(node: Node) -> Node | None:
    """The Constant that is added to what `node` gives, if that is all that becomes of it."""
    readers = list(node.output(0).get_target_inputs())
    if len(readers) != 1 or readers[0].get_node().get_type_name() != "Add":
        return None
    other = readers[0].get_node().input_value(1 - readers[0].get_index()).get_node()
    return other if other.get_type_name() == "Constant" else None
