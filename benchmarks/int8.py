"""What each step of the int8 recipe brings, on a DCGAN-64 and on any other generators: writes benchmarks/results/int8.json and
docs/int8.md.

python -m benchmarks.int8 [netG.pth [other.pth ...]]
"""

import argparse
import logging
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import documents
from benchmarks.dcgan64 import dcgan64_generator
from benchmarks.documents import Document
from export.export_model import ExportModel, cycled_labels
from export.graph.to_onnx import export_graph
from export.importers.load_generator import load_generator
from export.importers.request import ImportRequest
from export.variants import openvino_model
from export.variants.base import CALIBRATION_SEEDS
from export.variants.int8.keep_float import infer_unrounded
from export.variants.int8.layers import quantised_layers
from export.variants.int8.tune import CALIBRATED_ON, Tuned, tune
from export.variants.int8.with_nncf import quantise
from gansample.bundle.fidelity import psnr_db
from gansample.cli.log import log_to_stderr
from gansample.latents import latents
from gansample.runtimes.openvino_cpu import HINTS
from gansample.system.atomic import write_atomic
from gansample.system.processors import processor_name

PAGE = Path(__file__).parents[1] / "docs" / "int8.md"
RESULT = "int8.json"
JUDGED = range(256)


def measure(weights: Path | None, others: list[Path]) -> dict[str, Any]:
    """PSNR before rounding to 8 bits, against float32, over latents that nothing was calibrated on; best times in turns."""
    generator = dcgan64_generator(weights)
    graph = export_graph(generator)
    z = latents(JUDGED, 100)
    float_model = openvino_model.read(graph.debug_graph)
    started = time.perf_counter()
    tuned = tune(generator.spec, graph)
    seconds = time.perf_counter() - started
    calibration = latents(CALIBRATION_SEEDS[:CALIBRATED_ON], 100)
    models = {
        "OpenVINO float32": float_model,
        "NNCF as it comes": quantise(float_model, calibration, None, bias_correction=True),
        "this recipe": tuned.model,
    }
    wanted = infer_unrounded(float_model, z, None, "f32")
    speeds = images_per_second(models)
    rows = [
        {
            "what": name,
            "psnr_db": None
            if model is float_model
            else round(psnr_db(float(np.square(infer_unrounded(model, z, None) - wanted).mean())), 2),
            "images_per_second": round(speeds[name], 1),
        }
        for name, model in models.items()
    ]
    kind = "trained weights" if weights else "seeded random weights"
    generators = [_steps("dcgan64", generator, tuned)]
    generators += [_steps(path.parent.name, load_generator(ImportRequest(weights=path)).generator) for path in others]
    return {
        "model": f"DCGAN-64, {kind}",
        "rows": rows,
        "generators": generators,
        "seconds": round(seconds, 1),
        "processor": processor_name(),
    }


def _steps(name: str, generator: ExportModel, tuned: Tuned | None = None) -> dict[str, Any]:
    """What each step brought to one generator, and what remains with its activations unquantised."""
    logging.getLogger("export").info(name)
    graph = export_graph(generator)
    tuned = tuned or tune(generator.spec, graph)
    spec = generator.spec
    z, label = spec.latents(JUDGED), cycled_labels(spec, len(JUDGED))
    wanted = infer_unrounded(openvino_model.read(graph.debug_graph), z, label, "f32")

    def decibels(drawing: Any) -> float:
        return round(psnr_db(float(np.square(infer_unrounded(drawing, z, label) - wanted).mean())), 2)

    weights_only = tuned.model.clone()
    for layer in list(quantised_layers(weights_only)):
        for quantiser in layer.quantisers:
            quantiser.output(0).replace(quantiser.input_value(0))
    weights_only.validate_nodes_and_infer_types()
    return {
        "name": name,
        "steps": [step.to_dict() for step in tuned.steps],
        "psnr_db": decibels(tuned.model),
        "only_weights_psnr_db": decibels(weights_only),
    }


def images_per_second(models: Mapping[str, Any], batch: int = 64, rounds: int = 30) -> dict[str, float]:
    """Batch `batch`, the shipping half of each model, taking turns; the best run counts."""
    core, z = openvino_model.openvino().Core(), latents(range(batch), 100)
    requests = {}
    for name, model in models.items():
        hint = HINTS["fp32" if name == "OpenVINO float32" else "int8"]
        settings = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": hint}
        compiled = core.compile_model(openvino_model.without_unrounded(model.clone()), "CPU", settings)
        requests[name] = compiled.create_infer_request()
        requests[name].infer({"z": z})
    best = dict.fromkeys(models, float("inf"))
    for _ in range(rounds):
        for name, request in requests.items():
            started = time.perf_counter()
            request.infer({"z": z})
            best[name] = min(best[name], time.perf_counter() - started)
    return {name: batch / seconds for name, seconds in best.items()}


