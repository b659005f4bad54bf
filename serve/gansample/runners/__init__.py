"""Who executes the graph. What was asked for either runs or is an error, never something else."""

from typing import TYPE_CHECKING

from gansample.errors import BackendUnavailable
from gansample.runners.base import Images, Labels, Latents, Runner

if TYPE_CHECKING:
    from gansample.bundle import Bundle

__all__ = ["BACKENDS", "Images", "Labels", "Latents", "Runner", "open_runner"]

BACKENDS = ("auto", "onnxruntime")


def open_runner(bundle: "Bundle", backend: str = "auto", threads: int | None = None) -> Runner:
    """The runner for `bundle` on `backend`; `auto` is ONNX Runtime on the CPU, the one that starts fastest.

    Raises BackendUnavailable, with the fix, where that backend cannot run here.
    """
    from gansample.bundle import REFERENCE
    from gansample.runners.onnxruntime_cpu import OnnxRuntimeRunner

    if backend not in BACKENDS:
        raise BackendUnavailable(f"unknown backend {backend!r}", f"choose one of {', '.join(BACKENDS)}")
    return OnnxRuntimeRunner(bundle.read(REFERENCE), bundle.spec, threads=threads, source=str(bundle.path))
