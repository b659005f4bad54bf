"""A graph that was exported for one batch size, rewritten for any.

What was the number becomes the size of the input: in shapes, in repeats, in the groups of convolutions with a kernel for each
picture, and where the batch of one was squeezed away. That is a guess about what the numbers meant, so whoever calls this
proves it: both must draw the same in the graph's own batches.
"""

from typing import Any

import numpy as np
import onnx
from onnx import NodeProto, helper, numpy_helper

from export.importers.onnx_builder import GraphBuilder
from export.importers.onnx_canonical import Shapes, copied
from export.importers.onnx_picture_kernels import has_picture_kernels, picture_kernels

# What keeps the axes of its first input, so that a batch axis that was put back before it stays.
ELEMENTWISE = {
    "Cast",
    "Clip",
    "Round",
    "Floor",
    "Tanh",
    "Sigmoid",
    "Add",
    "Sub",
    "Mul",
    "Div",
    "Relu",
    "Identity",
    "Max",
    "Min",
}
# The input that is a shape and begins with the batch size.
SHAPE_INPUT = {"Reshape": 1, "Expand": 1, "ConstantOfShape": 0, "Tile": 1, "Resize": 3}


def free_batch(model: onnx.ModelProto, batch: int, shapes: Shapes) -> onnx.ModelProto:
    """A copy of a canonical graph with `batch` replaced by the size of its first input.

    shapes  of every tensor at that batch size
    """
    return _Rewriting(model, batch, shapes).result()


