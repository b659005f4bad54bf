"""The sets that go by name: where their files are, and how a user's own copy is found."""

import dataclasses
from pathlib import Path

from gansample.errors import ArtefactError
from train.data.collection import Collection, Report
from train.data.idx_files import IdxFiles
from train.data.request import DataRequest

NAMES = ("digits", "mnist", "fashion-mnist", "cifar10")

_FASHION = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")
_DIGITS = tuple("0123456789")
_MOST_PADDING = 4  # pixels in all: 28 become 32 and stay exact


class Mnist:
    """mnist or fashion-mnist, see `Source`. Raises ArtefactError where the files are not there."""

    def __init__(self, name: str, root: Path) -> None:
        self.name = name
        images = _find(root, name, "train-images-idx3-ubyte")
        self._files = IdxFiles(images, name, _FASHION if name == "fashion-mnist" else _DIGITS)

    def content(self) -> str:
        return f"{self.name} {self._files.content()}"  # the same files without a name give other classes

    def read(self, request: DataRequest, report: Report) -> Collection:
        return self._files.read(for_squares(request, 28), report)


def for_squares(request: DataRequest, side: int) -> DataRequest:
    """`request` for pictures of side × side: a few pixels short they are padded with black, else resized."""
    if 0 <= request.image_size - side <= _MOST_PADDING:
        return dataclasses.replace(request, fit="pad", background="black")
    return dataclasses.replace(request, fit="stretch")


def _find(root: Path, name: str, file: str) -> Path:
    for folder in (root / name, root):
        for path in (folder / file, folder / f"{file}.gz"):
            if path.is_file():
                return path
    raise ArtefactError(f"no {file} in {root / name} or {root}", "say with --data-root where the set lies")
