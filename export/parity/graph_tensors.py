"""Everything a variant's graph computes between latents and pictures, for finding the layer where it goes wrong.

Keeping every tensor forbids the runtime to fuse layers. `images` is among the tensors, so that a caller can tell
whether the extra outputs have changed the pictures.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto

from export.parity.first_divergence import Tensors
from gansample.runtimes.onnxruntime_module import import_onnxruntime

_ONNX_FLOATS = (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.BFLOAT16, TensorProto.DOUBLE)


def tensors_of(runtime: str, precision: str, files: Mapping[str, bytes]) -> Tensors:
    """A function that gives every float tensor of a variant, computed by its own runtime in its own precision."""
    model, *rest = files.values()
    if runtime == "openvino":
        return partial(openvino_tensors, model, rest[0] if rest else None, "bf16" if precision == "bf16" else "f32")
    return partial(onnx_tensors, model)


def onnx_tensors(model: bytes, z: npt.NDArray[np.float32], label: npt.NDArray[np.int64] | None) -> dict[str, npt.NDArray[Any]]:
    """Name -> tensor of an ONNX graph, in graph order."""
    marked = onnx.shape_inference.infer_shapes(onnx.load_from_string(model))
    marked.graph.output.extend(value for value in marked.graph.value_info if value.type.tensor_type.elem_type in _ONNX_FLOATS)
    session = import_onnxruntime().InferenceSession(marked.SerializeToString(), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    feed: dict[str, npt.NDArray[Any]] = {"z": z} if label is None else {"z": z, "label": label}
    return dict(zip(names, session.run(names, feed), strict=True))


def openvino_tensors(
    model: bytes, weights: bytes | None, hint: str, z: npt.NDArray[np.float32], label: npt.NDArray[np.int64] | None
) -> dict[str, npt.NDArray[Any]]:
    """Name -> tensor of an OpenVINO model (ONNX bytes, or an IR's .xml and .bin), in graph order."""
    import openvino

    core = openvino.Core()
    graph = core.read_model(model) if weights is None else core.read_model(model, weights)
    between = [op for op in graph.get_ordered_ops() if op.get_type_name() not in ("Constant", "Parameter", "Result")]
    floats = [op.output(0) for op in between if op.output(0).get_element_type().is_real()]
    names = [f"{i} {port.get_node().get_friendly_name()}" for i, port in enumerate(floats)]
    outputs = graph.add_outputs(floats)
    images = next(i for i, port in enumerate(graph.outputs) if "images" in port.get_names())
    compiled = core.compile_model(graph, "CPU", {"INFERENCE_PRECISION_HINT": hint})
    first = len(compiled.outputs) - len(outputs)
    drawn = compiled({"z": z} if label is None else {"z": z, "label": label})
    return {"images": np.array(drawn[images])} | {name: np.array(drawn[first + i]) for i, name in enumerate(names)}
