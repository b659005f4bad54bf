"""Pictures as the bytes of an answer."""

import io
import json
from collections.abc import Sequence

import numpy as np

from gansample.http.draw_request import Wish
from gansample.outputs.grid import GAP, check_grid_size, grid_shape, make_grid
from gansample.outputs.metadata import EXIF_DESCRIPTION
from gansample.outputs.png import encode_png_text, encode_pngs
from gansample.types import Images

TYPES = {"png": "image/png", "webp": "image/webp"}


def singles(images: Images, texts: Sequence[str], kind: str) -> list[bytes]:
    """A file for each picture."""
    if kind == "png":
        return encode_pngs(images, texts)
    return [_webp(image, text) for image, text in zip(images, texts, strict=True)]


def sheet(images: Images, wish: Wish, layout: str, kind: str) -> bytes:
    """One file with all of them in a grid. Raises UsageError for a layout without room, or a sheet too large."""
    columns, rows = grid_shape(len(images), layout)
    check_grid_size(columns, rows, *images.shape[1:3])
    grid, text = make_grid(images, columns, rows), wish.job.text_of_all(grid=f"{columns}x{rows}", pad=GAP)
    return encode_png_text(grid, text) if kind == "png" else _webp(grid, text)


def npz(images: Images, wish: Wish) -> bytes:
    """images uint8 (N, H, W, C), seeds int64 (N,), labels int64 (N,) where there are classes, metadata as JSON."""
    buffer = io.BytesIO()
    arrays = {"images": images, "seeds": np.array(wish.seeds), "metadata": np.array(json.dumps(wish.job.identity))}
    if wish.labels is not None:
        arrays["labels"] = wish.labels
    np.savez(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def _webp(image: Images, text: str) -> bytes:
    from PIL import Image

    exif = Image.Exif()
    exif[EXIF_DESCRIPTION] = text
    buffer = io.BytesIO()
    Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image).save(buffer, "WEBP", lossless=True, exif=exif)
    return buffer.getvalue()
