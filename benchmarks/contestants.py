"""Everything that is measured, each as one function that draws a batch. Each runs in a process of its own."""

from collections.abc import Callable
from pathlib import Path

from gansample.latents import latents
from gansample.runtimes.onnxruntime_module import import_onnxruntime

Draw = Callable[[], object]
PEERS = ("pytorch-eager-fp32", "torch-compile-fp32", "pytorch-bf16-channels-last", "onnxruntime-plain-export")


def open_contestant(name: str, bundle: Path, weights: Path | None, batch: int, threads: int) -> Draw:
    """The contestant `name`, ready to draw `batch` pictures: one of PEERS, or a variant of the bundle."""
    if name in ("pytorch-eager-fp32", "torch-compile-fp32", "pytorch-bf16-channels-last"):
        return _torch(name, weights, batch, threads)
    if name == "onnxruntime-plain-export":
        return _plain_export(bundle / "plain.onnx", batch, threads)
    from gansample.bundle.open import open_bundle
    from gansample.runtimes.open import open_runner

    opened = open_bundle(bundle / "bundle")
    variant = opened.variant(name)
    runner = open_runner(opened, variant.runtime, variant, threads)
    z = latents(range(batch), opened.spec.latent_size)
    return lambda: runner.run(z, None)


def _torch(name: str, weights: Path | None, batch: int, threads: int) -> Draw:
    import torch

    from benchmarks.dcgan64 import dcgan64_generator

    torch.set_num_threads(threads)
    drawing = dcgan64_generator(weights).requires_grad_(False)
    z = torch.from_numpy(latents(range(batch), 100))
    if name == "torch-compile-fp32":
        compiled = torch.compile(drawing)
        return lambda: compiled(z)
    if name == "pytorch-bf16-channels-last":
        drawing = drawing.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

        def bf16() -> object:
            with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
                return drawing(z)

        return bf16
    return lambda: drawing(z)


def _plain_export(model: Path, batch: int, threads: int) -> Draw:
    """What everybody writes: torch.onnx.export, InferenceSession, run. Float pictures, as the network gives them."""
    onnxruntime = import_onnxruntime()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    z = latents(range(batch), 100)
    return lambda: session.run(None, {"z": z})
