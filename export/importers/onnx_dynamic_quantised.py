"""Graphs that quantise by what is in the batch (`quantize_dynamic`), with each picture's own scale instead.

ONNX Runtime measures the least and the largest value over the whole batch, so the file draws a picture otherwise beside others
than alone. Here every picture has the scale that it has alone. Integers are written as floats, whose sums are exact up to 2²⁴:
so every runtime takes the graph. Equations of onnx/docs/Operators.md and onnxruntime/docs/ContribOperators.md.
"""

from typing import Any

import numpy as np
import onnx
from onnx import NodeProto, TensorProto, numpy_helper

from export.importers.onnx_builder import GraphBuilder
from export.importers.onnx_canonical import Shapes, copied


def is_dynamically_quantised(model: onnx.ModelProto) -> bool:
    return any(node.op_type.startswith("DynamicQuantize") for node in model.graph.node)


def quantised_by_picture(model: onnx.ModelProto, shapes: Shapes) -> onnx.ModelProto:
    """A copy of a canonical graph whose scales are those of each picture alone.

    shapes  of every tensor, for any batch size
    """
    return _Rewriting(model, shapes).result()


class _Rewriting(GraphBuilder):
    def __init__(self, model: onnx.ModelProto, shapes: Shapes) -> None:
        super().__init__()
        self.model, self.shapes = copied(model), shapes
        self.values = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
        self.scales: set[str] = set()
        """Those that are measured."""

    def result(self) -> onnx.ModelProto:
        for node in self.model.graph.node:
            self._rewrite(node, [*node.input, *[""] * 7])
        del self.model.graph.node[:]
        self.model.graph.node.extend(self.nodes)
        self.model.graph.initializer.extend(self.constants)
        return self.model

    def _rewrite(self, node: NodeProto, read: list[str]) -> None:
        out = node.output[0]
        match node.op_type:
            case "DynamicQuantizeLinear":
                self._quantise(read[0], *node.output)
            case "DequantizeLinear" if read[1] in self.scales:
                self.node("Mul", [self._from_zero(read[0], read[2], f"{out}_steps"), read[1]], out)
            case "MatMulInteger":
                self._product("MatMul", node, read[2], read[3], out)
            case "ConvInteger":
                self._product("Conv", node, read[2], read[3], out)
            case "MatMulIntegerToFloat":
                a_scale, b_scale, a_zero, b_zero, bias = read[2:7]
                product = self._product("MatMul", node, a_zero, b_zero, f"{out}_product")
                self._scaled(product, a_scale, b_scale, bias, out)
            case "DynamicQuantizeMatMul":
                a, b, b_scale, b_zero, bias = read[:5]
                steps, scale, zero = self._quantise(a, f"{out}_steps", f"{out}_scale", f"{out}_zero")
                factors = self._from_zero(steps, zero, f"{out}_a"), self._from_zero(b, b_zero, f"{out}_b")
                self._scaled(self.node("MatMul", factors, f"{out}_product"), scale, b_scale, bias, out)
            case _:
                self.nodes.append(copied(node))

    def _quantise(self, x: str, steps: str, scale: str, zero_point: str) -> tuple[str, str, str]:
        """steps = clip(round(x / scale) + zero_point, 0, 255), all of them floats; scale and zero_point (N, 1, …)."""
        self.scales.add(scale)
        axes = self.sizes(f"{steps}_axes", *range(1, len(self.shapes[x])))
        zero, one, most = (self.constant(f"{steps}_{value}", np.float32(value)) for value in (0, 1, 255))
        low = self.node("Min", [self.node("ReduceMin", [x, axes], f"{steps}_least", keepdims=1), zero], f"{steps}_low")
        high = self.node("Max", [self.node("ReduceMax", [x, axes], f"{steps}_largest", keepdims=1), zero], f"{steps}_high")
        step = self.node("Div", [self.node("Sub", [high, low], f"{steps}_span"), most], f"{steps}_step")
        self.node("Where", [self.node("Equal", [step, zero], f"{steps}_is_flat"), one, step], scale)
        first = self.node("Div", [self.node("Sub", [zero, low], f"{steps}_below"), scale], f"{steps}_first")
        self.node("Round", [self.node("Clip", [first, zero, most], f"{steps}_inside")], zero_point)
        nearest = self.node("Round", [self.node("Div", [x, scale], f"{steps}_scaled")], f"{steps}_nearest")
        self.node("Clip", [self.node("Add", [nearest, zero_point], f"{steps}_moved"), zero, most], steps)
        return steps, scale, zero_point

    def _product(self, op: str, node: NodeProto, a_zero: str, b_zero: str, out: str) -> str:
        """(a − a_zero) · (b − b_zero), with the attributes of `node`."""
        product = copied(node)
        product.op_type, product.domain, product.output[:] = op, "", [out]
        product.input[:] = [
            self._from_zero(node.input[0], a_zero, f"{out}_a"),
            self._from_zero(node.input[1], b_zero, f"{out}_b"),
        ]
        self.nodes.append(product)
        return out

    def _scaled(self, product: str, a_scale: str, b_scale: str, bias: str, out: str) -> None:
        scale = self.node("Mul", [a_scale, b_scale], f"{out}_both_scales")
        scaled = self.node("Mul", [product, scale], f"{out}_scaled" if bias else out)
        if bias:
            self.node("Add", [scaled, bias], out)

    def _from_zero(self, name: str, zero_point: str, written: str) -> str:
        """steps − zero_point as floats."""
        value: Any = self.values.get(name)
        point: Any = self.values.get(zero_point) if zero_point else np.zeros((), np.float32)
        if value is not None and point is not None:
            return self.constant(written, value.astype(np.float32) - point.astype(np.float32))
        steps = self.node("Cast", [name], f"{written}_steps", to=TensorProto.FLOAT)
        if not zero_point:
            return steps
        return self.node("Sub", [steps, self.node("Cast", [zero_point], f"{written}_zero", to=TensorProto.FLOAT)], written)
