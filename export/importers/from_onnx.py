"""A foreign ONNX graph as a PyTorch module, node by node.

So everything downstream is the same as for any other generator: the reference is this module in float64, which computes what
the graph says as precisely as anything can, and the bundle's graph is exported anew from it. That the module *is* the graph is
checked at once: it must draw what ONNX Runtime draws with the untouched file.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from export.importers.file_kind import read_identified
from export.importers.from_torchscript import register_constant
from export.importers.onnx_operations import OPERATIONS, Plain
from gansample.bundle.seal import digest
from gansample.errors import ArtefactError
from gansample.runtimes.onnxruntime_module import import_onnxruntime

OLDEST_OPSET = 9
AGREE = 1e-3  # of the picture's span: two float32 computations of a deep network differ by less


@dataclass(frozen=True, slots=True)
class ForeignGraph:
    network: nn.Module
    sha256: str
    values: Mapping[str, Any]
    """Hints for calling it."""


def network_from_onnx(path: Path) -> ForeignGraph:
    """The graph in `path` as a module that draws the same.

    Raises ArtefactError for external data, unknown domains or operations, damage, or inputs that are no latent [and label].
    """
    data, kind = read_identified(path)
    if kind != "onnx":
        raise ArtefactError(f"{path.name} is no ONNX file but {kind}", "pass it without --onnx")
    model = _checked(data, path.name)
    network = OnnxNetwork(model, path.name)
    _check_against_onnxruntime(network, data, path.name)
    return ForeignGraph(network, digest(data), {"latent_shape": network.latent, "n_classes": network.n_classes})


def _checked(data: bytes, name: str) -> onnx.ModelProto:
    try:
        model = onnx.load_from_string(data)
        tensors = [*model.graph.initializer, *(a.t for node in model.graph.node for a in node.attribute if a.HasField("t"))]
        if any(tensor.data_location == onnx.TensorProto.EXTERNAL for tensor in tensors):
            raise ArtefactError(
                f"{name} keeps its weights in another file (external data)",
                "make it one file: onnx.save(onnx.load(…), 'one.onnx', save_as_external_data=False)",
            )
        foreign = sorted({node.domain for node in model.graph.node if node.domain not in ("", "ai.onnx")})
        if foreign:
            raise ArtefactError(
                f"{name} uses operations of {', '.join(foreign)}", "export it with standard ONNX operations only"
            )
        onnx.checker.check_model(model)
    except ArtefactError:
        raise
    except Exception as error:  # protobuf and the checker raise classes of their own
        reason = " ".join(str(error).split())[:120]
        raise ArtefactError(
            f"{name} is no valid ONNX graph ({reason})", "it is damaged or truncated, export it again"
        ) from error
    opset = next((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), 0)
    if opset < OLDEST_OPSET:
        raise ArtefactError(f"{name} has opset {opset}", f"export it with opset {OLDEST_OPSET} or newer")
    unknown = sorted({node.op_type for node in model.graph.node} - set(OPERATIONS) - {"Constant"})
    if unknown:
        raise ArtefactError(f"{name} uses {', '.join(unknown)}, which is not read", "export its class or weights instead")
    return model


class OnnxNetwork(nn.Module):
    """Runs the nodes of a graph; float initializers are its parameters, so that it can be moved to another precision."""

    def __init__(self, model: onnx.ModelProto, name: str) -> None:
        super().__init__()
        graph = model.graph
        self.nodes = [(node.op_type, tuple(node.input), tuple(node.output), _attributes(node)) for node in graph.node]
        self.plain: dict[str, Plain] = {}
        self.buffer_of: dict[str, str] = {}
        # scales decide the size of what comes out, so they must be known before anything runs
        self.scales = {name for node in graph.node if node.op_type in ("Resize", "Upsample") for name in node.input[1:]}
        for tensor in graph.initializer:
            self._constant(tensor.name, numpy_helper.to_array(tensor))
        for op, _, outputs, attributes in self.nodes:
            if op == "Constant":
                self._constant(outputs[0], np.asarray(next(iter(attributes.values()))))
        given = [value for value in graph.input if value.name not in self.buffer_of and value.name not in self.plain]
        if len(given) not in (1, 2):
            names = ", ".join(value.name for value in given) or "none"
            raise ArtefactError(f"{name} has {len(given)} inputs ({names})", "a generator takes a latent [and a label]")
        self.inputs, self.arity = [value.name for value in given], len(given)
        self.output = graph.output[0].name
        self.dims = [_dims(value) for value in given]
        self.dtypes = [value.type.tensor_type.elem_type for value in given]
        sizes = self.dims[0][1:]
        self.latent = tuple(sizes) if sizes and all(isinstance(size, int) for size in sizes) else None
        self.n_classes = self._classes()

    def _constant(self, name: str, array: np.ndarray[Any, Any]) -> None:
        if (array.dtype == np.int64 or name in self.scales) and array.ndim <= 1 and array.size <= 64:
            self.plain[name] = array.tolist()  # shapes, axes, indices: known before anything runs
            return
        self.buffer_of[name] = f"tensor_{len(self.buffer_of)}"
        register_constant(self, self.buffer_of[name], torch.from_numpy(np.array(array)))

    def _classes(self) -> int | None:
        """Rows of the table that the label looks up, or the width of a one-hot label."""
        if self.arity < 2:
            return None
        for op, inputs, _, _ in self.nodes:
            if op == "Gather" and inputs[1] == self.inputs[1] and inputs[0] in self.buffer_of:
                return int(getattr(self, self.buffer_of[inputs[0]]).shape[0])
        width = self.dims[1][1] if len(self.dims[1]) > 1 else None
        return width if isinstance(width, int) else None

    def forward(self, *inputs: Tensor) -> Tensor:
        values: dict[str, Any] = {**self.plain, "": None}
        values.update({name: getattr(self, buffer) for name, buffer in self.buffer_of.items()})
        values.update(zip(self.inputs, inputs, strict=True))
        for op, read, written, attributes in self.nodes:
            if op == "Constant":
                continue
            result = OPERATIONS[op](attributes, *(values[name] for name in read))
            values.update(zip(written, result if isinstance(result, tuple) else (result,), strict=False))
        picture: Tensor = values[self.output]
        return picture


def _attributes(node: onnx.NodeProto) -> dict[str, Any]:
    values = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
    read = {
        key: numpy_helper.to_array(value) if isinstance(value, onnx.TensorProto) else value for key, value in values.items()
    }
    return {key: value.decode() if isinstance(value, bytes) else value for key, value in read.items()}


def _dims(value: onnx.ValueInfoProto) -> list[int | None]:
    return [size.dim_value if size.HasField("dim_value") else None for size in value.type.tensor_type.shape.dim]


@torch.no_grad()
def _check_against_onnxruntime(network: OnnxNetwork, data: bytes, name: str) -> None:
    """Raise ArtefactError unless the module draws what ONNX Runtime draws with the file itself."""
    stream = np.random.RandomState(0)
    feed = {}
    for key, dims, kind in zip(network.inputs, network.dims, network.dtypes, strict=True):
        shape = [size or (4 if i == 0 else 1) for i, size in enumerate(dims)]
        dtype = onnx.helper.tensor_dtype_to_np_dtype(kind)
        feed[key] = stream.standard_normal(shape).astype(dtype) if dtype.kind == "f" else np.zeros(shape, dtype)
    try:
        onnxruntime = import_onnxruntime()
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        theirs = session.run([network.output], feed)[0]
        ours = network(*(torch.from_numpy(value) for value in feed.values())).numpy()
    except Exception as error:  # ONNX Runtime's classes share no base, and a node may raise anything
        raise ArtefactError(f"{name} cannot be run ({' '.join(str(error).split())[:140]})", "export it again") from error
    span = float(theirs.max() - theirs.min()) or 1.0
    if ours.shape != theirs.shape or not float(np.abs(ours - theirs).max()) <= AGREE * span:
        raise ArtefactError(f"{name} is read differently than ONNX Runtime reads it", "please report this graph")
