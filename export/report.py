"""What a person reads: report.html with the pictures side by side, and the bundle's model card."""

import base64
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
import numpy.typing as npt

from export.reference import Reference
from gansample.grid import grid_shape, make_grid
from gansample.png import encode_png
from gansample.spec import Spec, Variant

AMPLIFY = 64  # a difference of one step is invisible; of 64 it is a dark grey
COLUMNS = ("batch", "latents", "max step", "mean step", "identical", "PSNR")


def report_html(spec: Spec, variant: Variant, reference: Reference, drawn: npt.NDArray[np.uint8]) -> str:
    """One self-contained page: verdict, PyTorch beside the exported model, their difference amplified, figures, origin.

    drawn  what the variant draws for the first latents of the reference, uint8 (n, H, W, C).
    """
    gold = reference.gold.images[: len(drawn)]
    pictures = (
        ("PyTorch float64, the reference", gold),
        (f"{variant.name}, as gansample draws it", drawn),
        (f"their difference × {AMPLIFY} (black is identical)", amplified_difference(drawn, gold)),
    )
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    environment.filters["db"] = decibels
    template = environment.from_string(Path(__file__).with_name("report.html.jinja").read_text())
    return template.render(
        spec=spec,
        variant=variant,
        parity=variant.parity,
        pictures=[(caption, _data_uri(images)) for caption, images in pictures],
        columns=COLUMNS,
        rows=parity_rows(variant.parity),
        provenance=json.dumps(dict(spec.provenance), indent=2, ensure_ascii=False),
    )


def amplified_difference(a: npt.NDArray[np.uint8], b: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """|a − b| · AMPLIFY per channel, both uint8 (N, H, W, C); an alpha channel is made opaque to show the rest."""
    difference = (np.abs(a.astype(np.int16) - b.astype(np.int16)) * AMPLIFY).clip(0, 255).astype(np.uint8)
    if a.shape[-1] in (2, 4):
        difference[..., -1] = 255
    return difference


def model_card(spec: Spec, variants: Sequence[Variant]) -> str:
    """The bundle's README.md."""
    kind = f"class-conditional ({', '.join(spec.classes)})" if spec.classes else "unconditional"
    data = spec.provenance.get("data", {})
    source = f" Trained on {data['name']} ({data['images']:,} pictures)." if {"name", "images"} <= set(data) else ""
    rows = "\n".join(_card_row(variant) for variant in variants)
    return f"""# {spec.name}

A {kind} image generator: {spec.latent_size} {spec.distribution} latents to {spec.height}×{spec.width} pictures with
{spec.channels} channel{"s" if spec.channels > 1 else ""}.{source}

    gansample --bundle . --n 64 out.png

| variant | parity with PyTorch float64 | distance before rounding | pictures/s at batch 64 |
|---|---|---|---|
{rows}

`report.html` shows the pictures side by side. `bundle.json` holds the digests, the receipts and the provenance.
"""


def _card_row(variant: Variant) -> str:
    parity, rate = variant.parity, variant.speed["images_per_second"]["64"]
    return f"| {variant.name} | {parity['verdict']} | {decibels(parity['levels_psnr_db'])} | {rate:,.0f} |"


def parity_rows(parity: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """The parity receipt as table cells, in the order of COLUMNS."""
    return [
        (
            str(row["batch"]),
            f"{row['images']:,}",
            f"{row['max_step']:.0f}",
            f"{row['mean_step']:.6f}",
            f"{row['identical']:.4%}",
            decibels(row["psnr_db"]),
        )
        for row in parity["rows"]
    ]


def decibels(value: float | None) -> str:
    return "∞ dB" if value is None else f"{value:.1f} dB"


def _data_uri(images: npt.NDArray[np.uint8]) -> str:
    grid = make_grid(images, *grid_shape(len(images)))
    return "data:image/png;base64," + base64.b64encode(encode_png(grid)).decode()