def page(document: Document) -> str:
    float32, plain, ours = document["rows"]
    table = "\n".join(
        f"| {row['what']} | {_decibels(row['psnr_db'])} | {row['images_per_second']:,.0f} |"
        f" {row['images_per_second'] / float32['images_per_second']:.2f}× |"
        for row in document["rows"]
    )
    speed = ours["images_per_second"] / plain["images_per_second"]
    names = [step["step"] for step in max((one["steps"] for one in document["generators"]), key=len)]
    steps = "\n".join(_step_row(generator) for generator in document["generators"])
    return f"""# int8 that keeps the picture

Written by `python -m benchmarks.int8`; do not edit. {document["model"]}, {document["processor"]}, batch 64.
PSNR is taken before rounding to 8 bits, against float32, over {len(JUDGED)} latents that nothing was calibrated on.

| what | PSNR | pictures/s | to float32 |
|---|---:|---:|---:|
{table}

{ours["psnr_db"] - plain["psnr_db"]:+.1f} dB at {speed:.0%} of NNCF's own speed.
The recipe took {document["seconds"]:.0f} s.

PSNR after each step, in dB; a step that does not help, or brings stretched latents near their gate, is dropped, and what it
would have given stands in brackets:

| generator | {" | ".join(names)} | judged | only weights in int8 |
|---|{"---:|" * (len(names) + 2)}
{steps}

The steps are measured on 64 other latents than the last two columns, and NNCF without its bias correction, which
`round weights` replaces.

- **phase convolution**, before all of them: int8 transposed convolutions become int8 convolutions of their phases, the same
  integers and so the same bits, and layers that stay in float are then computed in bf16. Kept unless it costs: on one core of
  an AMD EPYC it brought 8 to 15 % with AVX512-VNNI, 8 % with AVX2-VNNI, and cost 4 % with AVX2 alone (instructions limited by
  `ONEDNN_MAX_CPU_ISA`). With AMX: not measured yet.
- **nncf**: a quantiser before every layer, ranges and steps from {CALIBRATED_ON} latents and 32 stretched ones.
- **no idle quantisers**: NNCF also quantises the finished pictures, latents that a float layer reads, inputs of
  BatchNorm, and the weights of layers that a looked-up label reaches, which compute in float all the same.
- **equalise**: between two layers with nothing but ReLU-like operations between, channels are divided by the root of their
  range and the next layer's weights multiplied: exact in float, free at run time. The whole range instead of its root was
  tried too, and was worse on each of four generators.
- **keep float**: each layer is tried unquantised, and stays so where that brings most fidelity for its time, within 90 % of the
  speed: in bf16 where the processor has it, else in float32. For a DCGAN that is the first layer: the latents are not rounded.
- **ranges**: each activation range is clipped to the least mean square error.
- **round weights**: rounded against the covariance of the layer's inputs (GPTQ), then the bias takes the mean error.

The last column says where the rest is lost: with the activations unquantised and the same int8 weights, it is what remains.
Most of it is the rounding of activations, which no weights undo. A dash stands where the figure was taken with a training
step that has since been removed (0 to 2.2 dB for a minute of it) and has not been taken again.

## A layer that OpenVINO computes wrongly

A transposed convolution of *signed* int8 inputs whose kernel is no multiple of its stride and whose input is smaller than the
taps of a phase (3×3, stride 2, on the latent's single pixel) comes out wrong on processors without AMX. `wgangp28-blocks-z64`
begins with one when taken with its own class: plain NNCF draws garbage with it there, and is fine with AMX. Here the first
layer is a matrix product before anything is quantised, and any other such layer stays unquantised:
`export/variants/int8/wrong_kernel.py` has the pattern, `tests/export/test_int8_rounding.py` shows it on any processor.
"""


def _step_row(generator: Mapping[str, Any]) -> str:
    cells = [f"({step['dropped_at']:.1f})" if "dropped_at" in step else f"{step['psnr_db']:.1f}" for step in generator["steps"]]
    ends = [generator["psnr_db"], generator["only_weights_psnr_db"]]
    cells += ["–" if decibels is None else f"{decibels:.1f}" for decibels in ends]
    return f"| {generator['name']} | {' | '.join(cells)} |"


def _decibels(value: float | None) -> str:
    return "" if value is None else f"{value:.1f} dB"


def main() -> None:
    parser = argparse.ArgumentParser(description="What each step of the int8 recipe brings.")
    parser.add_argument("weights", nargs="*", type=Path, help="a tutorial DCGAN-64, then any weights that export takes")
    given = parser.parse_args()
    log_to_stderr("benchmarks.int8")
    document = measure(given.weights[0] if given.weights else None, given.weights[1:])
    documents.save(RESULT, document)
    write_atomic(PAGE, page(document).encode())


if __name__ == "__main__":
    main()
