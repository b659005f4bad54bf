"""Many pictures in one: a grid with a small gap, filled row by row."""

import math
import re

import numpy as np
import numpy.typing as npt

from gansample.errors import UsageError

GAP = 2  # pixels between pictures and around them
GAP_LEVEL = 24  # near black: separates pictures on a white ground, and does not glare between dark ones
MAX_PIXELS = 1 << 28  # 16,384 × 16,384: more than viewers open, and 0.8 GB of memory as RGB


def grid_shape(n: int, layout: str = "auto") -> tuple[int, int]:
    """(columns, rows) for `n` pictures; `layout` is `auto` (as square as it gets) or `WxH` (columns × rows).

    Raises UsageError for a layout that is no WxH, or has no room for all.
    """
    if layout == "auto":
        columns = math.ceil(math.sqrt(n))
        return columns, math.ceil(n / columns)
    match = re.fullmatch(r"([1-9][0-9]{0,5})x([1-9][0-9]{0,5})", layout)
    if not match:
        raise UsageError(f"cannot read --grid {layout!r}", "write columns x rows, like 8x4, or auto")
    columns, rows = int(match[1]), int(match[2])
    if columns * rows < n:
        raise UsageError(
            f"--grid {layout} holds {columns * rows} pictures, not {n}", f"use {columns}x{math.ceil(n / columns)} or auto"
        )
    return columns, rows


def check_grid_size(columns: int, rows: int, height: int, width: int) -> None:
    """Raise UsageError for a grid too large to hold in memory or to open in a viewer."""
    pixels = (columns * (width + GAP) + GAP) * (rows * (height + GAP) + GAP)
    if pixels > MAX_PIXELS:
        raise UsageError(
            f"a grid of {columns}x{rows} pictures has {pixels:,} pixels, at most {MAX_PIXELS:,} fit into one file",
            "write single pictures instead: --out-dir FOLDER",
        )


def make_grid(images: npt.NDArray[np.uint8], columns: int, rows: int) -> npt.NDArray[np.uint8]:
    """One picture uint8 (H′, W′, C) of N ≤ columns·rows pictures uint8 (N, H, W, C); empty places stay gap-coloured."""
    n, height, width, channels = images.shape
    sheet = np.full((rows * (height + GAP) + GAP, columns * (width + GAP) + GAP, channels), GAP_LEVEL, np.uint8)
    if channels in (2, 4):
        sheet[..., -1] = 255  # the gap is opaque
    for i in range(n):
        top, left = GAP + i // columns * (height + GAP), GAP + i % columns * (width + GAP)
        sheet[top : top + height, left : left + width] = images[i]
    return sheet
