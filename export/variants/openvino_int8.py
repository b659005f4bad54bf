"""OpenVINO int8: NNCF's quantisation, then fidelity won back where it costs little time (see docs/int8.md).

keep_float      the layers whose quantisation hurts most for the time it saves stay float32
ranges          each activation range clipped to the least mean square error
round_weights   weights rounded against the covariance of the layer's inputs, bias corrected
"""

from typing import Any

import numpy as np
import onnx

from export.face import Face
from export.passes.latent_matmul import latent_matmul
from export.passes.rewrite import apply
from export.reference import cycled_labels
from export.to_onnx import ExportedGraph
from export.variants import openvino_model
from export.variants.base import CALIBRATION_SEEDS, BuiltVariant, Say, VariantUnavailable
from gansample.fidelity import psnr_db
from gansample.latents import latents
from gansample.runners.openvino_cpu import OpenVinoRunner

NAME = "openvino-int8"
FILES = ("variants/openvino-int8.xml", "variants/openvino-int8.bin")
CALIBRATED_ON = 256  # latents; more move the fidelity by less than 0.1 dB


def build(face: Face, graph: ExportedGraph, say: Say) -> BuiltVariant:
    openvino_model.openvino()
    try:
        import nncf
    except ImportError:
        raise VariantUnavailable("nncf is not installed (pip install nncf)") from None
    model, steps = tuned(face, graph, say)
    notes: dict[str, Any] = {"quantised_by": f"nncf {nncf.__version__}", "calibrated_on": CALIBRATED_ON, "steps": steps}
    xml, weights = openvino_model.to_bytes(openvino_model.without_levels(model))
    return BuiltVariant(
        name=NAME,
        runtime="openvino",
        precision="int8",
        files=dict(zip(FILES, (xml, weights), strict=True)),
        open=lambda: OpenVinoRunner(xml, weights, face.spec, precision="int8", variant=NAME, source=FILES[0]),
        levels=openvino_model.levels_of(model),
        notes=notes,
    )


def tuned(face: Face, graph: ExportedGraph, say: Say) -> tuple[Any, list[dict[str, Any]]]:
    """The int8 model with both outputs, and what each step brought: PSNR before rounding against float32, other latents."""
    from export.quantise.keep_float import draw, keep_float
    from export.quantise.layers import quantised_layers
    from export.quantise.patches import Patches
    from export.quantise.ranges import fit_ranges
    from export.quantise.round_weights import refit
    from export.quantise.with_nncf import quantised

    z, label = latents(CALIBRATION_SEEDS[:CALIBRATED_ON], face.spec.latent_size, face.spec.distribution), None
    tested = latents(CALIBRATION_SEEDS[-64:], face.spec.latent_size, face.spec.distribution)
    if face.spec.classes is not None:
        label = cycled_labels(face.spec, len(z))
    tested_label = label[:64] if label is not None else None
    twin = onnx.load_from_string(graph.twin)
    # As a matrix product the first layer costs so little that it can stay float32, and the latents are never rounded.
    float_model = openvino_model.read(apply(twin, latent_matmul(twin)).SerializeToString())
    wanted = draw(float_model, tested, tested_label)
    steps: list[dict[str, Any]] = []

    def note(step: str, model: Any, **more: Any) -> None:
        decibels = psnr_db(float(np.square(draw(model, tested, tested_label) - wanted).mean()))
        say(f"{NAME}: {step}, {decibels:.1f} dB")
        steps.append({"step": step, "psnr_db": round(decibels, 2), **more})

    model = quantised(float_model, z, label)
    if not list(quantised_layers(model)):
        raise VariantUnavailable("NNCF quantises none of this generator's layers")
    note("nncf", model)
    model, chosen, speed = keep_float(model, float_model, z[:64], label[:64] if label is not None else None)
    note("keep float", model, layers=list(chosen.layers), speed=round(speed, 3))
    layers = list(quantised_layers(model))
    fit_ranges(model, layers, z, label)
    note("ranges", model)
    for i in range(len(layers)):
        layer = list(quantised_layers(model))[i]
        if Patches.understands(layer.node):
            refit(model, layer, float_model, z, label)
    note("round weights", model)
    return model, steps
