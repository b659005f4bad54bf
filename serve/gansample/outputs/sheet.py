"""All pictures in one: a grid as PNG, WebP or JPEG, in a file or on stdout."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np

from gansample.errors import UsageError
from gansample.outputs.grid import check_grid_size, empty_grid, grid_shape, place, sheet_scale
from gansample.outputs.job import Batch, Job
from gansample.outputs.metadata import EXIF_DESCRIPTION
from gansample.outputs.options import DEFAULT_PAD
from gansample.outputs.png import encode_png_text
from gansample.outputs.target import WholeFile
from gansample.types import Images

JPEG_QUALITY = 95


@dataclass(frozen=True)
class SheetLayout:
    """Where the pictures of a job stand on a sheet."""

    columns: int
    rows: int
    pad: int
    """Pixels between and around them."""

    @classmethod
    def of(cls, job: Job, grid: str | None = None, pad: int | None = None) -> Self:
        """By --grid and --pad; without a pad, none around a single picture. Raises UsageError for a grid without room."""
        columns, rows = grid_shape(len(job), grid or "auto", job.class_period)
        return cls(columns, rows, pad if pad is not None else DEFAULT_PAD if len(job) > 1 else 0)

    def upscale(self, job: Job) -> int:
        """How often a pixel is drawn where nothing is said: a small sheet is enlarged, a single picture never."""
        return sheet_scale(self.columns, self.rows, job.spec.height, job.spec.width, self.pad)

    def metadata(self, job: Job) -> str:
        """The sheet's metadata as JSON: a picture alone has its own, as from a folder or over HTTP, and is the same file."""
        if self == SheetLayout(1, 1, 0):
            labels = job.labels([0])
            return job.picture_json(0, int(labels[0]) if labels is not None else None)
        return job.job_json(grid=f"{self.columns}x{self.rows}", pad=self.pad)


class Sheet(WholeFile):
    """Memory holds the grid once, never the pictures beside it."""

    def __init__(self, path: Path, form: str, *, overwrite: bool, grid: str | None, pad: int | None) -> None:
        super().__init__(path, overwrite=overwrite)
        self._form, self._grid, self._pad = form, grid, pad

    def check(self, job: Job) -> None:
        layout = SheetLayout.of(job, self._grid, self._pad)
        if self._form == "jpg" and job.shape[2] in (2, 4):
            raise UsageError("a JPEG has no transparency", "write a .png or .webp")
        check_grid_size(self._form, layout.columns, layout.rows, job.shape, layout.pad)

    def open(self, job: Job) -> Sequence[int]:
        self._layout = layout = SheetLayout.of(job, self._grid, self._pad)
        self._job, self._sheet = job, empty_grid(layout.columns, layout.rows, job.shape, layout.pad)
        self._target.open()
        return range(len(job))

    def encode(self, batch: Batch) -> Batch:
        return batch

    def write(self, encoded: Batch) -> None:
        for position, image in zip(encoded.positions, encoded.images, strict=True):
            place(self._sheet, image, *divmod(position, self._layout.columns), self._layout.pad)

    def finish(self) -> None:
        text = self._layout.metadata(self._job) if self._job.with_metadata else None
        self._target.file.write(encode_picture(self._sheet, self._form, text, fast=self._job.fast_png))
        self._target.commit()


def encode_picture(picture: Images, form: str, text: str | None, *, fast: bool = False) -> bytes:
    """A png, webp (lossless) or jpg file of one picture uint8 (H, W, C), with its metadata as JSON if there is any.

    fast  a png is not compressed.
    """
    if form == "png":
        return encode_png_text(picture, text, fast=fast)
    from PIL import Image

    buffer = io.BytesIO()
    image = Image.fromarray(np.ascontiguousarray(picture[..., 0] if picture.shape[-1] == 1 else picture))
    if form == "jpg":
        image.save(buffer, "JPEG", quality=JPEG_QUALITY, subsampling=0, comment=(text or "").encode())
    else:
        exif = Image.Exif()
        if text is not None:
            exif[EXIF_DESCRIPTION] = text
        image.save(buffer, "WEBP", lossless=True, exif=exif)
    return buffer.getvalue()
