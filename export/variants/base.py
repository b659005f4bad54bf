"""What a variant's builder returns, before its parity is checked."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from export.export_model import ExportModel
from export.graph.to_onnx import ExportedGraph
from gansample.bundle.spec import Precision, Runtime
from gansample.runtimes.base import Run
from gansample.types import Runner

# Latents a builder may calibrate or tune on: far from the seeds of the parity check, and from those that people draw first.
CALIBRATION_SEEDS = range(3_000_000_000, 3_000_010_000)


class VariantUnavailable(Exception):
    """This variant cannot be built here: it becomes NOT RUN with this reason, which is never a pass."""


def reason_of(error: Exception) -> str:
    """Why a variant was left out, on one line: a builder's own reason, or whatever a converter or runtime raised."""
    if isinstance(error, VariantUnavailable):
        return str(error)
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    told = [line for line in lines if not line.startswith("Exception from ")] or lines  # where in OpenVINO's source it was
    text = " ".join(told)[:200]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltVariant:
    """One form of the generator, ready to be opened, its parity not yet checked."""

    name: str
    """For example openvino-int8."""
    runtime: Runtime
    precision: Precision
    """Chooses the gate that it must pass."""
    files: Mapping[str, bytes]
    """Path inside the bundle -> bytes, the one to open first first."""
    open: Callable[[], Runner]
    """Opens exactly these bytes the way gansample will."""
    open_unrounded: Callable[[], Run[Any]] | None = None
    """Opens what draws the pictures before rounding, (N, H, W, C) in 8-bit steps; None where the runtime cannot give them."""
    measured_here: bool = True
    """Whether the opened runner is as fast as the variant is. An emulation is not, and then no speed is recorded."""
    notes: Mapping[str, Any] = field(default_factory=dict)
    """What each pass brought, in figures; travels in bundle.json."""


Builder = Callable[[ExportModel, ExportedGraph], BuiltVariant]
"""Builds a variant. Raises VariantUnavailable where it cannot be built here."""
