"""OpenVINO in bfloat16: twice the arithmetic per instruction where the processor has AMX or a full-rate AVX512-BF16.

OpenVINO runs a ConvTranspose in float32 whatever the hint says, with AMX too (the compiled kernel stays brgconv_avx512_f32
and as fast as that), so they are rewritten as phase convolutions first (brgconv_avx512_amx_bf16).
"""

import logging

import onnx

from export.export_model import ExportModel
from export.graph.passes.measure import check_exact
from export.graph.passes.phase_convolution import phase_convolution
from export.graph.passes.rewrite import apply
from export.graph.to_onnx import ExportedGraph, from_debug_graph
from export.speed import speedup
from export.variants import openvino_model
from export.variants.base import BuiltVariant, VariantUnavailable
from gansample.bundle.open import REFERENCE
from gansample.errors import BackendUnavailable
from gansample.runtimes.openvino_cpu import OpenVinoRunner

logger = logging.getLogger(__name__)

NAME = "openvino-bf16"
FILE = "variants/openvino-bf16.onnx"


def build(generator: ExportModel, graph: ExportedGraph) -> BuiltVariant:
    debug_graph = onnx.load_from_string(graph.debug_graph)
    rewrites = phase_convolution(debug_graph)
    error = check_exact("phase convolution", debug_graph, rewrites) if rewrites else 0.0
    phased = from_debug_graph(apply(debug_graph, rewrites), generator.spec) if rewrites else graph

    def opened() -> OpenVinoRunner:
        return OpenVinoRunner(phased.model, None, generator.spec, precision="bf16", variant=NAME, source=FILE)

    float32 = OpenVinoRunner(graph.model, None, generator.spec, precision="fp32", variant="openvino-fp32", source=REFERENCE)
    try:
        with float32 as before, opened() as after:
            gain = speedup(before, after, generator.spec)
    except BackendUnavailable as reason:
        raise VariantUnavailable(str(reason)) from None
    layers = openvino_model.layers_by_precision(openvino_model.read(phased.debug_graph), "bf16")
    if "bf16" not in layers:
        raise VariantUnavailable("OpenVINO runs none of this generator's layers in bf16")
    logger.info(f"{NAME}: {gain:.2f}× openvino-fp32 on this processor")
    return BuiltVariant(
        name=NAME,
        runtime="openvino",
        precision="bf16",
        files={FILE: phased.model},
        open=opened,
        open_unrounded=lambda: openvino_model.open_unrounded(openvino_model.read(phased.debug_graph), "bf16"),
        notes={
            "passes": [{"pass": "phase convolution", "places": len(rewrites), "float64_difference": error, "kept": True}],
            "speedup_over_openvino_fp32": round(gain, 3),
            "layers_by_precision": layers,
        },
    )
