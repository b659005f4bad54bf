"""OpenVINO int8: NNCF's quantisation, then fidelity won back where it costs little time (see docs/int8.md).

keep_float      the layers whose quantisation hurts most for the time it saves stay in bf16 or float32
ranges          each activation range clipped to the least mean square error
round_weights   weights rounded against the covariance of the layer's inputs, bias corrected

Each step is kept only where the pictures come nearer to float32 on latents that nothing was calibrated on.
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
from gansample.runners.openvino_cpu import HINTS, OpenVinoRunner

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
        levels=openvino_model.levels_of(model, HINTS["int8"]),
        notes=notes,
    )


def tuned(face: Face, graph: ExportedGraph, say: Say) -> tuple[Any, list[dict[str, Any]]]:
    """The int8 model with both outputs, and what each step brought: PSNR before rounding against float32, other latents."""
    from export.quantise.keep_float import draw, keep_float, restored
    from export.quantise.layers import quantised_layers
    from export.quantise.ranges import fit_ranges
    from export.quantise.round_weights import refit_all
    from export.quantise.with_nncf import quantised, without_idle_quantisers
    from export.quantise.wrong_kernel import wrongly_computed

    z, label = latents(CALIBRATION_SEEDS[:CALIBRATED_ON], face.spec.latent_size, face.spec.distribution), None
    tested = latents(CALIBRATION_SEEDS[-64:], face.spec.latent_size, face.spec.distribution)
    if face.spec.classes is not None:
        label = cycled_labels(face.spec, len(z))
    tested_label = label[:64] if label is not None else None
    twin = onnx.load_from_string(graph.twin)
    # As a matrix product the first layer costs so little that it can stay float32, and the latents are never rounded.
    twin = apply(twin, latent_matmul(twin))
    float_model = openvino_model.read(twin.SerializeToString())
    wanted = draw(float_model, tested, tested_label, "f32")
    model = quantised(float_model, z, label)
    wrong = [layer.node.get_friendly_name() for layer in quantised_layers(model) if wrongly_computed(layer)]
    model = restored(model, float_model, wrong)
    if not list(quantised_layers(model)):
        raise VariantUnavailable("NNCF quantises none of this generator's layers")
    steps: list[dict[str, Any]] = []

    def better(step: str, tried: Any, **more: Any) -> Any:
        """`tried` if it draws nearer to float32 than the model so far, which is kept otherwise."""
        decibels = psnr_db(float(np.square(draw(tried, tested, tested_label) - wanted).mean()))
        kept = not steps or decibels > steps[-1]["psnr_db"]
        say(f"{NAME}: {step}, {decibels:.1f} dB{'' if kept else ', dropped'}")
        if not kept:
            more, decibels = {"dropped_at": round(decibels, 2)}, steps[-1]["psnr_db"]
        steps.append({"step": step, "psnr_db": round(decibels, 2), **more})
        return tried if kept else model

    model = better("nncf", model)
    model = better("no idle quantisers", without_idle_quantisers(model))
    tried, chosen, speed = keep_float(model, float_model, z[:64], label[:64] if label is not None else None)
    model = better("keep float", tried, layers=list(chosen.layers), speed=round(speed, 3))
    model = better("ranges", fit_ranges(model, z, label))
    model = better("round weights", refit_all(model, float_model, z, label))
    return model, steps
