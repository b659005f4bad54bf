"""Who executes the graph. What was asked for either runs or is an error, never something else."""

from typing import TYPE_CHECKING

from gansample.errors import BackendUnavailable
from gansample.runtimes.base import Say, silent
from gansample.types import Runner

if TYPE_CHECKING:
    from gansample.bundle.open import Bundle
    from gansample.bundle.spec import Variant

__all__ = ["BACKENDS", "BACKEND_OF", "GPU_BACKENDS", "Say", "open_runner", "silent"]

BACKENDS = ("auto", "onnxruntime", "openvino", "cuda", "tensorrt")
GPU_BACKENDS = ("cuda", "tensorrt")  # both take the bundle's ONNX variants
BACKEND_OF = {
    "onnxruntime-cpu": "onnxruntime",
    "openvino-cpu": "openvino",
    "onnxruntime-cuda": "cuda",
    "tensorrt-gpu": "tensorrt",
}  # what a runner says it is -> what is asked for


def open_runner(
    bundle: "Bundle", backend: str = "auto", threads: int | None = None, variant: str | None = None, say: Say = silent
) -> Runner:
    """The runner for `bundle` on `backend`; `auto` is ONNX Runtime on the CPU, the one that starts fastest.

    variant  which of the bundle's variants to open; without it, the first one, in the bundle's order, that `backend` runs,
             and on a GPU the fp16 one where there is one.
    say      hears what takes long, such as TensorRT building an engine.

    Raises BackendUnavailable, with the fix, where that backend cannot run here or the bundle has nothing for it, and
    ArtefactError for a variant that the bundle does not have.
    """
    if backend not in BACKENDS:
        raise BackendUnavailable(f"unknown backend {backend!r}", f"choose one of {', '.join(BACKENDS)}")
    chosen = _choose(bundle, backend, variant)
    if backend in GPU_BACKENDS:
        return _open_on_gpu(bundle, backend, chosen, say)
    model, *rest = (bundle.read(name) for name in chosen.files)
    source = str(bundle.path)
    match chosen.runtime:
        case "onnxruntime":
            from gansample.runtimes.onnxruntime_cpu import OnnxRuntimeRunner

            return OnnxRuntimeRunner(model, bundle.spec, threads=threads, source=source, variant=chosen.name)
        case "openvino":
            from gansample.runtimes.openvino_cpu import OpenVinoRunner

            weights = rest[0] if rest else None
            return OpenVinoRunner(
                model, weights, bundle.spec, precision=chosen.precision, variant=chosen.name, threads=threads, source=source
            )


def _open_on_gpu(bundle: "Bundle", backend: str, chosen: "Variant", say: Say) -> Runner:
    from gansample.runtimes.cuda_device import require_gpu

    require_gpu()
    if backend == "tensorrt":
        from gansample.runtimes.tensorrt.open import open_tensorrt

        return open_tensorrt(bundle, chosen, say)
    from gansample.runtimes.onnxruntime_cuda import OnnxRuntimeCudaRunner

    return OnnxRuntimeCudaRunner(bundle.read(chosen.files[0]), bundle.spec, source=str(bundle.path), variant=chosen.name)


def _choose(bundle: "Bundle", backend: str, name: str | None) -> "Variant":
    runtime = "openvino" if backend == "openvino" else "onnxruntime"
    if name is not None:
        chosen = bundle.variant(name)
        if backend != "auto" and chosen.runtime != runtime:
            raise BackendUnavailable(f"{name} runs on {chosen.runtime}, not on {backend}", f"use backend {chosen.runtime}")
        return chosen
    candidates = [variant for variant in bundle.variants if variant.runtime == runtime]
    if backend in GPU_BACKENDS:
        candidates.sort(key=lambda variant: variant.precision != "fp16")
    if not candidates:
        has = ", ".join(variant.name for variant in bundle.variants)
        raise BackendUnavailable(f"{bundle.path} has no variant for {backend} (it has {has})", "export it again with one")
    return candidates[0]
