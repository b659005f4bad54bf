"""Pictures as a report carries them: few, side by side, and large ones reduced."""

import base64
import io
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from gansample.outputs.grid import grid_shape, make_grid
from gansample.types import Images

GRID_SIDE = 128  # pixels of a picture among several
LONE_SIDE = 256


def amplified_difference(a: Images, b: Images) -> tuple[Images, int]:
    """|a − b| times a power of two that makes the largest difference bright, and that factor, 1 … 64.

    Both uint8 (N, H, W, C); an alpha channel is made opaque to show the rest.
    """
    difference = np.abs(a.astype(np.int16) - b.astype(np.int16))
    factor = 64
    while factor > 1 and difference.max(initial=0) * factor > 255:
        factor //= 2
    bright = (difference * factor).astype(np.uint8)
    if a.shape[-1] in (2, 4):
        bright[..., -1] = 255
    return bright, factor


def reduction(images: Images) -> int:
    """By how much pictures (N, H, W, C) are reduced in a report; 1 for small ones."""
    side = GRID_SIDE if len(images) > 1 else LONE_SIDE
    return int(-(-max(images.shape[1:3]) // side))


def thumbnails(images: Images) -> str:
    """A sheet of the pictures as a data: URI; where they are reduced, a pixel is the mean of its block."""
    return _data_uri(_reduced(images, np.mean))


def difference_thumbnails(difference: Images) -> str:
    """A sheet of differences, in which a single wrong pixel stays as bright as it is: the largest of its block."""
    return _data_uri(_reduced(difference, np.max))


def _reduced(images: Images, of_block: Callable[..., npt.NDArray[Any]]) -> Images:
    factor, (n, height, width, channels) = reduction(images), images.shape
    if factor == 1:
        return images
    whole = np.pad(images, ((0, 0), (0, -height % factor), (0, -width % factor), (0, 0)), mode="edge")
    blocks = whole.reshape(n, whole.shape[1] // factor, factor, whole.shape[2] // factor, factor, channels)
    return np.asarray(np.rint(of_block(blocks, axis=(2, 4))), np.uint8)


def _data_uri(images: Images) -> str:
    """Lossless WebP: every pixel as it is, in two thirds of a PNG."""
    grid = make_grid(images, *grid_shape(len(images)))
    buffer = io.BytesIO()
    Image.fromarray(grid[..., 0] if grid.shape[-1] == 1 else grid).save(buffer, "WEBP", lossless=True, exact=True, method=6)
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode()
