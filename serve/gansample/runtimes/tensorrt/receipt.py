"""What NVIDIA's own builder says to a graph on a machine without a GPU: TensorRT for RTX builds for cards that are elsewhere.

A receipt speaks of TensorRT for RTX and of its targets alone: TensorRT 10 and 11 have builders of their own, and an engine that
was built has not drawn anything yet.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from gansample.bundle.open import Bundle
from gansample.bundle.seal import digest
from gansample.bundle.spec import Spec
from gansample.errors import ArtefactError, BackendUnavailable, OutputError, UsageError
from gansample.runtimes.cuda_graphs import max_batch
from gansample.runtimes.tensorrt.engine import BuiltEngine, build_engine
from gansample.runtimes.tensorrt.library import Library, load_library
from gansample.system.atomic import write_atomic

TARGETS = ("sm80", "sm86", "sm89", "sm120")
"""Ampere (A100, then RTX 30), Ada (RTX 40) and Blackwell (RTX 50), in one engine."""
OLDER = "sm75"
"""Turing (RTX 20): asked for in an engine of its own, since it lacks kernels for some float32 layers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildReceipt:
    """The builder's answer to one graph."""

    verdict: Literal["BUILT", "REFUSED", "NOT RUN"]
    builder: str
    targets: tuple[str, ...] = ()
    """Those that an engine was built for."""
    layers: int | None = None
    """Of the network as the builder parsed it."""
    bytes: int | None = None
    seconds: float | None = None
    sha256: str | None = None
    refused: Mapping[str, str] = field(default_factory=dict)
    """The builder's own words for targets, or `all`, that it does not take."""
    reason: str = ""
    """Why it did not run."""

    def to_dict(self) -> dict[str, Any]:
        facts = {
            "verdict": self.verdict,
            "builder": self.builder,
            "targets": list(self.targets),
            "layers": self.layers,
            "bytes": self.bytes,
            "seconds": self.seconds,
            "sha256": self.sha256,
            "refused": dict(self.refused),
            "reason": self.reason,
        }
        return {name: value for name, value in facts.items() if value not in (None, "", {}, [])}

    def __str__(self) -> str:
        if self.verdict == "BUILT" and self.bytes is not None:
            return f"{self.bytes / 2**20:.1f} MiB for {' '.join(self.targets)}, {self.builder}, {self.seconds:.2f} s"
        return f"{self.verdict}, {self.reason or '; '.join(self.refused.values())}"


def write_engine(bundle: Bundle, variant: str, out: Path, *, targets: Sequence[str] = (), force: bool = False) -> BuildReceipt:
    """Build a variant's engine for `targets`, TARGETS where there are none, into the file `out`.

    Raises BackendUnavailable without the builder or where it cannot build, ArtefactError where it refuses the graph, UsageError
    for an unknown target or a variant that is no ONNX graph, OutputError where `out` cannot be written.
    """
    library, chosen = load_library("tensorrt-rtx"), bundle.variant(variant)
    if chosen.runtime != "onnxruntime":
        names = ", ".join(each.name for each in bundle.variants if each.runtime == "onnxruntime")
        raise UsageError(f"{variant} is no ONNX graph", f"choose {names}")
    if out.exists() and not force:
        raise OutputError(f"{out} exists", "pass --force to replace it")
    started, wanted = time.perf_counter(), tuple(targets) or TARGETS
    built = _build(library, bundle.read(chosen.files[0]), bundle.spec, wanted)
    seconds = time.perf_counter() - started
    write_atomic(out, built.plan)
    return _receipt(library, built, wanted, seconds)


def build_receipt(onnx: bytes, spec: Spec) -> BuildReceipt:
    """Have `onnx` built for batches 1 to `max_batch` on every target, and throw the engine away."""
    try:
        library = load_library("tensorrt-rtx")
    except BackendUnavailable as missing:
        return BuildReceipt(verdict="NOT RUN", builder="TensorRT for RTX", reason=str(missing))
    started = time.perf_counter()
    try:
        built = _build(library, onnx, spec, TARGETS)
    except (ArtefactError, BackendUnavailable) as refusal:
        return BuildReceipt(verdict="REFUSED", builder=library.name, refused={"all": refusal.message})
    seconds = time.perf_counter() - started
    refused = {}
    try:
        _build(library, onnx, spec, (OLDER,))
    except (ArtefactError, BackendUnavailable) as refusal:
        refused[OLDER] = refusal.message
    return _receipt(library, built, (*(() if refused else (OLDER,)), *TARGETS), seconds, refused)


def _receipt(
    library: Library,
    built: BuiltEngine,
    targets: tuple[str, ...],
    seconds: float,
    refused: Mapping[str, str] = MappingProxyType({}),
) -> BuildReceipt:
    return BuildReceipt(
        verdict="BUILT",
        builder=library.name,
        targets=targets,
        layers=built.layers,
        bytes=len(built.plan),
        seconds=round(seconds, 3),
        sha256=digest(built.plan),
        refused=refused,
    )


def _build(library: Library, onnx: bytes, spec: Spec, targets: Sequence[str]) -> BuiltEngine:
    return build_engine(library, onnx, spec, max_batch=max_batch(spec), targets=targets)
