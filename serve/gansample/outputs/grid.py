"""Many pictures in one: a grid with a small gap, filled row by row."""

import math
import re

import numpy as np
import numpy.typing as npt

from gansample.errors import UsageError
from gansample.outputs.sizes import check_size

GAP = 2  # pixels between pictures and around them
GAP_LEVEL = 24  # near black: separates pictures on a white ground, and does not glare between dark ones
MAX_ALIGNED = 16  # columns, or MAX_RIBBON times the rows, that a sheet may have so that each column holds one class
MAX_RIBBON = 4
MIN_SIDE = 512  # pixels: a smaller sheet is a stamp on today's screens
MAX_PIXELS = 1 << 28  # 16,384 × 16,384: more than viewers open, and 0.8 GB of memory as RGB


def grid_shape(n: int, layout: str = "auto", period: int = 1) -> tuple[int, int]:
    """(columns, rows) for `n` pictures; `layout` is `auto` (as square as it gets) or `WxH` (columns × rows).

    period  pictures after which the classes begin anew: `auto` then gives every column one class, where that makes no ribbon.

    Raises UsageError for a layout that is no WxH, or has no room for all.
    """
    if layout == "auto":
        columns = math.ceil(math.sqrt(n))
        aligned = max(1, round(columns / period)) * period
        if aligned < n and (aligned <= MAX_ALIGNED or aligned <= MAX_RIBBON * math.ceil(n / aligned)):
            columns = aligned
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


def grid_size(columns: int, rows: int, shape: tuple[int, int, int], gap: int = GAP) -> tuple[int, int]:
    """(width, height) in pixels of a grid of pictures of `shape` (H, W, C)."""
    return columns * (shape[1] + gap) + gap, rows * (shape[0] + gap) + gap


def check_grid_size(form: str, columns: int, rows: int, shape: tuple[int, int, int], gap: int = GAP) -> None:
    """Raise UsageError for a grid of pictures of `shape` (H, W, C) that is too large for `form`, for memory or for a viewer."""
    width, height = grid_size(columns, rows, shape, gap)
    if (pixels := height * width) > MAX_PIXELS:
        raise UsageError(
            f"a grid of {columns}x{rows} pictures has {pixels:,} pixels, at most {MAX_PIXELS:,} fit into one file",
            "write single pictures instead, into a folder or a .tar",
        )
    check_size(form, width, height, shape[2])


def sheet_scale(columns: int, rows: int, height: int, width: int, gap: int) -> int:
    """The least factor that makes the longer side of a sheet of pictures height × width MIN_SIDE; 1 for a single picture."""
    if columns * rows == 1:
        return 1
    scales = ((MIN_SIDE - gap - count * gap) / (count * side) for count, side in ((columns, width), (rows, height)))
    return max(1, min(math.ceil(scale) for scale in scales))


def make_grid(images: npt.NDArray[np.uint8], columns: int, rows: int, gap: int = GAP) -> npt.NDArray[np.uint8]:
    """One picture uint8 (H′, W′, C) of N ≤ columns·rows pictures uint8 (N, H, W, C); empty places stay gap-coloured."""
    height, width, channels = images.shape[1:]
    sheet = empty_grid(columns, rows, (height, width, channels), gap)
    for i, image in enumerate(images):
        place(sheet, image, *divmod(i, columns), gap)
    return sheet


def empty_grid(columns: int, rows: int, shape: tuple[int, int, int], gap: int = GAP) -> npt.NDArray[np.uint8]:
    """Room for columns·rows pictures of `shape` (H, W, C), gap-coloured and opaque."""
    (width, height), channels = grid_size(columns, rows, shape, gap), shape[2]
    sheet = np.full((height, width, channels), GAP_LEVEL, np.uint8)
    if channels in (2, 4):
        sheet[..., -1] = 255
    return sheet


def place(sheet: npt.NDArray[np.uint8], image: npt.NDArray[np.uint8], row: int, column: int, gap: int = GAP) -> None:
    """Put `image` where it belongs."""
    height, width = image.shape[:2]
    top, left = gap + row * (height + gap), gap + column * (width + gap)
    sheet[top : top + height, left : left + width] = image
