"""A report as a page of Markdown, with everything that a reader needs to believe it or repeat it."""

import platform
import time
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version

from gansample.bundle.basis import format_basis
from gansample.bundle.open import Bundle
from gansample.errors import BackendUnavailable
from gansample.runtimes.cuda_device import Cuda, require_gpu
from gansample.sampling.report.measure import MOST, compared_latents
from gansample.sampling.report.row import BATCHES, STOPPED, Cell, EngineRow, describe
from gansample.sampling.verify import worst_of
from gansample.system.processors import processor_name, usable_processors

PACKAGES = ("onnxruntime", "onnxruntime-gpu", "openvino", "tensorrt", "tensorrt-rtx-cu13-bindings", "onnxruntime-ep-webgpu")


def machine_facts() -> dict[str, str]:
    """What the figures were measured with: date, GPU and versions."""
    return {
        "date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "processor": f"{processor_name()}, {usable_processors()} cores",
        **_gpu_facts(),
        **{name: _version(name) for name in PACKAGES},
        "Python": platform.python_version(),
    }


def markdown(bundle: Bundle, facts: Mapping[str, str], rows: Sequence[EngineRow]) -> str:
    lines = [
        "# Verification report",
        "",
        "Written by `gan verify --report`; every figure was measured in that run. NOT RUN is never a pass.",
        "",
        *(f"- {name}: {value}" for name, value in facts.items()),
        f"- model: {bundle.spec.name}, sha256 {bundle.sha256[:16]}…",
        *(f"- {line}" for line in format_basis(bundle.spec.basis)),
        "",
        *sections(rows, bundle.reference, compared_latents(bundle.spec)),
    ]
    return "\n".join(lines) + "\n"


def sections(rows: Sequence[EngineRow], reference: str, n: int) -> list[str]:
    """The tables: verdicts, speed, opening and memory.

    reference  what drew the goldens.
    n          latents compared beyond them.
    """
    ran = [row for row in rows if row.opened]
    lines = [
        "## Verdicts",
        "",
        *table(
            ["backend", "variant", "verdict", "goldens", f"{n:,} latents"],
            (
                [row.backend, row.variant, row.verdict, *map(describe, (worst_of(row.goldens), worst_of(row.latents)))]
                for row in rows
            ),
        ),
        "",
        f"Goldens are the pictures of {reference}; the {n:,} latents are compared with the fp32 variant in ONNX",
        f"Runtime on this machine's CPU, at batches of 1, 2, 3, 17 and 64, on a GPU also of {MOST:,}. Of all batch sizes the",
        "worst is shown.",
        *_reasons(rows),
    ]
    if not ran:
        return lines
    speeds = [line for row in ran for line in speed_rows(row)]
    lines += [
        "",
        "## Pictures per second",
        "",
        *table(["backend", "variant", "copies", *(f"batch {batch:,}" for batch in BATCHES)], speeds),
        "",
        "With copies: latents come from the host's memory, and pictures end there. Without: both stay on the GPU. A CPU",
        "copies nothing.",
        *missing(ran, ("rates", "device_rates")),
        "",
        "## Opening and memory",
        "",
        *table(
            ["backend", "variant", "cold, s", "warm, s", "host, MiB", "device, MiB"],
            (
                [
                    row.backend,
                    row.variant,
                    _format(row.cold_seconds, ".2f"),
                    _format(row.warm_seconds, ".2f"),
                    _format(row.host_mib, ",.0f"),
                    _format(row.device_mib, ",.0f") if row.on_gpu else "–",
                ]
                for row in ran
            ),
        ),
        "",
        "Cold: from the start of a process to its first picture, with empty caches, ours and the driver's (the files that are",
        "read may be in the system's memory). Warm: the same again with what the first process left in the caches. Memory on",
        "the host is the process's at its largest, beyond what it held before the runtime was loaded.",
        *missing(ran, ("cold_seconds", "warm_seconds", "host_mib", "device_mib")),
    ]
    return lines


def table(names: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    text = ("backend", "variant", "verdict", "copies", "what", "fastest engine", "fastest of PyTorch")
    rule = ["---" if name in text else "---:" for name in names]
    return [f"| {' | '.join(cells)} |" for cells in (names, rule, *rows)]


def speed_rows(row: EngineRow) -> list[list[str]]:
    def cells(rates: Mapping[int, Cell]) -> list[str]:
        return [_format(rates.get(batch, STOPPED), ",.0f") for batch in BATCHES]

    if not row.on_gpu:
        return [[row.backend, row.variant, "none", *cells(row.rates)]]
    return [
        [row.backend, row.variant, "with", *cells(row.rates)],
        [row.backend, row.variant, "without", *cells(row.device_rates)],
    ]


def _reasons(rows: Iterable[EngineRow]) -> list[str]:
    """Why a verdict is no PASS, each reason once."""
    by_reason: dict[tuple[str, str, str], list[str]] = {}
    for row in rows:
        if row.verdict != "PASS":
            by_reason.setdefault((row.backend, row.verdict, "; ".join(row.reasons)), []).append(row.variant)
    return _list(
        f"{backend} {', '.join(names)}, {verdict}: {reason}" for (backend, verdict, reason), names in by_reason.items()
    )


def missing(rows: Iterable[EngineRow], names: Sequence[str]) -> list[str]:
    """Why figures are missing, each reason once for an engine."""
    lines = []
    for row in rows:
        reasons = dict.fromkeys(reason for name in names for reason in _words(row, name))
        lines += [f"{row.backend} {row.variant}, NOT RUN: {reason}" for reason in reasons]
    return _list(lines)


def _words(row: EngineRow, name: str) -> list[str]:
    if name.startswith("device") and not row.on_gpu:
        return []
    value = getattr(row, name)
    cells = [value.get(batch, STOPPED) for batch in BATCHES] if isinstance(value, dict) else [value]
    return [cell for cell in cells if isinstance(cell, str)]


def _list(lines: Iterable[str]) -> list[str]:
    found = [f"- {line}" for line in lines]
    return ["", *found] if found else []


def _format(cell: Cell, pattern: str) -> str:
    return "NOT RUN" if isinstance(cell, str) else format(cell, pattern)


def _gpu_facts() -> dict[str, str]:
    try:
        require_gpu()
        device = Cuda().gpu().to_dict()
    except BackendUnavailable as reason:
        return {"GPU": f"NOT RUN, {reason}"}
    return {
        "GPU": device["name"],
        "compute capability": device["compute_capability"],
        "driver": device["driver"],
        "CUDA runtime": device["cuda"],
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