class _Rewriting(GraphBuilder):
    def __init__(self, model: onnx.ModelProto, batch: int, shapes: Shapes) -> None:
        super().__init__()
        self.model, self.batch, self.shapes = copied(model), batch, shapes
        self.values = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
        self.from_latent = {model.graph.input[0].name}
        self.put_back: set[str] = set()
        """Tensors that have their batch axis again."""
        self.folded: dict[str, list[int]] = {}
        """Tensors in which the batch lies within another axis, and the shape that they are given."""

    def result(self) -> onnx.ModelProto:
        graph = self.model.graph
        name, size = graph.input[0].name, "batch_size"
        first, second = self.sizes("batch_first", 0), self.sizes("batch_second", 1)
        self.node("Slice", [self.node("Shape", [name], "batch_shape"), first, second], size)
        for node in graph.node:
            if node.op_type != "Shape" and self.from_latent.intersection(node.input):
                self.from_latent.update(node.output)
        with_kernels = {node.output[0] for node in graph.node if self._has_picture_kernels(node)}
        for node in graph.node:
            if node.output[0] in with_kernels:
                (_, channels, *sides), kernel = self.shapes[node.input[0]], self.shapes[node.input[1]]
                self.folded[node.input[0]] = [-1, channels, *sides] if self.batch == 1 else [1, -1, *sides]
                self.folded[node.input[1]] = [-1, *kernel[1:]]
        for node in graph.node:
            if node.output[0] in with_kernels:
                picture_kernels(self, node, self.batch, self.shapes)
            else:
                self._rewrite(node)
                self.nodes.append(node)
        nodes = [copied(node) for node in self.nodes]
        if not any(size in node.input for node in nodes):
            nodes = nodes[2:]
        del graph.node[:]
        graph.node.extend(nodes)
        graph.initializer.extend(self.constants)
        return self.model

    def _has_picture_kernels(self, node: NodeProto) -> bool:
        computed = node.op_type in ("Conv", "ConvTranspose") and node.input[1] in self.from_latent
        return computed and has_picture_kernels(node, self.batch, self.shapes)

    def _rewrite(self, node: NodeProto) -> None:
        alone, first = self.batch == 1, node.input[0] if node.input else ""
        raised = first in self.put_back
        if node.op_type in ELEMENTWISE:
            self._one_row(node)
        if node.op_type in ELEMENTWISE and self.put_back.intersection(node.input):
            self.put_back.update(node.output)
        elif node.op_type == "Transpose" and raised:
            perm = next(list(a.ints) for a in node.attribute if a.name == "perm")
            node.CopyFrom(helper.make_node("Transpose", [first], node.output, node.name, perm=[0, *(p + 1 for p in perm)]))
            self.put_back.update(node.output)
        elif node.op_type == "Squeeze" and first in self.from_latent and self.shapes.get(first, ())[:1] == (self.batch,):
            self._squeeze(node)
        elif node.op_type == "Gather" and alone and first in self.from_latent and self._drops_batch(node):
            node.CopyFrom(helper.make_node("Identity", [first], node.output, node.name))
            self.put_back.update(node.output)
        elif node.op_type == "Reshape" and node.output[0] in self.folded:
            node.input[1] = self.sizes(f"{node.output[0]}_shape", *self.folded[node.output[0]])
        elif node.op_type in SHAPE_INPUT and len(node.input) > SHAPE_INPUT[node.op_type]:
            self._shape(node, SHAPE_INPUT[node.op_type])

    def _one_row(self, node: NodeProto) -> None:
        """Of a constant that holds the same for every picture of the batch, once is enough."""
        rank = len(self.shapes.get(node.output[0], ()))
        for i, name in enumerate(node.input):
            value = self.values.get(name)
            if value is not None and value.ndim == rank > 0 and len(value) == self.batch > 1 and (value == value[:1]).all():
                node.input[i] = self.constant(f"{node.output[0]}_row_{i}", value[:1])

    def _squeeze(self, node: NodeProto) -> None:
        """Never of the batch axis, whether it was named or happened to be 1."""
        shape = self.shapes[node.input[0]]
        if len(node.input) > 1 and node.input[1]:
            axes = [int(axis) % len(shape) for axis in self.values.get(node.input[1], np.array([1]))]
        else:
            axes = [axis for axis, length in enumerate(shape) if length == 1]
        if 0 in axes:
            self.put_back.update(node.output)
        axes = [axis for axis in axes if axis > 0]
        if axes:
            named = self.sizes(f"{node.output[0]}_axes", *axes)
            node.CopyFrom(helper.make_node("Squeeze", [node.input[0], named], node.output, node.name))
        else:
            node.CopyFrom(helper.make_node("Identity", [node.input[0]], node.output, node.name))

    def _drops_batch(self, node: NodeProto) -> bool:
        axis = next((a.i for a in node.attribute if a.name == "axis"), 0)
        index = self.values.get(node.input[1])
        return axis == 0 and index is not None and index.ndim == 0 and self.shapes.get(node.input[0], ())[:1] == (1,)

    def _shape(self, node: NodeProto, position: int) -> None:
        shape = self.values.get(node.input[position])
        if shape is None or shape.ndim != 1 or not len(shape):
            return
        from_latent = bool(node.input[0]) and node.input[0] in self.from_latent
        if node.op_type == "Tile" and from_latent:
            return  # a latent's own rows are not repeated for each picture
        sizes: list[Any] = [int(size) for size in shape]
        if sizes[0] != self.batch:
            is_picture = self.batch == 1 and len(sizes) == 3 and min(sizes) > 0 and node.output[0] in self._outputs()
            if not (node.op_type == "Reshape" and is_picture):
                return
            self.put_back.update(node.output)
            sizes = [self.batch, *sizes]
        if node.op_type == "Reshape" and -1 not in sizes[1:]:
            node.input[position] = self.sizes(f"{node.output[0]}_shape", -1, *sizes[1:])
            return
        rest = self.sizes(f"{node.output[0]}_rest", *sizes[1:])
        joined = f"{node.output[0]}_shape"
        node.input[position] = self.node("Concat", ["batch_size", rest], joined, axis=0)

    def _outputs(self) -> set[str]:
        return {output.name for output in self.model.graph.output}
