"""Scores as a small table: what was drawn beside what real pictures get, because no number here means anything alone."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

ROWS = (
    ("Fréchet distance", "frechet", ".2f"),
    ("kernel distance", "kernel", ".3f"),
    ("precision", "precision", ".2f"),
    ("recall", "recall", ".2f"),
    ("density", "density", ".2f"),
    ("coverage", "coverage", ".2f"),
    ("class-share distance", "class_distance", ".3f"),
    ("nearest-neighbour ratio", "memorisation", ".2f"),
    ("Fréchet, second space", "second_frechet", ".3f"),
    ("kernel, second space", "second_kernel", ".4f"),
    ("drawn as asked", "obedience", ".1%"),
)
"""Label, key in the scores, format."""


def score_table(columns: Mapping[str, Mapping[str, Any]]) -> str:
    """Scores side by side, each column under its name."""
    lines = [f"  {'':<24}" + "".join(f"{name:>12}" for name in columns)]
    for label, *cells in score_rows(columns.values()):
        lines.append(f"  {label:<24}" + "".join(f"{cell:>12}" for cell in cells))
    return "\n".join(lines)


def score_rows(columns: Iterable[Mapping[str, Any]]) -> list[tuple[str, ...]]:
    """The label and one cell per column, for every score that the first column has."""
    scores = list(columns)
    return [
        (label, *(_cell(column.get(key), form) for column in scores))
        for label, key, form in ROWS
        if scores[0].get(key) is not None
    ]


def _cell(value: float | None, form: str) -> str:
    return "–" if value is None else format(value, form)


def class_line(names: Sequence[str], shares: Sequence[float]) -> str:
    return "  ".join(f"{name}: {share:.0%}" for name, share in zip(names, shares, strict=True))


def summary(result: Mapping[str, Any]) -> str:
    """What `train.evaluate` found, for people."""
    scores, judge, data = result["scores"], result["classifier"], result["data"]
    columns = {"bundle": scores, "real": result["real"]}
    if result["trained"] is not None:
        columns = {"bundle": scores, "training": result["trained"], "real": result["real"]}
    lines = [
        f"{result['bundle']}: {scores['images']:,} pictures by {result['variant']} on {result['backend']}",
        score_table(columns),
        f"  classes  {class_line(result['class_names'], scores['class_shares'])}",
        f"  model {result['model']['sha256'][:12]}  {judge['name']} {judge['sha256'][:12]} ({judge['accuracy']:.1%} right)  "
        f"data {data['name']} {data['fingerprint'][:12]}",
    ]
    if fid := result.get("inception_fid"):
        lines.append(
            f"  FID {fid['value']:.2f} ({fid['images']:,} against {fid['real_images']:,} real pictures, "
            f"weights {fid['weights_sha256'][:12]})"
        )
    if result["trained_on"] not in (None, data["fingerprint"]):
        lines.append(f"  it was trained on other data ({result['trained_on'][:12]}): this score cannot stand beside training's")
    return "\n".join(lines)
