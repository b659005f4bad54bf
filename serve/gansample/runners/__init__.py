"""Who executes the graph. What was asked for either runs or is an error, never something else."""

from typing import TYPE_CHECKING

from gansample.errors import BackendUnavailable
from gansample.runners.base import Images, Labels, Latents, Runner

if TYPE_CHECKING:
    from gansample.bundle import Bundle
    from gansample.spec import Variant

__all__ = ["BACKENDS", "Images", "Labels", "Latents", "Runner", "open_runner"]

BACKENDS = ("auto", "onnxruntime", "openvino")


def open_runner(bundle: "Bundle", backend: str = "auto", threads: int | None = None, variant: str | None = None) -> Runner:
    """The runner for `bundle` on `backend`; `auto` is ONNX Runtime on the CPU, the one that starts fastest.

    variant  which of the bundle's variants to open; without it, the first one, in the bundle's order, that `backend` runs.

    Raises BackendUnavailable, with the fix, where that backend cannot run here or the bundle has nothing for it, and
    ArtefactError for a variant that the bundle does not have.
    """
    if backend not in BACKENDS:
        raise BackendUnavailable(f"unknown backend {backend!r}", f"choose one of {', '.join(BACKENDS)}")
    chosen = _choose(bundle, backend, variant)
    model, *rest = (bundle.read(name) for name in chosen.files)
    source = str(bundle.path)
    match chosen.runtime:
        case "onnxruntime":
            from gansample.runners.onnxruntime_cpu import OnnxRuntimeRunner

            return OnnxRuntimeRunner(model, bundle.spec, threads=threads, source=source, variant=chosen.name)
        case "openvino":
            from gansample.runners.openvino_cpu import OpenVinoRunner

            weights = rest[0] if rest else None
            return OpenVinoRunner(
                model, weights, bundle.spec, precision=chosen.precision, variant=chosen.name, threads=threads, source=source
            )


def _choose(bundle: "Bundle", backend: str, name: str | None) -> "Variant":
    runtime = "onnxruntime" if backend == "auto" else backend
    if name is not None:
        chosen = bundle.variant(name)
        if backend not in ("auto", chosen.runtime):
            raise BackendUnavailable(f"{name} runs on {chosen.runtime}, not on {backend}", f"use backend {chosen.runtime}")
        return chosen
    for candidate in bundle.variants:
        if candidate.runtime == runtime:
            return candidate
    has = ", ".join(variant.name for variant in bundle.variants)
    raise BackendUnavailable(f"{bundle.path} has no variant for {runtime} (it has {has})", "export it again with one")
