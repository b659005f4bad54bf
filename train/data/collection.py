"""What every source is read into: pictures of one size, their labels, and what had to be left out."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import numpy.typing as npt

from train.data.dataset import Skipped
from train.data.request import DataRequest

Pixels = npt.NDArray[np.uint8]
Labels = npt.NDArray[np.int64]
Report = Callable[[int, int], None]
"""Told now and then how many pictures are done, and of how many."""


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

    def read(self, request: DataRequest, report: Report) -> Collection:
        """Every picture, made alike as `request` says. Raises ArtefactError, UsageError."""
