"""Arrays: .npy holds the pictures, uint8 (N, H, W, C); .npz also `seeds`, `labels` and `metadata` (JSON).

Written piece by piece, so memory stays flat; `numpy.load` reads both.
"""

import zipfile
from collections.abc import Callable, Sequence
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from gansample.outputs.forms import STDOUT
from gansample.outputs.job import Batch, Job
from gansample.outputs.target import WholeFile
from gansample.types import Images

PIECE = 65_536
EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest date of a zip entry: a fixed one, so that the same pictures give the same bytes


class Npy(WholeFile):
    def open(self, job: Job) -> Sequence[int]:
        _write_header(self._target.open(), np.dtype(np.uint8), (len(job), *job.shape))
        return range(len(job))

    def encode(self, batch: Batch) -> Images:
        return np.ascontiguousarray(batch.images)

    def write(self, encoded: Images) -> None:
        self._target.file.write(encoded.data)

    def finish(self) -> None:
        self._target.commit()


class Npz(WholeFile):
    def open(self, job: Job) -> Sequence[int]:
        self._job = job
        self._zip = self._closing.enter_context(zipfile.ZipFile(self._target.open(), "w", zipfile.ZIP_STORED))
        self._images = self._closing.enter_context(self._member("images"))
        _write_header(self._images, np.dtype(np.uint8), (len(job), *job.shape))
        return range(len(job))

    def _member(self, name: str) -> IO[bytes]:
        return self._zip.open(zipfile.ZipInfo(f"{name}.npy", EPOCH), "w", force_zip64=True)

    def encode(self, batch: Batch) -> Images:
        return np.ascontiguousarray(batch.images)

    def write(self, encoded: Images) -> None:
        self._images.write(encoded.data)

    def finish(self) -> None:
        self._images.close()
        self._add_long("seeds", self._job.selection.seeds)
        if self._job.spec.classes is not None:
            self._add_long("labels", self._job.labels)
            self._add("classes", np.array(self._job.spec.classes))
        if self._job.with_metadata:
            self._add("metadata", np.array(self._job.job_json()))
        self._zip.close()
        self._target.commit()

    def _add_long(self, name: str, of: Callable[[Sequence[int]], Any]) -> None:
        """int64 (N,), in pieces: N may be a billion."""
        with self._member(name) as file:
            _write_header(file, np.dtype(np.int64), (len(self._job),))
            for start in range(0, len(self._job), PIECE):
                positions = range(start, min(start + PIECE, len(self._job)))
                file.write(np.asarray(of(positions), np.int64).data)

    def _add(self, name: str, array: npt.NDArray[Any]) -> None:
        with self._member(name) as file:
            np.lib.format.write_array(file, array, allow_pickle=False)


def _write_header(file: IO[bytes], dtype: np.dtype[Any], shape: tuple[int, ...]) -> None:
    description = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, description)


class Raw(WholeFile):
    """Frames as rgb24, one after the other, no header: `gansample --walk 1,7 --format rgb24 - | ffmpeg -f rawvideo …`."""

    def open(self, job: Job) -> Sequence[int]:
        self._target.open()
        return range(len(job))

    def encode(self, batch: Batch) -> Images:
        return rgb(batch.images)

    def write(self, encoded: Images) -> None:
        self._target.file.write(encoded.data)
        if self.path == STDOUT:
            self._target.file.flush()  # a player at the other end waits for every frame

    def finish(self) -> None:
        self._target.commit()


def rgb(images: Images) -> Images:
    """uint8 (N, H, W, C) as colour: grey three times; alpha is laid on black."""
    channels = images.shape[-1]
    if channels in (2, 4):
        alpha = images[..., -1:].astype(np.uint16)
        images = ((images[..., :-1] * alpha + 127) // 255).astype(np.uint8)
    if images.shape[-1] == 1:
        images = images.repeat(3, axis=-1)
    return np.ascontiguousarray(images)
