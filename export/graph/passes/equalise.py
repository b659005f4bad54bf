"""Channels between two layers made equally large: one int8 step for all of them then suits all of them.

relu(x / s) · s = relu(x): the layer before is divided by s per channel, the layer behind multiplied. What a network computes
does not change, what its activations cost to round does: a channel that reaches a tenth of the widest one's range has a
tenth of the levels. See Nagel et al. 2019, "Data-free quantization through weight equalization and bias correction"; here s is
the root of the channel's range, with no regard to the weights: their rounding costs some 10 dB less than the activations'.
The whole range (exponent 1) was worse on each of four generators: it inflates the weights behind channels that hardly fire.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import onnx
from onnx import NodeProto, numpy_helper

from export.graph.passes.rewrite import constants, only_reader

HOMOGENEOUS = {"Relu", "LeakyRelu", "PRelu", "Resize", "Upsample", "MaxPool"}  # f(s·x) = s·f(x) for s > 0
EXPONENT = 0.5
LIMIT = 32.0  # a channel that hardly ever fires would scale its weights out of any int8 range


@dataclass(frozen=True, slots=True, kw_only=True)
class Seam:
    """Two layers with nothing but homogeneous operations between."""

    before: tuple[NodeProto, ...]
    """The layer, and the Add of its bias if that is a node of its own."""
    behind: NodeProto

    @property
    def tensor(self) -> str:
        name: str = self.behind.input[0]
        return name


def seams(model: onnx.ModelProto) -> Iterator[Seam]:
    made_by, known = {node.output[0]: node for node in model.graph.node}, constants(model)
    read = Counter(name for node in model.graph.node for name in node.input)
    for behind in model.graph.node:
        if behind.op_type not in ("Conv", "ConvTranspose") or behind.input[1] not in known or _grouped(behind):
            continue
        node = made_by.get(behind.input[0])
        while node is not None and node.op_type in HOMOGENEOUS and only_reader(model, node.output[0]) is not None:
            node = made_by.get(node.input[0])
        before: list[NodeProto] = []
        while node is not None and only_reader(model, node.output[0]) is not None:
            before.append(node)
            if node.op_type in ("Conv", "ConvTranspose", "MatMul", "Gemm"):
                break
            node = made_by.get(node.input[0]) if node.op_type in ("Reshape", "Add") else None
        weights = [behind.input[1], *(name for one in before for name in one.input[1:])]
        constant = all(name in known and read[name] == 1 for name in weights)  # one that others share cannot be scaled
        if node is not None and before and node is before[-1] and constant and not _grouped(node):
            yield Seam(before=tuple(one for one in before if one.op_type != "Reshape"), behind=behind)


def equalise_channels(model: onnx.ModelProto, ranges: Callable[[str], npt.NDArray[np.float64]]) -> onnx.ModelProto:
    """A copy of the model with every seam equalised.

    ranges  tensor name -> the largest magnitude of each channel of that tensor
    """
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    values = {name: value.astype(np.float64) for name, value in constants(model).items() if value.dtype == np.float32}
    for seam in seams(model):
        reach = ranges(seam.tensor)
        if not reach.max() > 0:
            continue
        reach = np.clip(reach, reach.max() / LIMIT, None) ** EXPONENT
        scale = reach / np.exp(np.log(reach).mean())
        behind = seam.behind.input[1]
        shape = [1, -1, 1, 1] if seam.behind.op_type == "Conv" else [-1, 1, 1, 1]
        values[behind] = values[behind] * scale.reshape(shape)
        for node in seam.before:
            for name in node.input[1:]:
                values[name] = values[name] / _spread(scale, node, values[name])
    for tensor in changed.graph.initializer:
        if tensor.name in values:
            tensor.CopyFrom(numpy_helper.from_array(values[tensor.name].astype(np.float32), tensor.name))
    return changed


def _spread(scale: npt.NDArray[np.float64], node: NodeProto, value: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The scale in the shape of a weight or bias of the layer before, whose outputs may be several pixels of each channel."""
    if value.ndim == 4:
        return scale.reshape([-1, 1, 1, 1] if node.op_type == "Conv" else [1, -1, 1, 1])
    rows = node.op_type == "Gemm" and value.ndim == 2 and any(a.name == "transB" and a.i for a in node.attribute)
    outputs = value.shape[0] if rows else value.shape[-1]
    wide = np.repeat(scale, outputs // len(scale))
    return wide[:, None] if rows else wide


def _grouped(node: NodeProto) -> bool:
    return any(attribute.name == "group" and attribute.i != 1 for attribute in node.attribute)
