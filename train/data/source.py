"""What a data source is, and what it is read into: pictures of one size, their labels, and what had to be left out."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from gansample.errors import ArtefactError
from train.data.dataset import Labels, Skipped
from train.data.request import DataRequest

Pixels = npt.NDArray[np.uint8]
ProgressCallback = Callable[[int, int], None]
"""Called now and then with the number of pictures that are done, and of all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Collection:
    """Pictures as a source gives them, before they are split."""

    images: Pixels
    """(N, size, size, channels), channels 1 or 3."""
    labels: Labels | None = None
    """(N,), indices into `class_names`."""
    class_names: tuple[str, ...] | None = None
    tests: int | None = None
    """Where the source has an official test split: how many of the pictures, the last ones, belong to it."""
    skipped: tuple[Skipped, ...] = ()
    notes: tuple[str, ...] = ()
    """What a person should know about this source, a line each."""

    def only(self, keep: npt.NDArray[np.bool_]) -> "Collection":
        """The pictures at `keep`, bool (N,)."""
        return replace(
            self,
            images=self.images if keep.all() else self.images[keep],
            labels=None if self.labels is None else self.labels[keep],
            tests=None if self.tests is None else int(keep[len(keep) - self.tests :].sum()),
        )


class Source(Protocol):
    """Something that holds pictures."""

    name: str
    """What runs and bundles are called after."""

    def content(self) -> str:
        """SHA-256 over every byte that pictures and labels are read from. Raises ArtefactError."""

    def read(self, request: DataRequest, report: ProgressCallback) -> Collection:
        """Every picture, made alike as `request` says. Raises ArtefactError, UsageError."""


def file_sha256(path: Path) -> str:
    """64 hexadecimal digits. Raises ArtefactError where the file cannot be read."""
    return _digest(path, "sha256")


def file_md5(path: Path) -> str:
    """Only for sets whose authors publish nothing better. Raises as above."""
    return _digest(path, lambda: hashlib.md5(usedforsecurity=False))


def _digest(path: Path, kind: Any) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, kind).hexdigest()
    except OSError as error:
        raise ArtefactError(f"cannot read {path} ({error.strerror})", "pass a file you may read") from None
