"""What each step of the int8 recipe brings, on a DCGAN-64: writes benchmarks/results/int8.json and docs/int8.md.

python -m benchmarks.int8 [netG.pth]
"""

import json
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.dcgan64 import face
from export.quantise.keep_float import draw
from export.quantise.with_nncf import quantised
from export.speed import processor_name
from export.to_onnx import onnx_from_face
from export.variants import openvino_model
from export.variants.base import CALIBRATION_SEEDS
from export.variants.openvino_int8 import CALIBRATED_ON, tuned
from gansample.atomic import write_atomic
from gansample.fidelity import psnr_db
from gansample.latents import latents

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "int8.md"
RESULT = ROOT / "benchmarks" / "results" / "int8.json"
JUDGED = range(256)


def measure(weights: Path | None) -> dict[str, Any]:
    """PSNR before rounding to 8 bits, against float32, over latents that nothing was calibrated on; best times in turns."""
    generator = face(weights)
    graph = onnx_from_face(generator)
    z = latents(JUDGED, 100)
    float_model = openvino_model.read(graph.twin)
    started = time.perf_counter()
    ours, steps = tuned(generator, graph, lambda step: print(step, file=sys.stderr))
    seconds = time.perf_counter() - started
    calibration = latents(CALIBRATION_SEEDS[:CALIBRATED_ON], 100)
    models = {
        "OpenVINO float32": float_model,
        "NNCF as it comes": quantised(float_model, calibration, None, bias_correction=True),
        "this recipe": ours,
    }
    wanted = draw(float_model, z, None)
    speeds = images_per_second(models)
    rows = [
        {
            "what": name,
            "psnr_db": None
            if model is float_model
            else round(psnr_db(float(np.square(draw(model, z, None) - wanted).mean())), 2),
            "images_per_second": round(speeds[name], 1),
        }
        for name, model in models.items()
    ]
    kind = "trained weights" if weights else "seeded random weights"
    return {
        "model": f"DCGAN-64, {kind}",
        "rows": rows,
        "steps": steps,
        "seconds": round(seconds, 1),
        "processor": processor_name(),
    }


def images_per_second(models: Mapping[str, Any], batch: int = 64, rounds: int = 30) -> dict[str, float]:
    """Batch `batch`, the shipping half of each model, taking turns; the best run counts."""
    core, z = openvino_model.openvino().Core(), latents(range(batch), 100)
    settings = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
    requests = {}
    for name, model in models.items():
        compiled = core.compile_model(openvino_model.without_levels(model.clone()), "CPU", settings)
        requests[name] = compiled.create_infer_request()
        requests[name].infer({"z": z})
    best = dict.fromkeys(models, float("inf"))
    for _ in range(rounds):
        for name, request in requests.items():
            started = time.perf_counter()
            request.infer({"z": z})
            best[name] = min(best[name], time.perf_counter() - started)
    return {name: batch / seconds for name, seconds in best.items()}


def page(document: Mapping[str, Any]) -> str:
    float32, plain, ours = document["rows"]
    table = "\n".join(
        f"| {row['what']} | {_decibels(row['psnr_db'])} | {row['images_per_second']:,.0f} |"
        f" {row['images_per_second'] / float32['images_per_second']:.2f}× |"
        for row in document["rows"]
    )
    speed = ours["images_per_second"] / plain["images_per_second"]
    steps, before = [], None
    for step in document["steps"]:
        gain = "" if before is None else f"{step['psnr_db'] - before:+.1f} dB"
        steps.append(f"| {step['step']} | {step['psnr_db']:.1f} dB | {gain} |")
        before = step["psnr_db"]
    return f"""# int8 that keeps the picture

Written by `python -m benchmarks.int8`; do not edit. {document["model"]}, {document["processor"]}, batch 64.
PSNR is taken before rounding to 8 bits, against float32, over {len(JUDGED)} latents that nothing was calibrated on.

| what | PSNR | pictures/s | to float32 |
|---|---:|---:|---:|
{table}

{ours["psnr_db"] - plain["psnr_db"]:+.1f} dB at {speed:.0%} of NNCF's own speed.
The recipe took {document["seconds"]:.0f} s.

| after step | PSNR | brought |
|---|---:|---:|
{chr(10).join(steps)}

The table of steps uses 64 other latents than the one above, and NNCF without its bias correction, which the last step replaces.

- **nncf**: a quantiser before every layer, ranges and steps from {CALIBRATED_ON} latents.
- **keep float**: each layer is tried in float32, and stays so where that brings most fidelity for its time, within 92 % of the
  speed. For a DCGAN that is the first layer: as a matrix product it is nearly free, and the latents are not rounded at all.
- **ranges**: each activation range is clipped to the least mean square error.
- **round weights**: rounded against the covariance of the layer's inputs (GPTQ), then the bias takes the mean error.
"""


def _decibels(value: float | None) -> str:
    return "" if value is None else f"{value:.1f} dB"


def main(weights: Path | None) -> None:
    document = measure(weights)
    for path, text in ((RESULT, json.dumps(document, indent=2) + "\n"), (PAGE, page(document))):
        path.parent.mkdir(exist_ok=True)
        write_atomic(path, text.encode())


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
