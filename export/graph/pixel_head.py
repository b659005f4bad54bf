"""`export_model.PixelHead` as nodes behind a foreign graph, which no tracer of PyTorch sees."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from gansample.bundle.spec import ValueRange

# low, high, factor, shift: clip(x, low, high) · factor + shift
HEADS: dict[ValueRange, tuple[float, float, float, float]] = {
    "tanh": (-1, 1, 127.5, 127.5),
    "sigmoid": (0, 1, 255, 0),
    "bytes": (0, 255, 1, 0),
}


def with_pixel_head(model: onnx.ModelProto, value_range: ValueRange) -> onnx.ModelProto:
    """A graph that gives float pictures (N, C, H, W), with `images` uint8 and `levels` float (N, H, W, C) instead."""
    pictures = model.graph.output[0]
    n, channels, height, width = (size.dim_param or size.dim_value for size in pictures.type.tensor_type.shape.dim)
    constants = dict(zip(("head/low", "head/high", "head/factor", "head/shift"), HEADS[value_range], strict=True))
    nodes = [
        helper.make_node("Clip", [pictures.name, "head/low", "head/high"], ["head/clipped"], name="head/clip"),
        helper.make_node("Mul", ["head/clipped", "head/factor"], ["head/scaled"], name="head/scale"),
        helper.make_node("Add", ["head/scaled", "head/shift"], ["head/shifted"], name="head/move"),
        helper.make_node("Transpose", ["head/shifted"], ["levels"], name="head/channels_last", perm=[0, 2, 3, 1]),
        helper.make_node("Round", ["levels"], ["head/rounded"], name="head/round"),
        helper.make_node("Cast", ["head/rounded"], ["images"], name="head/cast", to=TensorProto.UINT8),
    ]
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    graph = changed.graph
    graph.node.extend(nodes)
    graph.initializer.extend(numpy_helper.from_array(np.array(value, np.float32), name) for name, value in constants.items())
    del graph.output[:]
    shape = [n, height, width, channels]
    graph.output.append(helper.make_tensor_value_info("images", TensorProto.UINT8, shape))
    graph.output.append(helper.make_tensor_value_info("levels", TensorProto.FLOAT, shape))
    return changed
