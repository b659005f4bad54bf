"""CIFAR-10 in its binary version. The better-known Python version is a pickle, which can execute anything: never loaded."""

import tarfile
from pathlib import Path

import numpy as np

from gansample.errors import ArtefactError
from train.data.collection import Collection, Report
from train.data.file_digest import file_md5, file_sha256
from train.data.fit_many import fit_many
from train.data.for_squares import for_squares
from train.data.request import DataRequest

ARCHIVE = "cifar-10-binary.tar.gz"

_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
_BATCHES = (*(f"data_batch_{n}.bin" for n in range(1, 6)), "test_batch.bin")
_SIDE = 32  # pixels
_RECORD = 1 + 3 * _SIDE * _SIDE  # a label, then red, green and blue planes


class Cifar10:
    """See `Source`. Raises ArtefactError where the archive is not the original."""

    name = "cifar10"

    def __init__(self, archive: Path, md5: str) -> None:
        self.archive, self.md5 = archive, md5

    def content(self) -> str:
        return f"{self.name} {file_sha256(self.archive)}"

    def read(self, request: DataRequest, report: Report) -> Collection:
        if (got := file_md5(self.archive)) != self.md5:
            raise ArtefactError(
                f"{self.archive} has MD5 {got}, the original {self.md5}", "remove it, and it is downloaded again"
            )
        batches = self._batches()
        records = np.concatenate([np.frombuffer(batches[name], np.uint8).reshape(-1, _RECORD) for name in _BATCHES])
        planes = records[:, 1:].reshape(-1, 3, _SIDE, _SIDE)
        return Collection(
            images=fit_many(np.ascontiguousarray(planes.transpose(0, 2, 3, 1)), for_squares(request, _SIDE), report),
            labels=records[:, 0].astype(np.int64),
            class_names=_CLASSES,
            tests=len(batches[_BATCHES[-1]]) // _RECORD,
        )

    def _batches(self) -> dict[str, bytes]:
        """The six files by name, read in place from an archive whose digest has been checked."""
        batches = {}
        with tarfile.open(self.archive, "r:gz") as archive:
            for member in archive:
                name = Path(member.name).name
                if name in _BATCHES:
                    batches[name] = archive.extractfile(member).read()  # type: ignore[union-attr]
        return batches
