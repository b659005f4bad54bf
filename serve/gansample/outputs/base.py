"""What every form of output implements: opened for a job, given its pictures in order, then finished or aborted."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np

from gansample.bundle.spec import Spec
from gansample.sampling.classes import format_class, labels_for
from gansample.sampling.selection import Selection
from gansample.types import Images, Labels

Encoded = TypeVar("Encoded")


@dataclass(frozen=True)
class Job:
    """What is drawn, and the metadata that is written with it."""

    selection: Selection
    spec: Spec
    chosen_labels: tuple[int, ...] | None
    """The classes that were asked for, which alternate; None where none were: then a picture's seed decides."""
    upscale: int
    about: Mapping[str, Any]
    """Model, variant, version and the options that hold for every picture (`metadata.picture_metadata`)."""
    with_metadata: bool = True
    """Whether metadata is written at all."""

    def __len__(self) -> int:
        return len(self.selection)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(H, W, C) of a picture as it is written."""
        return self.spec.height * self.upscale, self.spec.width * self.upscale, self.spec.channels

    def labels(self, positions: Sequence[int]) -> Labels | None:
        """int64 (len(positions),), or None for a generator without classes."""
        if self.spec.classes is not None and self.chosen_labels is not None:
            return np.array([self.chosen_labels[position % len(self.chosen_labels)] for position in positions], np.int64)
        labels = labels_for(self.selection.seeds(positions), self.spec.classes)
        return np.array(list(labels), np.int64) if labels is not None else None

    def picture_json(self, position: int, label: int | None) -> str:
        """The metadata of the picture at `position`, as JSON."""
        own: dict[str, Any] = {k: v for k, v in self.selection.options(position).items() if v is not None}
        if label is not None:
            own["class"] = self._class_names[label]
        return f"{json.dumps(own, ensure_ascii=False)[:-1]}, {self._about_json[1:]}"

    def metadata_of(self, batch: "Batch") -> list[str] | None:
        """`picture_json` of every picture in `batch`; None where no metadata is written."""
        if not self.with_metadata:
            return None
        return [self.picture_json(position, batch.label(row)) for row, position in enumerate(batch.positions)]

    def job_json(self, **also: Any) -> str:
        """The metadata of a file that holds all pictures, as JSON. `also`: options that belong to this form of output."""
        return json.dumps({**self.identity, **{name: value for name, value in also.items() if value is not None}})

    @cached_property
    def identity(self) -> dict[str, Any]:
        """Two jobs with the same identity draw the same pictures."""
        options = {k: v for k, v in self.selection.options().items() if v is not None}
        if self.chosen_labels is not None:
            options["class"] = ",".join(self._class_names[label] for label in self.chosen_labels)
        return {**options, **self.about}

    def as_begun(self, identity: Mapping[str, Any]) -> "Job | None":
        """This job as the one of `identity` that was interrupted, or None where that was another job.

        Up to version 0.1.0 pictures also said `why` their engine was chosen: a job begun with that keeps it to its end, so
        that all its pictures are alike.
        """
        if {name: value for name, value in identity.items() if name != "why"} != self.identity:
            return None
        return replace(self, about={name: identity[name] for name in identity if name in self.about or name == "why"})

    @cached_property
    def _class_names(self) -> list[str]:
        classes = self.spec.classes or ()
        return [format_class(label, classes) for label in range(len(classes))]

    @cached_property
    def _about_json(self) -> str:
        return json.dumps(dict(self.about), ensure_ascii=False)


@dataclass(frozen=True, slots=True)
class Batch:
    """Drawn pictures on their way to an output, in the order of their positions."""

    positions: Sequence[int]
    images: Images = field(repr=False)  # uint8 (N, *job.shape)
    labels: Labels | None

    def label(self, row: int) -> int | None:
        return int(self.labels[row]) if self.labels is not None else None


class Output(Protocol[Encoded]):
    """One form of output. `encode` may run in several threads at once; all other methods are called from one, in order.

    `write` and `finish` may raise OSError: `draw_into` turns it into a message.
    """

    @property
    def path(self) -> Path:
        """The file or folder, for messages."""

    def resumable_job(self) -> Mapping[str, Any] | None:
        """The identity of the interrupted job that would be resumed, or None."""

    def open(self, job: Job) -> Sequence[int]:
        """Get ready to write; returns the positions still to be drawn: all of them, but for what an interrupted run left."""

    def encode(self, batch: Batch) -> Encoded: ...

    def write(self, encoded: Encoded) -> None: ...

    def finish(self) -> None:
        """Everything is written: give the file its final name."""

    def abort(self) -> str:
        """Stop early, leaving no unfinished file under the final name. Returns what is kept and how to resume, or ''."""
