"""A foreign ONNX file, read whole and checked: one self-contained graph, or a refusal that names the reason."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import onnx
from onnx import NodeProto, TensorProto
from onnx.external_data_helper import ExternalDataInfo, load_external_data_for_tensor
from onnx.inliner import inline_local_functions

from export.importers.file_kind import read_identified
from gansample.bundle.onnx_check import DOMAINS
from gansample.bundle.seal import digest
from gansample.errors import ArtefactError

OLDEST_OPSET = 9
FOR_ONE_PROCESSOR = "com.microsoft.nchwc"  # what ONNX Runtime writes where it saves a graph optimised to the last


@dataclass(frozen=True, slots=True)
class OnnxFile:
    model: onnx.ModelProto
    """Checked, local functions inlined, its weights inside."""
    sha256: str
    """Of the file; where weights lie beside it, of the file and then those files in the order of their names."""


def read_onnx(path: Path) -> OnnxFile:
    """The graph in `path`, with the data that lie beside it under a plain name.

    Raises ArtefactError for external data elsewhere, foreign domains, loops without a bound, old opsets, and damage.
    """
    data, kind = read_identified(path)
    if kind != "onnx":
        raise ArtefactError(f"{path.name} is no ONNX file but {kind}", "pass it without --onnx")
    try:
        model = onnx.load_from_string(data)
        beside = _with_external_data(model, path)
        model = inline_local_functions(model)
        _check_operators(model, path.name)
        _check_form(model)
    except ArtefactError:
        raise
    except Exception as error:  # protobuf and the checker raise classes of their own
        reason = " ".join(str(error).split())[:120]
        raise ArtefactError(
            f"{path.name} is no valid ONNX graph ({reason})", "it is damaged or truncated, export it again"
        ) from error
    return OnnxFile(model, digest(b"".join([data, *beside])))


def graphs_of(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    """The graph and its subgraphs, which the branches and bodies of control flow are."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs) if attribute.HasField("g") else attribute.graphs:
                yield from graphs_of(inner)


def nodes_of(graph: onnx.GraphProto) -> Iterator[NodeProto]:
    """Every node, those of subgraphs too."""
    for inner in graphs_of(graph):
        yield from inner.node


def tensors_of(graph: onnx.GraphProto) -> Iterator[TensorProto]:
    """Every constant: initializers and attributes, those of subgraphs too."""
    for inner in graphs_of(graph):
        yield from inner.initializer
        for node in inner.node:
            for attribute in node.attribute:
                if attribute.HasField("t"):
                    yield attribute.t
                yield from attribute.tensors


def _with_external_data(model: onnx.ModelProto, path: Path) -> list[bytes]:
    """Load what lies in other files into the model; the bytes of those files."""
    names = set()
    for tensor in tensors_of(model.graph):
        if tensor.data_location != TensorProto.EXTERNAL:
            continue
        name = ExternalDataInfo(tensor).location
        if name in ("", ".", "..") or "/" in name or "\\" in name or ":" in name:
            raise ArtefactError(
                f"{path.name} keeps its weights in {name!r} (external data), which is no plain name beside it",
                "make it one file: onnx.save(onnx.load(…), 'one.onnx', save_as_external_data=False)",
            )
        beside = path.with_name(name)
        if beside.is_symlink():
            raise ArtefactError(
                f"{path.name} keeps its weights in {name} (external data), which is a link", "copy the file here"
            )
        if not beside.is_file():
            raise ArtefactError(
                f"{path.name} keeps its weights in {name} (external data), which is not there", "copy it beside the graph"
            )
        load_external_data_for_tensor(tensor, str(path.parent.resolve()))
        names.add(name)
    return [path.with_name(name).read_bytes() for name in sorted(names)]


def _check_operators(model: onnx.ModelProto, name: str) -> None:
    foreign = sorted({node.domain for node in nodes_of(model.graph)} - set(DOMAINS))
    if foreign:
        next_step = "export it with operators that ONNX Runtime has"
        if foreign == [FOR_ONE_PROCESSOR]:
            next_step = "ONNX Runtime wrote it for one processor: pass the graph that it optimised"
        raise ArtefactError(f"{name} uses operations of {', '.join(foreign)}", next_step)
    fixed = {tensor.name for inner in graphs_of(model.graph) for tensor in inner.initializer} | {""}
    for node in nodes_of(model.graph):
        if node.op_type == "Loop" and (not node.input[0] or node.input[0] not in fixed):
            raise ArtefactError(f"{name} holds a Loop whose number of trips is not fixed", "export it with the loop unrolled")
        if fixed.issuperset(node.input):
            fixed.update(node.output)
    opset = opset_of(model)
    if opset < OLDEST_OPSET:
        raise ArtefactError(f"{name} has opset {opset}", f"export it with opset {OLDEST_OPSET} or newer")


def _check_form(model: onnx.ModelProto) -> None:
    """The standard's checker, but for outputs without a shape, which every runtime takes."""
    shaped = onnx.ModelProto()
    shaped.CopyFrom(model)
    for output in shaped.graph.output:
        output.type.tensor_type.shape.SetInParent()
    onnx.checker.check_model(shaped)


def opset_of(model: onnx.ModelProto) -> int:
    return next((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), 0)
