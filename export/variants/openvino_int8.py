"""OpenVINO int8: NNCF's quantisation, then fidelity won back where it costs little time (see docs/int8.md).

idle            quantisers that no int8 layer reads taken out
equalise        channels between two layers brought nearer to one range, exactly undone in the weights
keep_float      the layers whose quantisation hurts most for the time it saves stay in bf16 or float32
ranges          each activation range clipped to the least mean square error
round_weights   weights rounded against the covariance of the layer's inputs, bias corrected

Each step is kept only where the pictures come nearer to float32 on latents that nothing was calibrated on, and no picture of a
stretched latent comes near the gate: a range that fits the seeds cuts off what only tails reach.
"""

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx

from export.export_model import ExportModel, cycled_labels
from export.graph.passes.equalise import equalise_channels
from export.graph.passes.latent_matmul import latent_matmul
from export.graph.passes.rewrite import apply
from export.graph.to_onnx import ExportedGraph
from export.parity.reference import parity_latents
from export.variants import openvino_model
from export.variants.base import CALIBRATION_SEEDS, BuiltVariant, VariantUnavailable
from export.variants.timing_decisions import KEEP_FLOAT
from gansample.bundle.fidelity import GATES, psnr_db
from gansample.errors import UsageError
from gansample.runtimes.openvino_cpu import HINTS, OpenVinoRunner
from gansample.types import Labels, Latents

logger = logging.getLogger(__name__)

NAME = "openvino-int8"
FILES = ("variants/openvino-int8.xml", "variants/openvino-int8.bin")
MARGIN = 3.0  # dB above the gate for a single picture: the search for the worst latent goes further than the tails tried here
CALIBRATED_ON = 256  # latents, and 32 stretched ones; more move the fidelity by less than 0.1 dB


def build(generator: ExportModel, graph: ExportedGraph, float_layers: Sequence[str] | None = None) -> BuiltVariant:
    """The int8 variant of `graph`; float_layers as for `tune`. Raises VariantUnavailable without openvino or nncf."""
    openvino_model.openvino()
    try:
        import nncf
    except ImportError:
        raise VariantUnavailable("nncf is not installed (pip install nncf)") from None
    model, steps = tune(generator, graph, float_layers)
    notes: dict[str, Any] = {"quantised_by": f"nncf {nncf.__version__}", "calibrated_on": CALIBRATED_ON, "steps": steps}
    xml, weights = openvino_model.to_bytes(openvino_model.without_unrounded(model))
    return BuiltVariant(
        name=NAME,
        runtime="openvino",
        precision="int8",
        files=dict(zip(FILES, (xml, weights), strict=True)),
        open=lambda: OpenVinoRunner(xml, weights, generator.spec, precision="int8", variant=NAME, source=FILES[0]),
        unrounded=openvino_model.open_unrounded(model, HINTS["int8"]),
        notes=notes,
    )


def _plain(float_model: Any, z: Latents, label: Labels | None) -> Any:
    """NNCF's model, but for the layers that OpenVINO would compute wrongly."""
    from export.variants.int8.keep_float import restore_layers
    from export.variants.int8.layers import quantised_layers
    from export.variants.int8.with_nncf import quantise
    from export.variants.int8.wrong_kernel import wrongly_computed

    model = quantise(float_model, z, label)
    wrong = [layer.node.get_friendly_name() for layer in quantised_layers(model) if wrongly_computed(layer)]
    return restore_layers(model, float_model, wrong)


def tune(
    generator: ExportModel, graph: ExportedGraph, float_layers: Sequence[str] | None = None
) -> tuple[Any, list[dict[str, Any]]]:
    """The int8 model with both outputs, and what each step brought: PSNR before rounding against float32, other latents.

    float_layers  the layers that are not quantised, as another export of this generator chose them; None measures.
    """
    from export.variants.int8.keep_float import infer_unrounded, keep_float, restore_layers
    from export.variants.int8.layers import channel_ranges, quantised_layers
    from export.variants.int8.ranges import fit_ranges
    from export.variants.int8.round_weights import refit_all
    from export.variants.int8.with_nncf import without_idle_quantisers

    # Tails take part, so that ranges reach as far as they do.
    z, conditions = parity_latents(generator.spec, CALIBRATION_SEEDS[:CALIBRATED_ON])
    z, label = z[: conditions["tails"].stop], None
    tested = generator.spec.latents(CALIBRATION_SEEDS[-64:])
    if generator.spec.classes is not None:
        label = cycled_labels(generator.spec, len(z))
    tested_label = label[:64] if label is not None else None
    debug_graph = onnx.load_from_string(graph.debug_graph)
    # As a matrix product the first layer costs so little that it can stay float32, and the latents are never rounded.
    debug_graph = apply(debug_graph, latent_matmul(debug_graph))
    float_model = openvino_model.read(debug_graph.SerializeToString())
    wanted = infer_unrounded(float_model, tested, tested_label, "f32")
    model = _plain(float_model, z, label)
    if not list(quantised_layers(model)):
        raise VariantUnavailable("NNCF quantises none of this generator's layers")
    tails, conditions = parity_latents(generator.spec, CALIBRATION_SEEDS[-64:])
    tails = tails[conditions["tails"]]
    tails_label = cycled_labels(generator.spec, len(tails))
    wanted_tails = infer_unrounded(float_model, tails, tails_label, "f32")
    steps: list[dict[str, Any]] = []

    def better(step: str, tried: Any, **more: Any) -> Any:
        """`tried` if it draws nearer to float32 than the model so far and no tail near its gate; else the model so far."""
        decibels = psnr_db(float(np.square(infer_unrounded(tried, tested, tested_label) - wanted).mean()))
        worst = psnr_db(float(np.square(infer_unrounded(tried, tails, tails_label) - wanted_tails).mean((1, 2, 3)).max()))
        safe = worst >= GATES["int8"].worst_psnr_db + MARGIN
        kept = not steps or (decibels > steps[-1]["psnr_db"] and (safe or worst > steps[-1]["worst_tail_db"]))
        logger.info(f"{NAME}: {step}, {decibels:.1f} dB{'' if kept else ', dropped'}")
        if not kept:
            more = {"dropped_at": round(decibels, 2)}
            decibels, worst = steps[-1]["psnr_db"], steps[-1]["worst_tail_db"]
        steps.append({"step": step, "psnr_db": round(decibels, 2), "worst_tail_db": round(worst, 2), **more})
        return tried if kept else model

    model = better("nncf", model)
    model = better("no idle quantisers", without_idle_quantisers(model, float_model))
    equal = equalise_channels(debug_graph, lambda name: channel_ranges(float_model, name, z, label))
    float_equal = openvino_model.read(equal.SerializeToString())
    tried = without_idle_quantisers(_plain(float_equal, z, label), float_equal)
    if better("equalise", tried) is tried:
        model, float_model, debug_graph = tried, float_equal, equal
    if float_layers is None:
        tried, chosen, speed = keep_float(model, float_model, z[:64], label[:64] if label is not None else None)
        model = better(KEEP_FLOAT, tried, layers=list(chosen.layers), speed=round(speed, 3))
    else:
        names = {layer.node.get_friendly_name() for layer in quantised_layers(model)}
        if unknown := sorted(set(float_layers) - names):
            raise UsageError(f"--like: this generator has no layer {unknown[0]}", "pass a bundle of the same generator")
        model = better(KEEP_FLOAT, restore_layers(model, float_model, float_layers), layers=list(float_layers))
    model = better("ranges", fit_ranges(model, z, label))
    model = better("round weights", refit_all(model, float_model, z, label))
    return model, steps
