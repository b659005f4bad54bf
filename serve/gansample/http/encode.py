"""Pictures as the bytes of a response."""

import io
import json
from collections.abc import Sequence

import numpy as np

from gansample.http.draw_request import DrawRequest
from gansample.outputs.grid import GAP, check_grid_size, grid_shape, make_grid
from gansample.outputs.png import encode_pngs
from gansample.outputs.sheet import encode_picture
from gansample.types import Images

TYPES = {"png": "image/png", "webp": "image/webp"}


def encode_each(images: Images, texts: Sequence[str], kind: str) -> list[bytes]:
    """One file per picture, with its metadata."""
    if kind == "png":
        return encode_pngs(images, texts)
    return [encode_picture(image, kind, text) for image, text in zip(images, texts, strict=True)]


def encode_grid(images: Images, request: DrawRequest, layout: str, kind: str) -> bytes:
    """One file with all of them in a grid. Raises UsageError if the layout is too small for them, or the grid too large."""
    columns, rows = grid_shape(len(images), layout)
    check_grid_size(columns, rows, *images.shape[1:3])
    text = request.job.job_json(grid=f"{columns}x{rows}", pad=GAP)
    return encode_picture(make_grid(images, columns, rows), kind, text)


def encode_npz(images: Images, request: DrawRequest) -> bytes:
    """images uint8 (N, H, W, C), seeds int64 (N,), labels int64 (N,) where there are classes, metadata as JSON."""
    buffer = io.BytesIO()
    arrays = {"images": images, "seeds": np.array(request.seeds), "metadata": np.array(json.dumps(request.job.identity))}
    if request.labels is not None:
        arrays["labels"] = request.labels
    np.savez(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()
