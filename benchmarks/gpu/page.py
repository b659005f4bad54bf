"""The file of `make test-gpu` as a page: docs/gpu-report.md is what this writes."""

from collections.abc import Iterable, Sequence
from typing import Any

from benchmarks.documents import Document
from benchmarks.gpu.pytorch import COPIES
from gansample.sampling.report.page import missing, sections, speed_rows, table
from gansample.sampling.report.row import BATCHES, EngineRow, describe
from gansample.sampling.verify import worst_of


def page(document: Document) -> str:
    engines, ways = ([EngineRow.from_dict(row) for row in document[name]] for name in ("engines", "pytorch"))
    lines = [
        "# GPU report",
        "",
        "Written by `make test-gpu`; every figure was measured in that run, of DCGAN-64 (3.6 M parameters). NOT RUN is never a",
        "pass.",
        "",
        *(f"- {name}: {value}" for name, value in document["facts"].items()),
        "",
        *_best(engines, ways),
        *(sections(engines, document["reference"], document["latents"]) if engines else _not_run(document["engines_reason"])),
        "",
        "## PyTorch beside it",
        "",
        *_pytorch(ways, document["latents"]),
        document["pytorch_settings"],
        *_undrawn(ways),
        "",
        "## A training step",
        "",
        *table(["what", "pictures/s"], ([row["name"], _rate(row)] for row in document["training"])),
        "",
        document["training_settings"],
        *_reasons(document["training"]),
    ]
    return "\n".join(lines) + "\n"


def _best(engines: Sequence[EngineRow], ways: Sequence[EngineRow]) -> list[str]:
    """The fastest of both sides at every batch size, of those that drew right pictures on the GPU."""
    rows = []
    for copies, name in (("with", "rates"), ("without", "device_rates")):
        for batch in BATCHES:
            ours, theirs = _fastest(engines, name, batch), _fastest(ways, name, batch)
            if ours is not None and theirs is not None:
                (rate, best), (other, peer) = ours, theirs
                rows.append([f"{batch:,}", copies, best, f"{rate:,.0f}", peer, f"{other:,.0f}", f"{rate / other:.2f}×"])
    if not rows:
        return []
    names = ["batch", "copies", "fastest engine", "pictures/s", "fastest of PyTorch", "pictures/s", "ratio"]
    return ["## In short", "", *table(names, rows), ""]


def _fastest(rows: Sequence[EngineRow], name: str, batch: int) -> tuple[float, str] | None:
    able = (row for row in rows if row.on_gpu and row.verdict == "PASS")
    found = [(rate, f"{row.backend} {row.variant}") for row in able if isinstance(rate := getattr(row, name).get(batch), float)]
    return max(found, default=None)


def _pytorch(ways: Sequence[EngineRow], latents: int) -> list[str]:
    drew = [row for row in ways if not isinstance(row.cold_seconds, str)]
    if not drew:
        return []
    names = ["variant", "copies", *(f"batch {batch:,}" for batch in BATCHES), f"{latents:,} latents", "first picture, s"]
    lines = [[*cells[1:], _seen(row), f"{row.cold_seconds:.1f}"] for row in drew for cells in speed_rows(row)]
    return [*table(names, lines), ""]


def _seen(row: EngineRow) -> str:
    return f"{row.verdict}: {describe(worst_of(row.latents))}" if row.latents else "–"


def _undrawn(ways: Sequence[EngineRow]) -> list[str]:
    """Why a way did not draw, or a figure is missing; nobody expects more than copies of the copies."""
    failed = [row for row in ways if row.verdict != "PASS" and row.variant != COPIES]
    lines = _grouped((f"{row.verdict}: {'; '.join(row.reasons)}", f"PyTorch {row.variant}") for row in failed)
    rest = missing([row for row in ways if row not in failed and row.variant != COPIES], ("rates", "device_rates"))
    return [*lines, *(rest[1:] if lines else rest)]


def _rate(row: dict[str, Any]) -> str:
    return f"{row['images_per_second']:,.0f}" if "images_per_second" in row else "NOT RUN"


def _reasons(rows: Sequence[dict[str, Any]]) -> list[str]:
    return _grouped((f"NOT RUN: {row['reason']}", row["name"]) for row in rows if "images_per_second" not in row)


def _grouped(found: Iterable[tuple[str, str]]) -> list[str]:
    """(reason, what) as a list in which each reason stands once."""
    by_reason: dict[str, list[str]] = {}
    for reason, what in found:
        by_reason.setdefault(reason, []).append(what)
    return ["", *(f"- {'; '.join(names)} – {reason}" for reason, names in by_reason.items())] if by_reason else []


def _not_run(reason: str) -> list[str]:
    return ["## Verdicts", "", f"NOT RUN: {reason}"]
