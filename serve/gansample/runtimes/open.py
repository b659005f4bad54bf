"""A variant of a bundle on a backend, opened. What was asked for either runs or is an error, never something else."""

from gansample.bundle.open import GOLDENS, Bundle
from gansample.bundle.spec import Variant
from gansample.errors import BackendUnavailable, UsageError
from gansample.runtimes.backends import GPU_BACKENDS, NVIDIA_BACKENDS
from gansample.runtimes.styles import with_mapping
from gansample.system.processors import usable_processors
from gansample.types import Runner

PROVING = 4  # goldens: enough to tell a driver that computes something else


def open_runner(bundle: Bundle, backend: str, variant: Variant, threads: int | None = None) -> Runner:
    """The runner for exactly this variant on exactly this backend; which ones to take is `sampling.engine_choice`'s to say.

    Where the generator has a mapping, it is a `MapsStyles` too.

    threads  of the processor, on CPU backends; None is all cores.

    Raises UsageError for far more threads than processors, BackendUnavailable, with the fix, where the backend cannot run here
    or does not run this variant, and ArtefactError where a file is damaged.
    """
    if backend not in backends_of(variant):
        raise BackendUnavailable(
            f"{variant.name} runs on {variant.runtime}, not on {backend}", f"use backend {variant.runtime}"
        )
    cores = usable_processors()
    if threads is not None and threads > (most := max(16, 4 * cores)):
        # ONNX Runtime's threads wait by spinning: a thousand of them on two cores draw two pictures in half a minute.
        raise UsageError(f"{threads:,} threads, and this machine has {cores} processors", f"ask for at most {most}")
    source = str(bundle.path)
    if backend in NVIDIA_BACKENDS:
        from gansample.runtimes.cuda_device import require_gpu

        require_gpu()
    match backend:
        case "tensorrt" | "tensorrt-rtx":
            from gansample.runtimes.tensorrt.open import open_tensorrt

            return with_mapping(open_tensorrt(bundle, variant, backend=backend), bundle)
        case "cuda":
            from gansample.runtimes.onnxruntime_cuda import OnnxRuntimeCudaRunner

            model = bundle.read(variant.files[0])
            cuda = OnnxRuntimeCudaRunner(model, bundle.spec, source=source, variant=variant.name)
            return with_mapping(cuda, bundle)
        case "webgpu":
            from gansample.runtimes.webgpu.runner import WebGpuRunner

            opened = WebGpuRunner(bundle.read(variant.files[0]), bundle.spec, source=source, variant=variant.name)
            return proven(with_mapping(opened, bundle), bundle, variant)
        case "openvino":
            from gansample.runtimes.openvino_cpu import OpenVinoRunner

            model, *rest = (bundle.read(name) for name in variant.files)
            on_openvino = OpenVinoRunner(
                model, rest[0] if rest else None, bundle.spec,
                precision=variant.precision, variant=variant.name, threads=threads, source=source,
            )  # fmt: skip
            return with_mapping(on_openvino, bundle, threads)
        case _:
            from gansample.runtimes.onnxruntime_cpu import OnnxRuntimeRunner

            model = bundle.read(variant.files[0])
            here = OnnxRuntimeRunner(model, bundle.spec, threads=threads, source=source, variant=variant.name)
            return with_mapping(here, bundle, threads)


def proven(runner: Runner, bundle: Bundle, variant: Variant) -> Runner:
    """The runner, once it has drawn a few of the bundle's goldens; a lone graph has none. Raises ParityError otherwise."""
    from gansample.bundle.goldens import check_goldens, read_goldens

    if GOLDENS in bundle.files:
        try:
            check_goldens(runner, read_goldens(bundle).first(PROVING), variant.precision)
        except BaseException:
            runner.close()
            raise
    return runner


def backends_of(variant: Variant) -> tuple[str, ...]:
    """The backends that run this variant; ONNX also runs on GPUs."""
    return (variant.runtime, *GPU_BACKENDS) if variant.runtime == "onnxruntime" else (variant.runtime,)
