"""The table of `benchmarks.sampling`, with every figure beside its target, and its plot."""

import io
from collections.abc import Mapping
from typing import Any

TARGETS = (  # contestant, measured against, at most this ratio
    ("gansample, DCGAN-64", "script: onnxruntime + Pillow, DCGAN-64", 1.15),
    ("gansample, DCGAN-64", "script: PyTorch, DCGAN-64", 0.2),
    ("gansample, fashion", "script: onnxruntime + Pillow, fashion", 1.15),
)
QUICK = 0.15  # seconds: --help and --version
SHARE = 0.9  # of drawing alone: a tar or an .npz
FLAT = 0.1


def table(document: Mapping[str, Any]) -> str:
    """Every figure beside its target, and whether it was met."""
    rows = [*_cold(document["cold"]), *_bulk(document["bulk"]), *_scale(document["scale"])]
    lines = ["| what | measured | target | |", "|---|---:|---:|---|"]
    lines += [f"| {what} | {figure} | {target} | {'met' if met else '**missed**'} |" for what, figure, target, met in rows]
    return "\n".join(
        [
            *lines,
            "",
            f"{document['machine']['processor']}, {len(document['machine']['instructions'])} vector extensions; medians.",
        ]
    )


Row = tuple[str, str, str, bool]


def _cold(figures: list[dict[str, Any]]) -> list[Row]:
    seconds = {figure["name"]: figure["seconds"] for figure in figures}
    rows: list[Row] = []
    for ours, theirs, most in TARGETS:
        ratio = seconds[ours] / seconds[theirs]
        words = f"{seconds[ours]:.2f} s, {ratio:.2f}×"
        rows.append(
            (
                f"64 pictures from nothing, {ours.split(', ')[1]}, to the {theirs.split(', ')[0]}",
                words,
                f"≤ {most:g}×",
                ratio <= most,
            )
        )
    for flag in ("--help", "--version"):
        figure = seconds[f"gansample {flag}"]
        rows.append((f"`{flag}`", f"{figure:.2f} s", f"≤ {QUICK} s", figure <= QUICK))
    return rows


def _bulk(figures: list[dict[str, Any]]) -> list[Row]:
    return [
        (
            f"{figure['n']:,} pictures of DCGAN-64 to .{form}, {figure['variant']}",
            f"{figure['images_per_second'][form]:,.0f}/s, {figure['share'][form]:.0%} of drawing alone",
            f"≥ {SHARE:.0%}",
            figure["share"][form] >= SHARE,
        )
        for figure in figures
        for form in ("tar", "npz")
    ]


def _scale(figures: list[dict[str, Any]]) -> list[Row]:
    span = f"{figures[0]['n']:,} to {figures[-1]['n']:,} pictures of fashion to .tar"
    rows: list[Row] = []
    for what, key, unit in (("time a picture", "microseconds", "µs"), ("peak memory", "peak_mib", "MiB")):
        values = [figure[key] for figure in figures]
        growth = values[-1] / values[0] - 1
        words = f"{values[0]:,.0f} to {values[-1]:,.0f} {unit}, {growth:+.0%}"
        rows.append((f"{what}, {span}", words, f"within {FLAT:.0%}", growth <= FLAT))
    return rows


def plot_png(document: Mapping[str, Any]) -> bytes:
    """Cold starts as bars; time a picture and memory over the number of pictures."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 3.6), layout="constrained")
    bars, times = figure.subplots(1, 2, width_ratios=[3, 2])
    cold = list(document["cold"])[::-1]
    colours = ["C1" if row["name"].startswith("gansample") else "0.7" for row in cold]
    drawn = bars.barh([row["name"] for row in cold], [row["seconds"] for row in cold], color=colours)
    bars.bar_label(drawn, [f"{row['seconds']:.2f} s" for row in cold], padding=3)
    bars.set_xmargin(0.12)
    bars.set_title("from nothing to 64 pictures", loc="left")
    counts = [row["n"] for row in document["scale"]]
    times.semilogx(counts, [row["microseconds"] for row in document["scale"]], "o-", color="C1", label="µs a picture")
    times.semilogx(counts, [row["peak_mib"] for row in document["scale"]], "s-", color="0.4", label="MiB at most")
    times.set_ylim(bottom=0)
    times.set_xlabel("pictures to a .tar")
    times.legend(frameon=False)
    for axes in (bars, times):
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=90)
    return buffer.getvalue()
