"""The reference graph itself, in ONNX Runtime on the CPU: the variant that every bundle has."""

from typing import Any

import numpy as np
import numpy.typing as npt

from export.export_model import ExportModel
from export.graph.to_onnx import ExportedGraph
from export.variants.base import BuiltVariant
from gansample.bundle.open import REFERENCE
from gansample.bundle.spec import Spec
from gansample.runtimes.base import Run
from gansample.runtimes.onnxruntime_cpu import OnnxRuntimeRunner, session_options
from gansample.runtimes.onnxruntime_module import import_onnxruntime
from gansample.types import Labels, Rows

NAME = "onnx-fp32"


def build(generator: ExportModel, graph: ExportedGraph) -> BuiltVariant:
    return BuiltVariant(
        name=NAME,
        runtime="onnxruntime",
        precision="fp32",
        files={REFERENCE: graph.model},
        open=lambda: OnnxRuntimeRunner(graph.model, generator.spec, source=REFERENCE),
        open_unrounded=lambda: open_unrounded(graph.debug_graph, generator.spec),
    )


def open_unrounded(debug_graph: bytes, spec: Spec) -> Run[Any]:
    """A function that gives the pictures before rounding, float (N, H, W, C), at the optimisation level that ships."""
    session = import_onnxruntime().InferenceSession(debug_graph, session_options(spec), providers=["CPUExecutionProvider"])

    names = [port.name for port in session.get_inputs()]

    def unrounded(z: Rows, label: Labels | None) -> npt.NDArray[np.float32]:
        feed: dict[str, npt.NDArray[Any]] = dict(zip(names, (z,) if label is None else (z, label), strict=True))
        drawn: npt.NDArray[np.float32] = session.run(["levels"], feed)[0]
        return drawn

    return unrounded
