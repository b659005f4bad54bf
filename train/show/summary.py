"""Scores as a small table: generated beside real pictures, because no number here means anything alone."""

from collections.abc import Mapping, Sequence
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
    ("Fréchet, random features", "second_frechet", ".3f"),
    ("kernel, random features", "second_kernel", ".4f"),
    ("class accuracy", "obedience", ".1%"),
)
"""Label, key in the scores, format."""


def summary(result: Mapping[str, Any]) -> str:
    """The scores of a run, or of `evaluate` on a bundle, beside the real pictures' own, and the classifier they depend on."""
    scores, classifier = result["scores"], result["classifier"]
    columns = {"generated": scores, "training": result.get("trained"), "real": result["real"]}
    lines = [
        score_table({name: column for name, column in columns.items() if column is not None}),
        f"  classes  {class_line(class_names(result), scores['class_shares'])}",
        f"  {classifier.get('name', 'classifier')} {classifier['sha256'][:12]}, "
        f"{classifier['accuracy']:.1%} of the held-out pictures right",
    ]
    if model := result.get("model"):
        data = result["data"]
        lines.insert(0, f"{result['bundle']}: {scores['images']:,} pictures by {result['variant']} on {result['backend']}")
        lines.append(f"  model {model['sha256'][:12]}, data {data['name']} {data['fingerprint'][:12]}")
        if result["trained_on"] not in (None, data["fingerprint"]):
            lines.append(f"  trained on other data ({result['trained_on'][:12]}): no score to put beside training's")
    if fid := result.get("inception_fid"):
        lines.append(
            f"  FID {fid['value']:.2f}: {fid['images']:,} against {fid['real_images']:,} real pictures, "
            f"weights {fid['weights_sha256'][:12]}"
        )
    return "\n".join(lines)


def class_names(metrics: Mapping[str, Any]) -> Sequence[str]:
    """What the bars of `class_shares` are called; numbers where the run is older than their names."""
    names: Sequence[str] = metrics.get("class_names") or [str(index) for index in range(len(metrics["scores"]["class_shares"]))]
    return names


def class_line(names: Sequence[str], shares: Sequence[float]) -> str:
    return "  ".join(f"{name}: {share:.0%}" for name, share in zip(names, shares, strict=True))


def score_table(columns: Mapping[str, Mapping[str, Any]]) -> str:
    """Scores side by side, each column under its name."""
    lines = [f"  {'':<24}" + "".join(f"{name:>12}" for name in columns)]
    for label, *cells in score_rows(list(columns.values())):
        lines.append(f"  {label:<24}" + "".join(f"{cell:>12}" for cell in cells))
    return "\n".join(lines)


def score_rows(columns: Sequence[Mapping[str, Any]]) -> list[tuple[str, ...]]:
    """The label and one cell per column, for every score that the first column has."""
    return [
        (label, *(_cell(column.get(key), form) for column in columns))
        for label, key, form in ROWS
        if columns[0].get(key) is not None
    ]


def _cell(value: float | None, form: str) -> str:
    return "–" if value is None else format(value, form)
