"""Small foreign ONNX generators in the forms that other tools write, made node by node."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

NZ = 12


class OnnxGraph:
    """A graph under construction; `body` is the generator: a matrix, two transposed convolutions up to 16 × 16, tanh."""

    def __init__(self, *, opset: int = 17, batch: int | str = "N", kind: int = TensorProto.FLOAT) -> None:
        self.stream, self.opset, self.kind, self.batch = np.random.RandomState(0), opset, kind, batch
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self.inputs = [helper.make_tensor_value_info("z", kind, [batch, NZ])]
        self.domains: dict[str, int] = {}

    def input(self, name: str, kind: int, shape: Sequence[int | str]) -> str:
        self.inputs.append(helper.make_tensor_value_info(name, kind, shape))
        return name

    def weight(self, name: str, *shape: int) -> str:
        values = self.stream.standard_normal(shape) / np.prod(shape[1:]) ** 0.5 * 1.5
        return self.constant(name, values.astype(helper.tensor_dtype_to_np_dtype(self.kind)))

    def constant(self, name: str, value: Any) -> str:
        self.constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def node(self, op: str, read: Sequence[str], written: str, **attributes: Any) -> str:
        self.nodes.append(helper.make_node(op, list(read), [written], **attributes))
        return written

    def body(self, z: str = "z", *, rows: int = -1, width: int = NZ, channels: int = 3, same: str | None = None) -> str:
        """Pictures (N, channels, 16, 16). same: how padding is written, `auto_pad` or `output_shape`."""
        x = self.node("MatMul", [z, self.weight("w", width, 8 * 16)], "flat")
        x = self.node("Reshape", [x, self.constant("shape", np.array([rows, 8, 4, 4], np.int64))], "planes")
        for i, out in enumerate((8, channels)):
            side = 8 * (i + 1)
            padding: dict[str, Any] = {"pads": [1, 1, 1, 1]}
            if same is not None:
                padding = {"auto_pad": "SAME_UPPER"} if same == "auto_pad" else {"output_shape": [side, side]}
            kernel = 5 if same is not None else 4
            x = self.node(
                "ConvTranspose", [x, self.weight(f"k{i}", 8, out, kernel, kernel)], f"c{i}", strides=[2, 2], **padding
            )
            x = self.node("LeakyRelu", [x], "a0", alpha=0.2) if i == 0 else self.node("Tanh", [x], "a1")
        return x

    def modulated(self, *, transposed: bool, stride: int, pads: Sequence[int]) -> str:
        """Pictures (batch, 3, …) from one convolution with a kernel for each picture, in as many groups as `self.batch`."""
        n = self.batch
        assert isinstance(n, int)
        flat = self.node("MatMul", ["z", self.weight("w", NZ, 2 * 17 * 18)], "flat")
        x = self.node("Reshape", [flat, self.constant("one_row", np.array([1, n * 2, 17, 18]))], "x")
        style = self.node("MatMul", ["z", self.weight("s", NZ, 2)], "style")
        form, rows = ([n, 2, 1, 1, 1], n * 2) if transposed else ([n, 1, 2, 1, 1], n * 3)
        style = self.node("Reshape", [style, self.constant("style_shape", np.array(form))], "styles")
        kernels = self.node("Mul", [self.weight("k", 1, *((2, 3) if transposed else (3, 2)), 3, 3), style], "kernels")
        flat_shape = self.constant("kernel_shape", np.array([rows, 3 if transposed else 2, 3, 3]))
        kernels = self.node("Reshape", [kernels, flat_shape], "in_a_row")
        op = "ConvTranspose" if transposed else "Conv"
        drawn = self.node(op, [x, kernels], "drawn", group=n, strides=[stride, stride], pads=pads)
        if transposed:
            sides = [(side - 1) * stride + 3 - pads[i] - pads[i + 2] for i, side in enumerate((17, 18))]
        else:
            sides = [(side + pads[i] + pads[i + 2] - 3) // stride + 1 for i, side in enumerate((17, 18))]
        apart = self.node("Reshape", [drawn, self.constant("picture_shape", np.array([n, 3, *sides]))], "apart")
        return self.node("Tanh", [apart], "a1")

    def save(self, folder: Path, *pictures: str, kind: int | None = None, **storage: Any) -> Path:
        """Write the graph with the outputs `pictures`."""
        outputs = [helper.make_tensor_value_info(name, kind or self.kind, None) for name in pictures]
        graph = helper.make_graph(self.nodes, "theirs", self.inputs, outputs, self.constants)
        opsets = [helper.make_opsetid(name, version) for name, version in {"": self.opset, **self.domains}.items()]
        onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), folder / "gan.onnx", **storage)
        return folder / "gan.onnx"
