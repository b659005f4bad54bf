"""A generator as one self-contained ONNX file: dynamic batch, uint8 NHWC output, the spec in its metadata, sealed."""

import json
import logging
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import onnx
import torch

from export.export_model import CarriesGraph, ExportModel, render
from export.graph.per_sample_convolution import PerSampleConvolutions
from export.graph.pixel_head import with_pixel_head
from gansample.bundle import seal
from gansample.bundle.spec import ONNX_METADATA_KEY, Spec
from gansample.errors import ArtefactError

# Old enough for the graph optimisers and GPU kernels of ONNX Runtime (which stop at Conv-21), new enough for torch.export.
OPSET = 18
MAX_BATCH = 65_536
MAX_BYTES = 2**31 - 2**24  # what protobuf serialises, less room for everything that is not a weight
FIXED = 7  # a batch size that few networks have as a number of their own

Free = Callable[[onnx.ModelProto, ExportModel], onnx.ModelProto | None]
"""A graph that was exported for one batch size -> for any; None where that cannot be."""


@dataclass(frozen=True, slots=True)
class ExportedGraph:
    model: bytes
    """The file that ships: z [, label] -> images."""
    debug_graph: bytes
    """The same graph with a second output `levels`, the float pictures before rounding; for measuring, never shipped."""


def check_size(generator: ExportModel) -> None:
    """Raise ArtefactError where the weights are more than one ONNX file holds; a bundle's graph has no data beside it."""
    size = 4 * sum(tensor.numel() for tensor in (*generator.parameters(), *generator.buffers()))
    if size > MAX_BYTES:
        raise ArtefactError(
            f"its weights take {size / 1e9:.1f} GB, and an ONNX file holds 2 GB", "export a generator with fewer channels"
        )


def export_graph(generator: ExportModel, free: Free | None = None) -> ExportedGraph:
    """Export with torch's dynamo exporter, or take the graph that the network carries; clean up, add metadata and seal.

    free  makes a graph of one batch size one for any, where PyTorch's tracer fixes it.

    Raises ArtefactError where PyTorch cannot trace the network, or not for every batch size.
    """
    spec = generator.spec
    if isinstance(generator.network, CarriesGraph):
        return from_debug_graph(with_pixel_head(generator.network.onnx_graph(), spec.value_range), spec)
    try:
        debug_graph = _exported(generator, 2)  # an example of size 1 would be specialised into the graph
        is_free = bool(debug_graph.graph.input[0].type.tensor_type.shape.dim[0].dim_param)
        failure = None
    except ArtefactError as error:
        is_free, failure = False, error
    if not is_free and (failure is not None or _draws_different_pictures(generator)):
        freed = _freed(generator, free) if free is not None else None
        if freed is None:  # PyTorch says nothing when it unrolls a loop
            raise failure or ArtefactError(
                "the generator's forward fixes the number of its pictures, as one that draws them one by one does",
                "let it draw the batch at once, with z.shape[0] for its size",
            )
        debug_graph = freed
    forget_source(debug_graph)
    return from_debug_graph(debug_graph, spec)


def _freed(generator: ExportModel, free: Free) -> onnx.ModelProto | None:
    """The graph of one batch size, for any; None where that cannot be had."""
    try:
        fixed = _exported(generator, FIXED, dynamic=False)
    except ArtefactError:
        return None
    return free(fixed, generator)


def _exported(generator: ExportModel, n: int, *, dynamic: bool = True) -> onnx.ModelProto:
    """The graph as the dynamo exporter writes it from an example of `n` pictures; dynamic: for any number of them."""
    name, shape = generator.spec.graph_input
    example = {"z": torch.zeros(n, *shape)}
    if generator.spec.graph_takes_label:
        example["label"] = torch.zeros(n, dtype=torch.int64)
    return traced(generator, example, {"z": name, "label": "label"}, ["images", "levels"], dynamic=dynamic)


def traced(
    module: torch.nn.Module,
    example: Mapping[str, torch.Tensor],
    names: Mapping[str, str],
    outputs: list[str],
    *,
    dynamic: bool = True,
) -> onnx.ModelProto:
    """`module` as the dynamo exporter writes it.

    example  argument of forward -> what it is called with, each (N, …), in the order of forward
    names    argument of forward -> the graph's input
    dynamic  for any N, not only the example's

    Raises ArtefactError with PyTorch's reason where it cannot be traced.
    """
    batch = torch.export.Dim("N", min=1, max=MAX_BATCH)
    shapes = {argument: {0: batch} for argument in example}
    with warnings.catch_warnings(), PerSampleConvolutions():
        warnings.simplefilter("ignore")  # the exporter's deprecations are between PyTorch and itself
        for chatty in ("onnxscript", "torch.onnx", "torch.fx", "torch.export"):
            logging.getLogger(chatty).setLevel(logging.ERROR)
        try:
            program = torch.onnx.export(
                module,
                tuple(example.values()),
                dynamo=True,
                opset_version=OPSET,
                dynamic_shapes=shapes if dynamic else None,
                input_names=[names[argument] for argument in example],
                output_names=outputs,
                external_data=False,
                verbose=False,
            )
        except Exception as error:  # torch.onnx wraps whatever tracing raised, of any class
            reason = _first_line(error)
            if "data-dependent" in reason:
                raise ArtefactError(
                    "the generator's forward branches on values that it computes, which no graph holds",
                    "write the branch as torch.where(condition, a, b)",
                ) from error
            raise ArtefactError(
                f"PyTorch cannot export this generator ({reason})", "see the full reason with --debug"
            ) from error
    assert program is not None
    model: onnx.ModelProto = program.model_proto
    return model


def _draws_different_pictures(generator: ExportModel) -> bool:
    """Whether two latents give two pictures; a generator that has collapsed is reported later, and better."""
    spec = generator.spec
    label = np.zeros(2, np.int64) if spec.classes is not None else None
    first, second = render(generator, spec.latents(range(2)), label).unrounded
    return not np.array_equal(first, second)


def from_debug_graph(debug_graph: onnx.ModelProto, spec: Spec) -> ExportedGraph:
    """Both forms of a graph that gives `images` and `levels`."""
    return ExportedGraph(model=finish(without_unrounded(debug_graph), spec), debug_graph=debug_graph.SerializeToString())


def without_unrounded(debug_graph: onnx.ModelProto) -> onnx.ModelProto:
    """A copy that gives `images` alone."""
    model = onnx.ModelProto()
    model.CopyFrom(debug_graph)
    del model.graph.output[1]
    return model


def finish(model: onnx.ModelProto, spec: Spec) -> bytes:
    """Check the graph, write spec and seal into its metadata, and give the bytes of the file."""
    entries = {ONNX_METADATA_KEY: json.dumps(spec.to_dict(), sort_keys=True), seal.KEY: seal.BLANK}
    onnx.helper.set_model_props(model, entries)
    onnx.checker.check_model(model, full_check=True)
    return seal.sealed(model.SerializeToString(deterministic=True))


def forget_source(model: onnx.ModelProto) -> None:
    """Drop the stack traces and file paths that the exporter notes at every node: they are large, private, and change."""
    graph = model.graph
    del model.metadata_props[:], graph.metadata_props[:]
    for part in (*graph.node, *graph.value_info, *graph.input, *graph.output, *graph.initializer):
        part.doc_string = ""
        del part.metadata_props[:]
    del graph.value_info[:]
    graph.name = "generator"


def _first_line(error: BaseException) -> str:
    while error.__cause__ is not None:
        error = error.__cause__
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
