"""A .zip of single PNG files. It keeps an entry in memory for every picture: past a few hundred thousand, write a .tar."""

import zipfile
from collections.abc import Sequence

from gansample.outputs.arrays import EPOCH
from gansample.outputs.job import Batch, Job
from gansample.outputs.png_files import PngFiles, png_files
from gansample.outputs.target import WholeFile
from gansample.sampling.selection import check_unique_names


class Zip(WholeFile):
    def check(self, job: Job) -> None:
        check_unique_names(job.selection)

    def open(self, job: Job) -> Sequence[int]:
        self._job = job
        archive = zipfile.ZipFile(self._target.open(), "w", zipfile.ZIP_STORED)  # PNG is compressed already
        self._zip = self._closing.enter_context(archive)
        if job.with_metadata and len(comment := job.job_json().encode()) <= zipfile.ZIP_MAX_COMMENT:
            self._zip.comment = comment
        return range(len(job))

    def encode(self, batch: Batch) -> PngFiles:
        return png_files(self._job, batch)

    def write(self, encoded: PngFiles) -> None:
        for name, data in encoded:
            self._zip.writestr(zipfile.ZipInfo(name, EPOCH), data)

    def finish(self) -> None:
        self._zip.close()
        self._target.commit()
