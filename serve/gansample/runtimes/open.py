"""A variant of a bundle on a backend, opened. What was asked for either runs or is an error, never something else."""

from gansample.bundle.open import Bundle
from gansample.bundle.spec import Variant
from gansample.errors import BackendUnavailable
from gansample.runtimes.backends import GPU_BACKENDS
from gansample.types import Runner


def open_runner(bundle: Bundle, backend: str, variant: Variant, threads: int | None = None) -> Runner:
    """The runner for exactly this variant on exactly this backend; which ones to take is `sampling.engine_choice`'s to say.

    threads  of the processor, on CPU backends; None is all cores.

    Raises BackendUnavailable, with the fix, where the backend cannot run here or does not run this variant, and ArtefactError
    where a file is damaged.
    """
    if backend not in backends_of(variant):
        raise BackendUnavailable(
            f"{variant.name} runs on {variant.runtime}, not on {backend}", f"use backend {variant.runtime}"
        )
    source = str(bundle.path)
    if backend in GPU_BACKENDS:
        from gansample.runtimes.cuda_device import require_gpu

        require_gpu()
    match backend:
        case "tensorrt" | "tensorrt-rtx":
            from gansample.runtimes.tensorrt.open import open_tensorrt

            return open_tensorrt(bundle, variant, backend=backend)
        case "cuda":
            from gansample.runtimes.onnxruntime_cuda import OnnxRuntimeCudaRunner

            return OnnxRuntimeCudaRunner(bundle.read(variant.files[0]), bundle.spec, source=source, variant=variant.name)
        case "openvino":
            from gansample.runtimes.openvino_cpu import OpenVinoRunner

            model, *rest = (bundle.read(name) for name in variant.files)
            return OpenVinoRunner(
                model, rest[0] if rest else None, bundle.spec,
                precision=variant.precision, variant=variant.name, threads=threads, source=source,
            )  # fmt: skip
        case _:
            from gansample.runtimes.onnxruntime_cpu import OnnxRuntimeRunner

            model = bundle.read(variant.files[0])
            return OnnxRuntimeRunner(model, bundle.spec, threads=threads, source=source, variant=variant.name)


def backends_of(variant: Variant) -> tuple[str, ...]:
    """The backends that run this variant; ONNX also runs on GPUs."""
    return (variant.runtime, *GPU_BACKENDS) if variant.runtime == "onnxruntime" else (variant.runtime,)
