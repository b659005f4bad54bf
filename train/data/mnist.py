"""mnist and fashion-mnist: the same four files with other pictures."""

from collections.abc import Mapping
from pathlib import Path

from train.data.collection import Collection, Report
from train.data.for_squares import for_squares
from train.data.idx_files import IdxFiles
from train.data.request import DataRequest

_SIDE = 28  # pixels
_CLASSES = {
    "mnist": tuple("0123456789"),
    "fashion-mnist": (
        "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
    ),
}  # fmt: skip


class Mnist:
    """See `Source`. `images` is the training pictures' file, `md5` the digest of every file's content by its name."""

    def __init__(self, name: str, images: Path, md5: Mapping[str, str]) -> None:
        self.name = name
        self._files = IdxFiles(images, name, _CLASSES[name], md5)

    def content(self) -> str:
        return f"{self.name} {self._files.content()}"  # the same files without a name give other classes

    def read(self, request: DataRequest, report: Report) -> Collection:
        return self._files.read(for_squares(request, _SIDE), report)
