"""Pictures as the bytes of a response."""

import io
import json
from collections.abc import Sequence

import numpy as np

from gansample.http.draw_request import DrawRequest
from gansample.http.errors import ApiError
from gansample.http.memory import sheet_bytes
from gansample.http.settings import Settings
from gansample.outputs.grid import check_grid_size, grid_size, make_grid
from gansample.outputs.png import encode_pngs
from gansample.outputs.sheet import SheetLayout, encode_picture
from gansample.outputs.sizes import TooLargeForForm
from gansample.types import Images

TYPES = {"png": "image/png", "webp": "image/webp"}


def encode_each(images: Images, texts: Sequence[str], kind: str) -> list[bytes]:
    """One file per picture, with its metadata."""
    if kind == "png":
        return encode_pngs(images, texts)
    return [encode_picture(image, kind, text) for image, text in zip(images, texts, strict=True)]


def check_grid(request: DrawRequest, layout: str, kind: str, settings: Settings) -> int:
    """Before anything is drawn: the bytes of memory that this grid takes as a file `kind`.

    Raises ApiError 413 for too many pixels, 400 where this kind of file cannot hold them, UsageError for a bad layout.
    """
    sheet = SheetLayout.of(request.job, layout)
    width, height = grid_size(sheet.columns, sheet.rows, request.job.shape, sheet.pad)
    if width * height > settings.max_pixels:
        words = (
            f"a grid of {sheet.columns}x{sheet.rows} pictures has {width * height:,} pixels, at most {settings.max_pixels:,}"
        )
        raise ApiError(413, words, param="grid")
    try:
        check_grid_size(kind, sheet.columns, sheet.rows, request.job.shape, sheet.pad)
    except TooLargeForForm as error:
        raise ApiError(400, str(error), param="grid") from None
    return sheet_bytes(width, height, request.job.shape[2], kind)


def encode_grid(images: Images, request: DrawRequest, layout: str, kind: str) -> bytes:
    """One file with all of them in a grid that `check_grid` has seen, as on the command line with --upscale 1."""
    sheet = SheetLayout.of(request.job, layout)
    return encode_picture(make_grid(images, sheet.columns, sheet.rows, sheet.pad), kind, sheet.metadata(request.job))


def encode_npz(images: Images, request: DrawRequest) -> bytes:
    """images uint8 (N, H, W, C), seeds int64 (N,), labels int64 (N,) where there are classes, metadata as JSON."""
    buffer = io.BytesIO()
    arrays = {"images": images, "seeds": np.array(request.seeds), "metadata": np.array(json.dumps(request.job.identity))}
    if request.labels is not None:
        arrays["labels"] = request.labels
    np.savez(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()
