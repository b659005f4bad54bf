"""Who executes the graph. What was asked for either runs or is an error, never something else."""

from typing import TYPE_CHECKING

from gansample.errors import BackendUnavailable
from gansample.runners.base import Images, Labels, Latents, Runner, Say, silent

if TYPE_CHECKING:
    from gansample.bundle import Bundle

__all__ = ["BACKENDS", "Images", "Labels", "Latents", "Runner", "Say", "open_runner", "silent"]


BACKENDS = ("auto", "onnxruntime", "cuda", "tensorrt")


def open_runner(
    bundle: "Bundle", backend: str = "auto", threads: int | None = None, *, variant: str | None = None, say: Say = silent
) -> Runner:
    """The runner for `bundle` on `backend`; `auto` is ONNX Runtime on the CPU, the one that starts fastest.

    variant  one of the bundle's ONNX variants; None lets the backend choose: a GPU takes onnx-fp16 where the bundle has it.
    say      hears what takes long, such as TensorRT building an engine.

    Raises BackendUnavailable, with the fix, where that backend cannot run here.
    """
    from gansample.runners.onnxruntime_cpu import OnnxRuntimeRunner

    if backend not in BACKENDS:
        raise BackendUnavailable(f"unknown backend {backend!r}", f"choose one of {', '.join(BACKENDS)}")
    chosen = bundle.variant(variant or _onnx_variant(bundle, backend))
    if chosen.runtime != "onnxruntime":
        raise BackendUnavailable(f"{chosen.name} is made for {chosen.runtime}, not for {backend}", "choose an ONNX variant")
    if backend == "tensorrt":
        from gansample.open_tensorrt import open_tensorrt

        return open_tensorrt(bundle, chosen, say)
    if backend == "cuda":
        from gansample.cuda_device import require_gpu
        from gansample.runners.onnxruntime_cuda import OnnxRuntimeCudaRunner

        require_gpu()
        model = bundle.read(chosen.files[0])
        return OnnxRuntimeCudaRunner(model, bundle.spec, source=str(bundle.path), variant=chosen.name)
    model = bundle.read(chosen.files[0])
    return OnnxRuntimeRunner(model, bundle.spec, threads=threads, source=str(bundle.path), variant=chosen.name)


def _onnx_variant(bundle: "Bundle", backend: str) -> str:
    fp16 = backend in ("cuda", "tensorrt") and any(variant.name == "onnx-fp16" for variant in bundle.variants)
    return "onnx-fp16" if fp16 else "onnx-fp32"
