"""What a person reads: report.html with the pictures side by side, and the bundle's model card."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
import numpy as np

from export.bundle_writer.thumbnails import amplified_difference, difference_thumbnails, reduction, thumbnails
from export.parity.distribution import Shift
from export.parity.reference import Reference
from export.parity.verdict import ParityReport
from export.speed import MeasuredSpeed
from gansample.bundle.basis import format_basis, grade, verdict_line
from gansample.bundle.fidelity import GATES, Fidelity
from gansample.bundle.spec import Spec, Variant, format_rate
from gansample.cli.info import format_picture_facts
from gansample.runtimes.tensorrt.receipt import BuildReceipt

COLUMNS = ("latents", "batch", "pictures", "max step", "mean step", "identical", "PSNR", "SSIM", "worst picture")
SUMMARY = ("variant", "verdict", "pictures/s", "PSNR", "worst picture", "max step", "identical", "size")
MIB = 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedVariant:
    """A variant that ran here, and its verdict; in the bundle or not."""

    report: ParityReport
    speed: MeasuredSpeed | None
    """None for a variant that was only emulated here."""
    runtime: str
    """With its version: `onnxruntime 1.24.1`."""
    bytes: int
    """Size of its files together."""
    engines: tuple[BuildReceipt, ...] = ()
    """What builders of GPU engines said to its graph."""

    @property
    def images_per_second(self) -> float | None:
        """At the largest batch; None for a variant that was only emulated here."""
        return self.speed.largest if self.speed is not None else None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExcludedVariant:
    """A variant that is not in the bundle."""

    name: str
    verdict: str
    """FAIL or NOT RUN."""
    reasons: tuple[str, ...]


def report_html(
    spec: Spec, checked: Sequence[CheckedVariant], left_out: Sequence[ExcludedVariant], reference: Reference
) -> str:
    """One self-contained page: verdict, fidelity, size and speed of all variants, and their pictures beside the reference's."""
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["db"], environment.filters["rate"] = decibels, format_rate
    template = environment.from_string(Path(__file__).with_name("report.html.jinja").read_text(encoding="utf-8"))
    generator = reference.generator
    passed = sum(entry.report.verdict == "PASS" for entry in checked)
    verdict = "PASS" if checked and checked[0].report.verdict == "PASS" else "FAIL"
    return template.render(
        spec=spec,
        verdict=verdict,
        grade=grade(verdict, spec.basis),
        line=verdict_line(verdict, spec.basis, checked[0].report.to_dict() if checked else {}),
        basis=format_basis(spec.basis),
        headline=f"{passed} of {len(checked)} variants draw the pictures of {generator.reference_name}",
        reference=generator.reference_name,
        float32=generator.float32_name,
        summary=[
            _summary_row(generator.float32_name, "noise floor", reference.float32_images_per_second, reference.float32, ""),
            *(
                _summary_row(
                    entry.report.variant,
                    entry.report.verdict,
                    entry.images_per_second,
                    entry.report.overall,
                    f"{entry.bytes / MIB:.2f} MiB",
                )
                for entry in checked
            ),
        ],
        summary_columns=SUMMARY,
        floor=_shift_cells(reference.distribution.floor),
        features=reference.distribution.features.name,
        engines=[(entry.report.variant, receipt) for entry in checked for receipt in entry.engines],
        variants=[_section(entry, reference) for entry in checked],
        not_run=[entry for entry in left_out if entry.verdict == "NOT RUN"],
        columns=COLUMNS,
        latents=len(reference.z),
        float32_psnr_db=reference.float32_psnr_db,
        provenance=json.dumps(dict(spec.provenance), indent=2, ensure_ascii=False),
    )


def _summary_row(name: str, verdict: str, rate: float | None, seen: Fidelity, size: str) -> tuple[str, ...]:
    """The cells of one line of the first table, in the order of SUMMARY."""
    fidelity = (decibels(seen.psnr_db), decibels(seen.worst_psnr_db), f"{seen.max_step:.0f}", f"{seen.identical:.4%}")
    return name, verdict, _rate(rate), *fidelity, size


