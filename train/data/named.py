"""The sets that go by name: found under the data root, or downloaded into it."""

import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gansample.errors import ArtefactError
from train.data.digits import Digits
from train.data.download import download
from train.data.fit import fit_array, for_squares
from train.data.idx import IdxFiles
from train.data.request import DataRequest
from train.data.source import Collection, ProgressCallback, Source, file_md5, file_sha256

CIFAR10_ARCHIVE = "cifar-10-binary.tar.gz"

_CLASSES = {
    "mnist": tuple("0123456789"),
    "fashion-mnist": (
        "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
    ),
    "cifar10": ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
}  # fmt: skip
_MNIST_SIDE, _CIFAR10_SIDE = 28, 32  # pixels
_CIFAR10_BATCHES = (*(f"data_batch_{n}.bin" for n in range(1, 6)), "test_batch.bin")
_CIFAR10_RECORD = 1 + 3 * _CIFAR10_SIDE**2  # a label, then red, green and blue planes


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file as its authors publish it."""

    md5: str
    content_md5: str = ""
    """Of what is inside a .gz: a user's own copy may be packed otherwise, or not at all."""


# The canonical addresses. That of MNIST's author is empty since 2025: these are the two mirrors that everyone uses.
ADDRESSES: Mapping[str, tuple[str, ...]] = {
    "mnist": ("https://ossci-datasets.s3.amazonaws.com/mnist/", "https://storage.googleapis.com/cvdf-datasets/mnist/"),
    "fashion-mnist": ("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",),
    "cifar10": ("https://www.cs.toronto.edu/~kriz/",),
}
FILES: Mapping[str, Mapping[str, RemoteFile]] = {
    "mnist": {
        "train-images-idx3-ubyte.gz": RemoteFile("f68b3c2dcbeaaa9fbdd348bbdeb94873", "6bbc9ace898e44ae57da46a324031adb"),
        "train-labels-idx1-ubyte.gz": RemoteFile("d53e105ee54ea40749a09fcbcd1e9432", "a25bea736e30d166cdddb491f175f624"),
        "t10k-images-idx3-ubyte.gz": RemoteFile("9fb629c4189551a2d022fa330f9573f3", "2646ac647ad5339dbf082846283269ea"),
        "t10k-labels-idx1-ubyte.gz": RemoteFile("ec29112dd5afa0611ce80d1b7f02629c", "27ae3e4e09519cfbb04c329615203637"),
    },
    "fashion-mnist": {
        "train-images-idx3-ubyte.gz": RemoteFile("8d4fb7e6c68d591d4c3dfef9ec88bf0d", "f4a8712d7a061bf5bd6d2ca38dc4d50a"),
        "train-labels-idx1-ubyte.gz": RemoteFile("25c81989df183df01b3e8a0aad5dffbe", "9018921c3c673c538a1fc5bad174d6f9"),
        "t10k-images-idx3-ubyte.gz": RemoteFile("bef4ecab320f06d8554ea6380940ec79", "8181f5470baa50b63fa0f6fddb340f0a"),
        "t10k-labels-idx1-ubyte.gz": RemoteFile("bb300cfdad3c16e7a12a480ee83cd310", "15d484375f8d13e6eb1aabb0c3f46965"),
    },
    "cifar10": {CIFAR10_ARCHIVE: RemoteFile("c32a1d4ab5d03f1284b67883e8d87530")},
}


def open_named(name: str, root: Path) -> Source:
    """One of `request.NAMES`. Raises ArtefactError for a file neither under `root` nor downloadable; OutputError."""
    if name == "digits":
        return Digits()
    files = FILES[name]
    found = {file: path for file in files if (path := _find(root, name, file))}
    folder = next(iter(found.values())).parent if found else root / name  # what is missing goes where the rest is
    for file in [file for file in files if file not in found]:
        found[file] = folder / file
        download([address + file for address in ADDRESSES[name]], found[file], files[file].md5)
    if name == "cifar10":
        return Cifar10(found[CIFAR10_ARCHIVE], files[CIFAR10_ARCHIVE].md5)
    if len({path.parent for path in found.values()}) > 1:
        raise ArtefactError(f"the files of {name} lie in {root} and in {root / name}", "move them into one folder")
    contents = {file.removesuffix(".gz"): remote.content_md5 for file, remote in files.items()}
    return Mnist(name, found["train-images-idx3-ubyte.gz"], contents)


def _find(root: Path, name: str, file: str) -> Path | None:
    candidates = (folder / form for folder in (root / name, root) for form in (file, file.removesuffix(".gz")))
    return next((path for path in candidates if path.is_file()), None)


class Mnist:
    """See `Source`. `images` is the training pictures' file, `md5` the digest of every file's content by its name."""

    def __init__(self, name: str, images: Path, md5: Mapping[str, str]) -> None:
        self.name = name
        self._files = IdxFiles(images, name, _CLASSES[name], md5)

    def content(self) -> str:
        return f"{self.name} {self._files.content()}"  # the same files without a name give other classes

    def read(self, request: DataRequest, report: ProgressCallback) -> Collection:
        return self._files.read(for_squares(request, _MNIST_SIDE), report)


class Cifar10:
    """See `Source`. The binary version: the Python version is a pickle, which can execute anything, and never loaded.

    Raises ArtefactError where the archive is not the original.
    """

    name = "cifar10"

    def __init__(self, archive: Path, md5: str) -> None:
        self.archive, self.md5 = archive, md5

    def content(self) -> str:
        return f"{self.name} {file_sha256(self.archive)}"

    def read(self, request: DataRequest, report: ProgressCallback) -> Collection:
        if (got := file_md5(self.archive)) != self.md5:
            raise ArtefactError(
                f"{self.archive} has MD5 {got}, the original {self.md5}", "remove it, and it is downloaded again"
            )
        batches = self._batches()
        records = np.concatenate(
            [np.frombuffer(batches[name], np.uint8).reshape(-1, _CIFAR10_RECORD) for name in _CIFAR10_BATCHES]
        )
        planes = records[:, 1:].reshape(-1, 3, _CIFAR10_SIDE, _CIFAR10_SIDE)
        return Collection(
            images=fit_array(np.ascontiguousarray(planes.transpose(0, 2, 3, 1)), for_squares(request, _CIFAR10_SIDE), report),
            labels=records[:, 0].astype(np.int64),
            class_names=_CLASSES[self.name],
            tests=len(batches[_CIFAR10_BATCHES[-1]]) // _CIFAR10_RECORD,
        )

    def _batches(self) -> dict[str, bytes]:
        """The six files by name, read in place from an archive whose digest has been checked."""
        batches = {}
        with tarfile.open(self.archive, "r:gz") as archive:
            for member in archive:
                name = Path(member.name).name
                if name in _CIFAR10_BATCHES:
                    batches[name] = archive.extractfile(member).read()  # type: ignore[union-attr]
        return batches
