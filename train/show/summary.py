"""The scores of a generator as a table for a terminal, beside what real pictures get."""

from collections.abc import Mapping
from typing import Any

ROWS = (
    ("Fréchet distance", "frechet", ".2f"),
    ("kernel distance", "kernel", ".3f"),
    ("precision", "precision", ".2f"),
    ("coverage", "coverage", ".2f"),
    ("class-share distance", "class_distance", ".3f"),
)


def summary(metrics: Mapping[str, Any]) -> str:
    scores, real = metrics["scores"], metrics["real"]
    shares = "  ".join(f"{name}: {share:.0%}" for name, share in enumerate(scores["class_shares"]))
    table = "\n".join(f"  {label:<22}{scores[key]:>10{form}}{real[key]:>10{form}}" for label, key, form in ROWS)
    return f"  {'':<22}{'generated':>10}{'real':>10}\n{table}\n  classes  {shares}"
