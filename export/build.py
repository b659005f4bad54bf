"""From a face to a verified bundle: export, draw with both sides, judge, and write only what passed."""

import json
import platform
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime

import gansample
from export.face import Face
from export.parity import ParityReport, judge
from export.reference import Reference, reference_from_face
from export.report import model_card, report_html
from export.speed import measured_speed
from export.to_onnx import onnx_from_face
from export.write_bundle import npz_bytes, write_bundle
from gansample.bundle import GOLDENS, REFERENCE
from gansample.errors import ArtefactError, ParityError
from gansample.runners.onnxruntime_cpu import OnnxRuntimeRunner
from gansample.spec import Spec, Variant

GOLDEN_SEEDS = 64


def build_bundle(face: Face, out: Path, say: Callable[[str], None]) -> list[ParityReport]:
    """Export `face` into a bundle at `out` and return the verdict of every variant, all PASS.

    Raises ParityError, and writes nothing, where the exported graph does not draw the pictures of PyTorch;
    ArtefactError where the generator itself is unusable; OutputError where the bundle cannot be written.
    """
    say("exporting to ONNX")
    graph = onnx_from_face(face)
    say("drawing the reference in PyTorch float64")
    reference = reference_from_face(face)
    check_pictures(reference)
    say("checking parity")
    with OnnxRuntimeRunner(graph.model, face.spec, source=REFERENCE) as runner:
        levels = levels_of(graph.twin)
        report = judge(runner.run, levels, reference, variant=runner.variant, precision="fp32")
        if report.failures:
            raise ParityError(
                f"the exported model does not draw PyTorch's pictures ({'; '.join(report.failures)})",
                "nothing was written; please report this generator",
            )
        speed = measured_speed(runner, face.spec)
        drawn = runner.run(reference.z[:GOLDEN_SEEDS], reference.label[:GOLDEN_SEEDS] if reference.label is not None else None)
    variant = Variant(
        name="onnx-fp32",
        runtime="onnxruntime",
        precision="fp32",
        files=(REFERENCE,),
        parity={**report.to_dict(), "runtime": f"onnxruntime {onnxruntime.__version__}"},
        speed=speed,
    )
    say("writing the bundle")
    spec = with_tools(face.spec)
    files: dict[str, bytes] = {REFERENCE: graph.model, GOLDENS: golden_bytes(reference)}
    files["report.html"] = report_html(spec, variant, reference, drawn).encode()
    files["README.md"] = model_card(spec, [variant]).encode()
    write_bundle(out, spec, [variant], files)
    return [report]


def check_pictures(reference: Reference) -> None:
    """Raise ArtefactError for a generator whose pictures cannot be meant: NaN, or one picture for every latent."""
    if not np.isfinite(reference.gold.levels).all():
        raise ArtefactError("the generator draws NaN", "its weights are damaged or it diverged, use an earlier checkpoint")
    if (reference.gold.images == reference.gold.images[:1]).all():
        raise ArtefactError("the generator draws the same picture for every latent", "it has collapsed, train it again")


def levels_of(twin: bytes) -> Callable[[npt.NDArray[np.float32], npt.NDArray[np.int64] | None], npt.NDArray[np.float32]]:
    """Draws float levels (N, H, W, C) with the graph's measuring twin, at the optimisation level that ships."""
    session = onnxruntime.InferenceSession(twin, providers=["CPUExecutionProvider"])

    def levels(z: npt.NDArray[np.float32], label: npt.NDArray[np.int64] | None) -> npt.NDArray[np.float32]:
        feed: Mapping[str, npt.NDArray[Any]] = {"z": z} if label is None else {"z": z, "label": label}
        drawn: npt.NDArray[np.float32] = session.run(["levels"], feed)[0]
        return drawn

    return levels


def golden_bytes(reference: Reference, n: int = GOLDEN_SEEDS) -> bytes:
    """golden.npz: seeds (n,), labels (n,) and the pictures uint8 (n, H, W, C) that PyTorch float64 draws for them."""
    label = reference.label[:n] if reference.label is not None else np.zeros(n, np.int64)
    return npz_bytes(seeds=np.array(reference.seeds[:n], np.int64), label=label, images=reference.gold.images[:n])


def with_tools(spec: Spec) -> Spec:
    """The spec with the versions of everything that took part in the export."""
    names = ("torch", "onnx", "onnxscript", "onnxruntime", "numpy")
    tools = {"gansample": gansample.__version__, "python": platform.python_version(), **{n: version(n) for n in names}}
    return Spec.from_json(json.dumps({**spec.to_dict(), "provenance": {**spec.provenance, "exported_with": tools}}), "spec")
