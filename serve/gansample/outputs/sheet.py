"""All pictures in one: a grid as PNG, WebP or JPEG, in a file or on stdout."""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from gansample.errors import UsageError
from gansample.outputs.grid import check_grid_size, empty_grid, grid_shape, place
from gansample.outputs.job import Batch, Job
from gansample.outputs.metadata import EXIF_DESCRIPTION
from gansample.outputs.options import DEFAULT_PAD
from gansample.outputs.png import encode_png_text
from gansample.outputs.target import WholeFile
from gansample.types import Images

JPEG_QUALITY = 95


def sheet_pad(n: int, wanted: int | None) -> int:
    """Pixels between and around `n` pictures: none around a single one, unless they were asked for."""
    return wanted if wanted is not None else DEFAULT_PAD if n > 1 else 0


class Sheet(WholeFile):
    """Memory holds the grid once, never the pictures beside it."""

    def __init__(self, path: Path, form: str, *, overwrite: bool, layout: str, pad: int | None) -> None:
        super().__init__(path, overwrite=overwrite)
        self._form, self._layout, self._wanted_pad = form, layout, pad

    def open(self, job: Job) -> Sequence[int]:
        self.columns, self.rows = grid_shape(len(job), self._layout, job.class_period)
        self._pad = sheet_pad(len(job), self._wanted_pad)
        if self._form == "jpg" and job.shape[2] in (2, 4):
            raise UsageError("a JPEG has no transparency", "write a .png or .webp")
        check_grid_size(self._form, self.columns, self.rows, job.shape, self._pad)
        self._job, self._sheet = job, empty_grid(self.columns, self.rows, job.shape, self._pad)
        self._target.open()
        return range(len(job))

    def encode(self, batch: Batch) -> Batch:
        return batch

    def write(self, encoded: Batch) -> None:
        for position, image in zip(encoded.positions, encoded.images, strict=True):
            place(self._sheet, image, *divmod(position, self.columns), self._pad)

    def finish(self) -> None:
        text = self._job.job_json(grid=f"{self.columns}x{self.rows}", pad=self._pad) if self._job.with_metadata else None
        self._target.file.write(encode_picture(self._sheet, self._form, text))
        self._target.commit()


def encode_picture(picture: Images, form: str, text: str | None) -> bytes:
    """A png, webp (lossless) or jpg file of one picture uint8 (H, W, C), with its metadata as JSON if there is any."""
    if form == "png":
        return encode_png_text(picture, text)
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
