"""Any graph in one form: float32, constants as initializers, the passes' opset or a later one, explicit padding."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import onnx
from onnx import NodeProto, TensorProto, helper, numpy_helper, version_converter

from export.importers.onnx_file import graphs_of, nodes_of, opset_of, tensors_of
from gansample.runtimes.onnxruntime_module import import_onnxruntime

OPSET = 18
FLOATS = (TensorProto.FLOAT16, TensorProto.BFLOAT16, TensorProto.DOUBLE)
TYPES = ("to", "dtype", "output_dtype", "softmax_precision")  # the attributes that name the type of a tensor

Feed = Mapping[str, npt.NDArray[Any]]
Shapes = Mapping[str, tuple[int, ...]]


def canonical(model: onnx.ModelProto) -> onnx.ModelProto:
    """`model` in float32, with names for all nodes, constants as initializers, and no sizes but those of its inputs."""
    if opset_of(model) < OPSET:
        model = version_converter.convert_version(model, OPSET)
    model = in_precision(model, FLOATS, TensorProto.FLOAT)
    graph = model.graph
    del graph.value_info[:], model.metadata_props[:], graph.metadata_props[:]
    constants = {tensor.name for tensor in graph.initializer}
    nodes, inputs = [], [value for value in graph.input if value.name not in constants]
    for index, node in enumerate(graph.node):
        value = _constant(node)
        if value is not None:
            graph.initializer.append(numpy_helper.from_array(value, node.output[0]))
            continue
        node.name = node.name or f"{node.op_type}_{index}"
        node.doc_string = ""
        del node.metadata_props[:]
        nodes.append(node)
    nodes = [copied(node) for node in nodes]
    inputs = [copied(value) for value in inputs]
    del graph.node[:], graph.input[:]
    graph.node.extend(nodes)
    graph.input.extend(inputs)
    for output in graph.output:
        output.type.tensor_type.ClearField("shape")
    return model


def in_precision(model: onnx.ModelProto, sources: Sequence[int], target: int) -> onnx.ModelProto:
    """A copy with every tensor of the float types `sources` in `target`."""
    changed = copied(model)
    dtype = helper.tensor_dtype_to_np_dtype(target)
    for tensor in tensors_of(changed.graph):
        if tensor.data_type in sources:
            tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(dtype), tensor.name))
    for graph in graphs_of(changed.graph):
        for node in graph.node:
            for attribute in node.attribute:
                if attribute.name in TYPES and attribute.i in sources:
                    attribute.i = target
        for value in (*graph.input, *graph.output, *graph.value_info):
            if value.type.tensor_type.elem_type in sources:
                value.type.tensor_type.elem_type = target
    return changed


def _constant(node: NodeProto) -> npt.NDArray[Any] | None:
    if node.op_type != "Constant" or node.attribute[0].name == "sparse_value":
        return None
    value = helper.get_attribute_value(node.attribute[0])
    if isinstance(value, TensorProto):
        return numpy_helper.to_array(value)
    kind = {"value_float": np.float32, "value_floats": np.float32, "value_int": np.int64, "value_ints": np.int64}
    return np.asarray(value, kind[node.attribute[0].name]) if node.attribute[0].name in kind else None


def without_unread(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy without the constants that no node reads."""
    changed = copied(model)
    read = {name for node in nodes_of(model.graph) for name in node.input} | {value.name for value in model.graph.output}
    kept = [copied(tensor) for tensor in changed.graph.initializer if tensor.name in read]
    del changed.graph.initializer[:]
    changed.graph.initializer.extend(kept)
    return changed


def prefixed(model: onnx.ModelProto, prefix: str) -> onnx.ModelProto:
    """A copy with `prefix` before all names. (`onnx.compose.add_prefix` forgets what subgraphs read from outside.)"""
    changed = copied(model)
    for graph in graphs_of(changed.graph):
        for part in (*graph.input, *graph.output, *graph.value_info, *graph.initializer):
            part.name = prefix + part.name
        for node in graph.node:
            node.name = prefix + node.name if node.name else ""
            node.input[:] = [prefix + name if name else "" for name in node.input]
            node.output[:] = [prefix + name if name else "" for name in node.output]
    return changed


def observed_shapes(model: onnx.ModelProto, feed: Feed) -> dict[str, tuple[int, ...]]:
    """The shapes that the tensors of the graph have for `feed`, as ONNX Runtime computes them."""
    wide = copied(model)
    written = [name for node in model.graph.node for name in node.output if name]
    known = {value.name for value in model.graph.output}
    wide.graph.output.extend(onnx.ValueInfoProto(name=name) for name in written if name not in known)
    values = session(wide).run(written, dict(feed))
    shapes = {name: np.shape(value) for name, value in zip(written, values, strict=True)}
    return shapes | {name: value.shape for name, value in feed.items()}


def session(model: onnx.ModelProto, optimised: bool = False) -> Any:
    """ONNX Runtime, by default without optimisation: every node as it is written."""
    onnxruntime = import_onnxruntime()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    if not optimised:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def with_explicit_pads(model: onnx.ModelProto, shapes: Shapes) -> onnx.ModelProto:
    """A copy whose convolutions say `pads` instead of `auto_pad` and `output_shape`; equations of onnx/docs/Operators.md."""
    changed = copied(model)
    weights = {tensor.name: tuple(tensor.dims) for tensor in changed.graph.initializer}
    for node in changed.graph.node:
        a = {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
        auto = a.get("auto_pad", b"NOTSET").decode()
        if node.op_type not in ("Conv", "ConvTranspose") or (auto in ("NOTSET", "VALID") and "output_shape" not in a):
            continue
        sides, kernel = shapes[node.input[0]][2:], (weights.get(node.input[1]) or shapes[node.input[1]])[2:]
        ones = [1] * len(sides)
        strides, dilations = a.get("strides", ones), a.get("dilations", ones)
        reach = [(k - 1) * d + 1 for k, d in zip(kernel, dilations, strict=True)]
        if node.op_type == "Conv":
            out = [-(-side // stride) for side, stride in zip(sides, strides, strict=True)]
            span = [(o - 1) * s + r - side for o, s, r, side in zip(out, strides, reach, sides, strict=True)]
            extra = [0] * len(sides)
        else:
            out = list(a.get("output_shape", [side * stride for side, stride in zip(sides, strides, strict=True)]))[
                -len(sides) :
            ]
            extra = list(a.get("output_padding", [0] * len(sides)))
            span = [(side - 1) * s + e + r - o for side, s, e, r, o in zip(sides, strides, extra, reach, out, strict=True)]
            extra = [e + max(0, -total) for e, total in zip(extra, span, strict=True)]
        total = [max(0, value) for value in span]
        small, large = [value // 2 for value in total], [value - value // 2 for value in total]
        pads = small + large if auto == "SAME_UPPER" else large + small
        kept = [attribute for attribute in node.attribute if attribute.name not in PADDING]
        kept = [copied(attribute) for attribute in kept]
        del node.attribute[:]
        node.attribute.extend([*kept, helper.make_attribute("pads", pads)])
        if any(extra):
            node.attribute.append(helper.make_attribute("output_padding", extra))
    return changed


PADDING = ("auto_pad", "output_shape", "output_padding", "pads")


T = TypeVar("T")


def copied(message: T) -> T:
    """A copy of a protobuf message."""
    copy: Any = type(message)()
    copy.CopyFrom(message)
    result: T = copy
    return result
