"""A graph in half precision where that pays: convolutions, matrix products and what lies between them.

In go float32 latents, out come the same uint8 pictures: the cast down stands behind the input, the cast up before the pixel
head, which stays in float32 because a half has steps of 0.125 at 255. BatchNorm must be folded before: its variances overflow.

The same pass also writes the graph's *emulation* in float32, in which every weight and every result of a half node is rounded
to half and back. ONNX Runtime has no half kernels for a CPU: there it computes a half graph in float32 and never rounds between
layers, so running it says nothing about activations. The emulation does, for kernels that sum in float32.
"""

from collections.abc import Collection, Iterator

import numpy as np
import onnx
from onnx import NodeProto, TensorProto, helper, numpy_helper

MAX_HALF = 65_504.0

# What gains from half precision, and what may stand between two of those without a cast. Everything else, such as
# normalisations, exponentials and sums over a picture, keeps float32.
COMPUTES = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul"})
FOLLOWS = frozenset(
    {"Relu", "LeakyRelu", "PRelu", "Elu", "Selu", "Clip", "Tanh", "Sigmoid", "HardSigmoid", "Add", "Sub", "Mul", "Max", "Min"}
    | {"Identity", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose", "Concat", "Slice", "Split", "Gather", "Expand"}
    | {"Tile", "Pad", "DepthToSpace", "SpaceToDepth", "Resize", "AveragePool", "GlobalAveragePool", "MaxPool"}
)
# Of the latter, those whose results are among their inputs: a half stays a half, and the emulation need not round again.
EXACT = frozenset(
    {"Relu", "Max", "Min", "Clip", "Identity", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose", "Concat", "Slice"}
    | {"Split", "Gather", "Expand", "Tile", "Pad", "DepthToSpace", "SpaceToDepth", "MaxPool"}
)
HEAD = frozenset({"Cast", "Round", "Transpose", "Reshape", "Add", "Sub", "Mul", "Div", "Clip", "Tanh", "Sigmoid", "Identity"})
_STAYS_FLOAT = {"Resize": (1, 2)}  # inputs whose type ONNX fixes: the region of interest and the scales


def half_nodes(model: onnx.ModelProto) -> list[NodeProto]:
    """The nodes that may compute in half: those of `COMPUTES` and `FOLLOWS` that are no part of the pixel head."""
    head = {node.output[0] for node in _pixel_head(model.graph)}
    return [node for node in model.graph.node if node.op_type in COMPUTES | FOLLOWS and node.output[0] not in head]


def cast_to_half(model: onnx.ModelProto, wide: Collection[str] = (), *, emulate: bool = False) -> onnx.ModelProto:
    """A copy of `model` with its half nodes in float16, or its emulation in float32.

    wide  names of nodes that keep float32, because their values would not fit.
    """
    return _Cast(model, wide, emulate).run()


def weights_of(model: onnx.ModelProto, node: NodeProto) -> list[TensorProto]:
    """The constants that a node takes."""
    known = {weight.name: weight for weight in model.graph.initializer}
    return [known[name] for name in node.input if name in known]


class _Cast:
    def __init__(self, model: onnx.ModelProto, wide: Collection[str], emulate: bool) -> None:
        self.emulate = emulate
        self.half = {node.output[0] for node in half_nodes(model) if node.name not in wide}
        self.model = onnx.ModelProto()
        self.model.CopyFrom(model)
        inferred = onnx.shape_inference.infer_shapes(model).graph
        values = [*inferred.value_info, *inferred.input, *inferred.output]
        self.floats = {value.name for value in values if value.type.tensor_type.elem_type == TensorProto.FLOAT}
        self.weights = {weight.name: weight for weight in model.graph.initializer}
        self.floats |= {name for name, weight in self.weights.items() if weight.data_type == TensorProto.FLOAT}
        self.in_half: set[str] = set()
        self.made: dict[str, str] = {}
        self.nodes: list[NodeProto] = []

    def run(self) -> onnx.ModelProto:
        graph = self.model.graph
        for node in list(graph.node):
            if node.output[0] in self.half and any(name in self.floats for name in node.output):
                self._half_node(node)
            else:
                node.input[:] = [self._up(name) if name in self.in_half else name for name in node.input]
                self.nodes.append(node)
        del graph.node[:], graph.value_info[:]
        graph.node.extend(self.nodes)
        used = {name for node in graph.node for name in node.input}
        kept = [weight for weight in graph.initializer if weight.name in used]
        del graph.initializer[:]
        graph.initializer.extend(kept)
        return self.model

    def _half_node(self, node: NodeProto) -> None:
        fixed = _STAYS_FLOAT.get(node.op_type, ())
        node.input[:] = [
            self._down(name) if name in self.floats and index not in fixed else name for index, name in enumerate(node.input)
        ]
        self.nodes.append(node)
        for index, name in enumerate(node.output):
            if name in self.floats:
                self.in_half.add(name)
                if self.emulate and node.op_type not in EXACT:
                    node.output[index] = f"{name}.sum"
                    self._emit("Cast", f"{name}.sum", f"{name}.rounded", TensorProto.FLOAT16)
                    self._emit("Cast", f"{name}.rounded", name, TensorProto.FLOAT)

    def _down(self, name: str) -> str:
        """The half of a float tensor, made once."""
        if name in self.in_half:
            return name
        if name not in self.made:
            self.made[name] = half = f"{name}.half"
            if name in self.weights:
                values = numpy_helper.to_array(self.weights[name]).astype(np.float16)
                kept = values.astype(np.float32) if self.emulate else values
                self.model.graph.initializer.append(numpy_helper.from_array(kept, half))
            elif self.emulate:
                self._emit("Cast", name, f"{half}.rounded", TensorProto.FLOAT16)
                self._emit("Cast", f"{half}.rounded", half, TensorProto.FLOAT)
            else:
                self._emit("Cast", name, half, TensorProto.FLOAT16)
        return self.made[name]

    def _up(self, name: str) -> str:
        """The float32 of a half tensor, made once; the emulation's halves are float32 already."""
        if self.emulate:
            return name
        if name not in self.made:
            self.made[name] = f"{name}.full"
            self._emit("Cast", name, self.made[name], TensorProto.FLOAT)
        return self.made[name]

    def _emit(self, op: str, source: str, target: str, kind: int) -> None:
        self.nodes.append(helper.make_node(op, [source], [target], name=f"{target}.cast", to=kind))


def _pixel_head(graph: onnx.GraphProto) -> Iterator[NodeProto]:
    """Back from the pictures through what only scales, shapes and rounds, until a node computes or mixes two tensors."""
    producer = {name: node for node in graph.node for name in node.output}
    constants = {weight.name for weight in graph.initializer}
    name = "images"
    while (node := producer.get(name)) is not None and node.op_type in HEAD:
        yield node
        sources = [source for source in node.input if source and source not in constants]
        if len(sources) != 1:
            return
        name = sources[0]