def _section(entry: CheckedVariant, reference: Reference) -> dict[str, Any]:
    """What the page tells about one variant."""
    report, worst = entry.report, entry.report.worst
    expected = reference.images[: len(report.shown)]
    difference, factor = amplified_difference(report.shown, expected)
    reduced = reduction(expected)
    smaller = f", reduced {reduced}×" if reduced > 1 else ""
    largest = f", the largest of every {reduced}×{reduced} pixels" if reduced > 1 else ""
    worst_difference, worst_factor = amplified_difference(worst.drawn[None], worst.expected[None])
    return {
        "report": report,
        "runtime": entry.runtime,
        "speed": entry.speed,
        "gate": GATES[report.precision].describe(),
        "pictures": [
            (f"{report.reference}{smaller}", thumbnails(expected)),
            (
                f"{report.variant}, {'as gansample draws it' if entry.speed else 'emulated on this machine'}",
                thumbnails(report.shown),
            ),
            (f"their difference × {factor}; black is identical{largest}", difference_thumbnails(difference)),
        ],
        "worst_pictures": [
            (report.reference, thumbnails(worst.expected[None])),
            (report.variant, thumbnails(worst.drawn[None])),
            (f"difference × {worst_factor}", difference_thumbnails(worst_difference)),
        ],
        "rows": parity_rows(report),
        "shift": _shift_cells(report.shift),
    }


def model_card(spec: Spec, variants: Sequence[Variant]) -> str:
    """The bundle's README.md."""
    kind = f"A class-conditional ({', '.join(spec.classes)})" if spec.classes else "An unconditional"
    data = spec.provenance.get("data", {})
    source = f" Trained on {data['name']} ({data['images']:,} pictures)." if {"name", "images"} <= set(data) else ""
    rows = "\n".join(_card_row(variant) for variant in variants)
    return f"""# {spec.name}

{kind} image generator: {format_picture_facts(spec.to_dict())}.{source}

In this folder:

    gansample --bundle . --n 64 out.png
    gan verify .

| variant | parity with {variants[0].reference} | PSNR | worst picture | pictures/s at batch {_batch(variants)} |
|---|---|---|---|---|
{rows}

{_card_basis(spec, variants)}

`report.html` shows the pictures side by side. `bundle.json` holds the files' digests, every figure of the checks, and where
the generator came from.
"""


def _card_basis(spec: Spec, variants: Sequence[Variant]) -> str:
    """The verdict's grade and what it rests on, for the model card."""
    lines = "\n".join(f"- {line}" for line in format_basis(spec.basis))
    return f"Verdict: **{verdict_line(variants[0].parity['verdict'], spec.basis, variants[0].parity)}**\n\n{lines}"


def _batch(variants: Sequence[Variant]) -> int:
    """The batch size at which the card's speeds were measured."""
    return max((int(batch) for variant in variants for batch in variant.speed.get("images_per_second", {})), default=64)


def _card_row(variant: Variant) -> str:
    parity, rate = variant.parity, variant.images_per_second
    most = max(parity["rows"], key=lambda row: row["images"])
    figures = f"{decibels(most['psnr_db'])} | {decibels(parity['worst']['searched_psnr_db'])}"
    return f"| {variant.name} | {parity['verdict']} | {figures} | {_rate(rate)} |"


def parity_rows(report: ParityReport) -> list[tuple[str, ...]]:
    """The rows of a report as table cells, in the order of COLUMNS."""
    return [(row.latents, str(row.batch), f"{row.fidelity.images:,}", *_figures(row.fidelity)) for row in report.rows]


def _rate(images_per_second: float | None) -> str:
    return "not measured here" if images_per_second is None else format_rate(images_per_second)


def _figures(fidelity: Fidelity) -> tuple[str, ...]:
    return (
        f"{fidelity.max_step:.0f}",
        f"{fidelity.mean_step:.2g}",
        f"{fidelity.identical:.4%}",
        decibels(fidelity.psnr_db),
        f"{fidelity.ssim:.5f}",
        decibels(fidelity.worst_psnr_db),
    )


def _shift_cells(shift: Shift) -> tuple[str, ...]:
    distances = (shift.frechet, shift.kernel)
    return tuple(f"{distance.value:.1e} ({distance.low:.1e} to {distance.high:.1e})" for distance in distances)


def decibels(value: float | None) -> str:
    return "∞ dB" if value is None or np.isinf(value) else f"{value:.1f} dB"
