"""The sets that go by name: found under the data root, or downloaded into it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from gansample.errors import ArtefactError
from train.data.cifar10 import ARCHIVE, Cifar10
from train.data.collection import Source
from train.data.digits_source import Digits
from train.data.download import download
from train.data.mnist import Mnist

NAMES = ("digits", "mnist", "fashion-mnist", "cifar10")


@dataclass(frozen=True, slots=True)
class Remote:
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
FILES: Mapping[str, Mapping[str, Remote]] = {
    "mnist": {
        "train-images-idx3-ubyte.gz": Remote("f68b3c2dcbeaaa9fbdd348bbdeb94873", "6bbc9ace898e44ae57da46a324031adb"),
        "train-labels-idx1-ubyte.gz": Remote("d53e105ee54ea40749a09fcbcd1e9432", "a25bea736e30d166cdddb491f175f624"),
        "t10k-images-idx3-ubyte.gz": Remote("9fb629c4189551a2d022fa330f9573f3", "2646ac647ad5339dbf082846283269ea"),
        "t10k-labels-idx1-ubyte.gz": Remote("ec29112dd5afa0611ce80d1b7f02629c", "27ae3e4e09519cfbb04c329615203637"),
    },
    "fashion-mnist": {
        "train-images-idx3-ubyte.gz": Remote("8d4fb7e6c68d591d4c3dfef9ec88bf0d", "f4a8712d7a061bf5bd6d2ca38dc4d50a"),
        "train-labels-idx1-ubyte.gz": Remote("25c81989df183df01b3e8a0aad5dffbe", "9018921c3c673c538a1fc5bad174d6f9"),
        "t10k-images-idx3-ubyte.gz": Remote("bef4ecab320f06d8554ea6380940ec79", "8181f5470baa50b63fa0f6fddb340f0a"),
        "t10k-labels-idx1-ubyte.gz": Remote("bb300cfdad3c16e7a12a480ee83cd310", "15d484375f8d13e6eb1aabb0c3f46965"),
    },
    "cifar10": {ARCHIVE: Remote("c32a1d4ab5d03f1284b67883e8d87530")},
}


def open_named(name: str, root: Path, say: Callable[[str], None]) -> Source:
    """One of `NAMES`. Raises ArtefactError where a file is neither under `root` nor to be had, OutputError as `download`."""
    if name == "digits":
        return Digits()
    files = FILES[name]
    found = {file: path for file in files if (path := _find(root, name, file))}
    folder = next(iter(found.values())).parent if found else root / name  # what is missing goes where the rest is
    for file in [file for file in files if file not in found]:
        found[file] = folder / file
        download([address + file for address in ADDRESSES[name]], found[file], files[file].md5, say)
    if name == "cifar10":
        return Cifar10(found[ARCHIVE], files[ARCHIVE].md5)
    if len({path.parent for path in found.values()}) > 1:
        raise ArtefactError(f"the files of {name} lie in {root} and in {root / name}", "move them into one folder")
    contents = {file.removesuffix(".gz"): remote.content_md5 for file, remote in files.items()}
    return Mnist(name, found["train-images-idx3-ubyte.gz"], contents)


def _find(root: Path, name: str, file: str) -> Path | None:
    candidates = (folder / form for folder in (root / name, root) for form in (file, file.removesuffix(".gz")))
    return next((path for path in candidates if path.is_file()), None)
