"""Pictures as the bytes of a response."""

import io
import json
from collections.abc import Sequence

import numpy as np

from gansample.http.draw_request import DrawRequest
from gansample.http.errors import ApiError
from gansample.outputs.grid import GAP, check_grid_size, grid_shape, make_grid
from gansample.outputs.png import encode_pngs
from gansample.outputs.sheet import encode_picture
from gansample.outputs.sizes import TooLargeForForm
from gansample.types import Images

TYPES = {"png": "image/png", "webp": "image/webp"}


def encode_each(images: Images, texts: Sequence[str], kind: str) -> list[bytes]:
    """One file per picture, with its metadata."""
    if kind == "png":
        return encode_pngs(images, texts)
    return [encode_picture(image, kind, text) for image, text in zip(images, texts, strict=True)]


def check_grid(request: DrawRequest, layout: str, kind: str) -> None:
    """Before anything is drawn: raises ApiError 400 where this kind of file cannot hold it, UsageError for a bad layout."""
    try:
        columns, rows = grid_shape(len(request.positions), layout)
        check_grid_size(kind, columns, rows, request.job.shape)
    except TooLargeForForm as error:
        raise ApiError(400, str(error), param="grid") from None


def encode_grid(images: Images, request: DrawRequest, layout: str, kind: str) -> bytes:
    """One file with all of them in a grid that `check_grid` has seen."""
    columns, rows = grid_shape(len(images), layout)
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
