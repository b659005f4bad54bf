"""A .zip of single PNG files. It keeps an entry in memory for every picture: past a few hundred thousand, write a .tar."""

import zipfile
from collections.abc import Sequence

from gansample.errors import UsageError
from gansample.outputs.arrays import EPOCH
from gansample.outputs.base import Batch, Job
from gansample.outputs.png import encode_pngs
from gansample.outputs.target import WholeFile
from gansample.sampling.selection import Seeds

Files = list[tuple[str, bytes]]


class Zip(WholeFile):
    def begin(self, job: Job) -> Sequence[int]:
        if isinstance(job.selection, Seeds) and (twice := job.selection.repeated()) is not None:
            raise UsageError(f"seed {twice} was asked for twice, and its file has one name", "name every seed once")
        self._job = job
        archive = zipfile.ZipFile(self._target.open(), "w", zipfile.ZIP_STORED)  # PNG is compressed already
        self._zip = self._closing.enter_context(archive)
        return range(len(job))

    def encode(self, batch: Batch) -> Files:
        texts = None
        if self._job.remember:
            texts = [self._job.text(position, batch.label(row)) for row, position in enumerate(batch.positions)]
        names = (f"{self._job.selection.name(position)}.png" for position in batch.positions)
        return list(zip(names, encode_pngs(batch.images, texts), strict=True))

    def write(self, encoded: Files) -> None:
        for name, data in encoded:
            self._zip.writestr(zipfile.ZipInfo(name, EPOCH), data)

    def finish(self) -> None:
        self._zip.close()
        self._target.commit()
