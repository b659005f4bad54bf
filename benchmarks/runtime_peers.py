"""ONNX Runtime and OpenVINO as their documentation has them used, without anything of this project's exporter.

They give what the network gives, float pictures (N, C, H, W): nobody's pixel head is timed.
"""

from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.rates import Draw
from gansample.latents import latents
from gansample.runtimes.onnxruntime_module import import_onnxruntime

CALIBRATION = 256


def open_runtime(name: str, model: Path, weights: Path | None, batch: int, threads: int) -> Draw:
    """model  what torch.onnx.export writes."""
    z = latents(range(batch), 100)
    if name == "onnxruntime-plain-export":
        session = _session(model, threads)
        return lambda: session.run(None, {"z": z})
    if name == "onnxruntime-tuned":
        return _bound(model, z, threads)
    request = _request(name, weights, batch, threads)
    return lambda: request.infer({"z": z})


def _session(model: Path, threads: int, settings: dict[str, str] | None = None, batch: int | None = None) -> Any:
    onnxruntime = import_onnxruntime()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    for key, value in (settings or {}).items():
        options.add_session_config_entry(key, value)
    if batch is not None:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        options.add_free_dimension_override_by_name("N", batch)
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def _bound(model: Path, z: Any, threads: int) -> Draw:
    """Every optimisation, a fixed batch, no denormals, spinning threads, and output into memory that stays."""
    onnxruntime = import_onnxruntime()
    settings = {"session.set_denormal_as_zero": "1", "session.intra_op.allow_spinning": "1"}
    session = _session(model, threads, settings, len(z))
    binding = session.io_binding()
    pictures = onnxruntime.OrtValue.ortvalue_from_numpy(np.empty((len(z), 3, 64, 64), np.float32))
    binding.bind_ortvalue_input("z", onnxruntime.OrtValue.ortvalue_from_numpy(z))
    binding.bind_ortvalue_output(session.get_outputs()[0].name, pictures)
    return lambda: session.run_with_iobinding(binding)


def _request(name: str, weights: Path | None, batch: int, threads: int) -> Any:
    """The network through OpenVINO's own converter, at a fixed batch, and through NNCF with its defaults for int8."""
    import openvino
    import torch

    from benchmarks.dcgan64 import dcgan64_generator

    network = dcgan64_generator(weights).network
    model = openvino.convert_model(network, example_input=torch.zeros(2, 100), input=[("z", [batch, 100])])
    if name == "openvino-nncf-int8":
        import nncf

        calibration = latents(range(CALIBRATION), 100).reshape(-1, batch, 100) if CALIBRATION % batch == 0 else None
        batches = list(calibration) if calibration is not None else [latents(range(batch), 100)]
        model = nncf.quantize(model, nncf.Dataset(batches), subset_size=len(batches))
    hint = "f32" if name.endswith("fp32") else "bf16"
    settings = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": hint, "INFERENCE_NUM_THREADS": threads}
    return openvino.Core().compile_model(model, "CPU", settings).create_infer_request()
