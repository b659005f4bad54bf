"""Pictures for people: a grid of samples, and the curves of a run."""

import io
import math
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from gansample.outputs.grid import grid_shape, make_grid
from gansample.outputs.png import encode_png


def grid_png(images: Tensor) -> bytes:
    """uint8 pictures (N, C, H, W) as one PNG, as square as N allows, values unchanged."""
    pictures = images.permute(0, 2, 3, 1).numpy()
    return encode_png(make_grid(pictures, *grid_shape(len(pictures))))


def curves_png(log: Sequence[Mapping[str, Any]], floor: Mapping[str, Any], title: str) -> bytes:
    """Losses, the value function, D(x) and D(G(z)), and the scores beside their floor, from the rows of log.jsonl."""
    from matplotlib.figure import Figure

    losses = [row for row in log if row["event"] == "losses"]
    scores = [row for row in log if row["event"] == "scores"]
    figure = Figure(figsize=(11, 7), layout="constrained")
    figure.suptitle(title)
    (top_left, top_right), (bottom_left, bottom_right) = figure.subplots(2, 2)
    seen = [row["images_seen"] for row in losses]
    for axes, title, names in (
        (top_left, "losses", {"loss_d": "D", "loss_g": "G"}),
        (top_right, "V(D, G)", {"value": "V"}),
        (bottom_left, "what D believes", {"d_real": "D(x)", "d_fake": "D(G(z))"}),
    ):
        for name, label in names.items():
            axes.plot(seen, [row[name] for row in losses], label=label, linewidth=1)
        axes.set_title(title)
        axes.set_xlabel("images seen")
        axes.legend()
    top_right.axhline(-2 * math.log(2), color="0.6", linestyle=":", label="−2 log 2: D only guesses")
    top_right.legend()
    bottom_left.set_ylim(0, 1)
    bottom_right.plot([row["images_seen"] for row in scores], [row["frechet"] for row in scores], marker="o", label="generated")
    bottom_right.axhline(floor["frechet"], color="0.6", linestyle=":", label="real")
    bottom_right.set_yscale("log")
    bottom_right.set_title("Fréchet distance in the classifier's features")
    bottom_right.set_xlabel("images seen")
    bottom_right.legend()
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=100)
    return buffer.getvalue()
