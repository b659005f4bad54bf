"""The reference graph in OpenVINO, float32: no file of its own, and the fastest exact way to draw on a CPU."""

from export.export_model import ExportModel
from export.graph.to_onnx import ExportedGraph
from export.variants import openvino_model
from export.variants.base import BuiltVariant
from gansample.bundle.open import REFERENCE
from gansample.runtimes.openvino_cpu import OpenVinoRunner

NAME = "openvino-fp32"


def build(generator: ExportModel, graph: ExportedGraph) -> BuiltVariant:
    return BuiltVariant(
        name=NAME,
        runtime="openvino",
        precision="fp32",
        files={REFERENCE: graph.model},
        open=lambda: OpenVinoRunner(graph.model, None, generator.spec, precision="fp32", variant=NAME, source=REFERENCE),
        open_unrounded=lambda: openvino_model.open_unrounded(openvino_model.read(graph.debug_graph)),
    )
