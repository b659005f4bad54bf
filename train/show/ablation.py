"""What an ablation found, as a page: a table with its spread, and a plot that separates noise from effect."""

import io
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

COLUMNS = (
    ("frechet", "Fréchet distance", ".1f"),
    ("coverage", "coverage", ".2f"),
    ("class_distance", "class-share distance", ".2f"),
)
GROUPS = {"whole": "the presets", "without": "classic without", "with": "classic with"}


def markdown(document: Mapping[str, Any]) -> str:
    """One table: mean ± standard deviation over the seeds, and the change of the Fréchet distance in units of that spread."""
    arms = _arms(document)
    classic = arms["classic"]
    seeds = len(classic)
    lines = [
        f"### {document['data']['name']}: {document['images_seen']:,} images seen, {seeds} seeds",
        "",
        "| " + " | ".join(["", "", *(title for _, title, _ in COLUMNS), "Fréchet against classic"]) + " |",
        "|---|---|" + "---:|" * (len(COLUMNS) + 1),
    ]
    before = ""
    for name, rows in arms.items():
        group = GROUPS[rows[0]["group"]]
        cells = [spread([row[key] for row in rows], form) for key, _, form in COLUMNS]
        lines.append(f"| {group if group != before else ''} | {name} | {' | '.join(cells)} | {effect(rows, classic)} |")
        before = group
    floor = [format(document["real"][key], form) for key, _, form in COLUMNS]
    lines.append(f"| | *real pictures* | {' | '.join(floor)} | |")
    return "\n".join(lines)


def spread(values: Sequence[float], form: str) -> str:
    """mean ± standard deviation."""
    mean = format(statistics.fmean(values), form)
    return f"{mean} ± {format(statistics.stdev(values), form)}" if len(values) > 1 else mean


def effect(rows: Sequence[Mapping[str, Any]], base: Sequence[Mapping[str, Any]]) -> str:
    """The change of the mean, in percent, called noise where it is below the two spreads together."""
    if rows is base or len(rows) < 2 or len(base) < 2:
        return ""
    ours, theirs = ([row["frechet"] for row in some] for some in (rows, base))
    change = statistics.fmean(ours) - statistics.fmean(theirs)
    noise = (statistics.variance(ours) + statistics.variance(theirs)) ** 0.5
    percent = f"{change / statistics.fmean(theirs):+.0%}"
    return f"{percent} (within noise)" if abs(change) < noise else f"**{percent}**"


def plot_png(documents: Sequence[Mapping[str, Any]]) -> bytes:
    """A panel for each data set: every seed of every arm as a point on the Fréchet distance, logarithmic."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 6), layout="constrained")
    for axes, document in zip(figure.subplots(1, len(documents), squeeze=False)[0], documents, strict=True):
        arms = _arms(document)
        labels = [f"− {name}" if rows[0]["group"] == "without" else f"+ {name}" if rows[0]["group"] == "with" else name
                  for name, rows in arms.items()]  # fmt: skip
        for place, rows in enumerate(arms.values()):
            values = [row["frechet"] for row in rows]
            axes.plot(values, [place] * len(values), "o", color="0.35", markersize=4)
            axes.plot([statistics.fmean(values)], [place], "|", color="C1", markersize=16, markeredgewidth=2)
        classic = [row["frechet"] for row in arms["classic"]]
        axes.axvspan(min(classic), max(classic), color="C0", alpha=0.15, label="classic, from seed to seed")
        axes.axvline(document["real"]["frechet"], color="0.6", linestyle=":", label="real pictures")
        axes.set_yticks(range(len(labels)), labels)
        axes.invert_yaxis()
        axes.set_xscale("log")
        axes.set_title(f"{document['data']['name']}, {document['images_seen']:,} images seen")
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
    figure.supxlabel("Fréchet distance in the classifier's features: smaller is better", fontsize="medium")
    figure.legend(*axes.get_legend_handles_labels(), loc="outside upper center", ncols=2, frameon=False)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=90)
    return buffer.getvalue()


def _arms(document: Mapping[str, Any]) -> dict[str, list[Mapping[str, Any]]]:
    arms: dict[str, list[Mapping[str, Any]]] = {}
    for row in document["rows"]:
        arms.setdefault(row["arm"], []).append(row)
    return arms
