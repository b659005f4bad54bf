"""ONNX in half precision, for GPUs: halves the traffic, and gives tensor cores something to do.

Parity is checked on the emulation (see export/graph/half.py): weights and every activation rounded to half, sums in float32.
That is what cuDNN and TensorRT do with their float32 accumulators; a kernel that sums in half is not covered, so the engine
must also draw the bundle's goldens on the target before its first use.
"""

import logging
from collections.abc import Sequence
from typing import Any

import onnx

from export.effort import at_once, fewer
from export.export_model import ExportModel, cycled_labels
from export.graph.half import COMPUTES, cast_to_half
from export.graph.half_range import Peak, measure_peaks
from export.graph.to_onnx import ExportedGraph, finish, without_unrounded
from export.variants.base import CALIBRATION_SEEDS, BuiltVariant, VariantUnavailable
from export.variants.onnx_fp32 import open_unrounded
from gansample.bundle.fidelity import Fidelity, compare
from gansample.bundle.spec import Spec
from gansample.runtimes.base import run_batched
from gansample.runtimes.onnxruntime_cpu import OnnxRuntimeRunner
from gansample.system.memory import return_freed_memory

logger = logging.getLogger(__name__)

NAME = "onnx-fp16"
FILE = "variants/onnx-fp16.onnx"
PEAK_LATENTS = 128  # and as many stretched ones
FILE_LATENTS = 32
MIN_AGREEMENT_DB = 50.0  # of the file in float32 arithmetic with its emulation; activations rounded or not are all that differs


class HalfEmulator(OnnxRuntimeRunner):
    """Run[Any] what the fp16 file draws on a GPU that sums in float32."""

    backend = "onnxruntime-cpu emulating fp16"


def build(generator: ExportModel, graph: ExportedGraph) -> BuiltVariant:
    """The fp16 variant of `graph`. Raises VariantUnavailable where no layer's values fit into a half."""
    debug_graph, spec = onnx.load_from_string(graph.debug_graph), generator.spec
    peaks = measure_peaks(debug_graph, spec, CALIBRATION_SEEDS[: fewer(spec, PEAK_LATENTS, least=8)])
    wide = [peak for peak in peaks if not peak.fits]
    if not any(peak.fits for peak in peaks if peak.op in COMPUTES):
        raise VariantUnavailable("no layer of this generator gains from half precision, or none fits into it")
    if wide:
        logger.info(f"{NAME}: {len(wide)} of {len(peaks)} nodes keep float32, their values leave the range of a half")
    names = {peak.node for peak in wide}
    file = finish(without_unrounded(cast_to_half(debug_graph, names)), spec)
    emulation = cast_to_half(debug_graph, names, emulate=True)
    emulated, with_unrounded = without_unrounded(emulation).SerializeToString(), emulation.SerializeToString()
    return_freed_memory()

    def emulator() -> HalfEmulator:
        return HalfEmulator(emulated, spec, source="the emulation of the fp16 graph", variant=NAME)

    agreement = _file_agrees(file, emulator(), spec)
    if agreement.psnr_db < MIN_AGREEMENT_DB:
        raise VariantUnavailable(f"the fp16 file and its emulation are {agreement.psnr_db:.1f} dB apart")
    return BuiltVariant(
        name=NAME,
        runtime="onnxruntime",
        precision="fp16",
        files={FILE: file},
        open=emulator,
        open_unrounded=lambda: open_unrounded(with_unrounded, spec),
        measured_here=False,
        notes=_notes(peaks, agreement),
    )


def _file_agrees(file: bytes, emulator: HalfEmulator, spec: Spec) -> Fidelity:
    """The very file that ships, run here as ONNX Runtime can, beside its emulation."""
    n, batch = fewer(spec, FILE_LATENTS, least=4), at_once(spec)
    z, label = spec.latents(range(n)), cycled_labels(spec, n)
    with OnnxRuntimeRunner(file, spec, source=FILE, variant=NAME) as runner, emulator:
        return compare(run_batched(runner.run, z, label, batch), run_batched(emulator.run, z, label, batch))


def _notes(peaks: Sequence[Peak], agreement: Fidelity) -> dict[str, Any]:
    tightest = sorted(peaks, key=lambda peak: peak.headroom)
    return {
        "executed": {
            "judged": "emulation on the CPU: weights and activations rounded to half, sums in float32",
            "file": f"ran in ONNX Runtime on the CPU, which computes it in float32; {agreement.psnr_db:.1f} dB from that",
            "gpu": "NOT RUN at export; the goldens are checked on the target",
        },
        "kept_float32": [peak.layer for peak in peaks if not peak.fits],
        "peaks": [peak.to_dict() for peak in tightest],
    }
