"""What is drawn, with the metadata that goes with it: the same job for the command line, Ray, HTTP, the demo and Python."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from gansample.bundle.open import Bundle
from gansample.bundle.spec import Spec, require_mapping
from gansample.outputs.metadata import picture_metadata
from gansample.outputs.options import DrawOptions
from gansample.sampling.classes import format_class, labels_for, parse_classes
from gansample.sampling.options import SelectionOptions
from gansample.sampling.sampler import Engine
from gansample.sampling.selection import Selection
from gansample.sampling.styles import InStyles, ToStylesAtPsi
from gansample.types import Images, Labels, Latents, Rows, Styles

MOST_ALIGNED = 10_000  # pictures looked at for classes that take turns


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
    psi: float | None = None
    """How far styles lie from the mean one, of a generator with a mapping; None is 1."""
    fast_png: bool = False
    """Whether PNG files are written without compressing them."""

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

    def inputs(self, positions: Sequence[int], mapping: ToStylesAtPsi | None) -> "PictureInputs":
        """What an engine draws these pictures from.

        mapping  latents (M, nz), labels (M,) and psi to styles (M, layers, size), of a generator that has one; None of others.
        """
        labels = self.labels(positions)
        if mapping is None:
            assert self.psi is None, "checked when the job was made"
            return PictureInputs(self.selection.latents(positions), labels, labels)
        psi = 1.0 if self.psi is None else self.psi

        def to_styles(z: Latents, label: Labels | None) -> Styles:
            return mapping(z, label, psi)

        if isinstance(self.selection, InStyles):
            w = self.selection.styles(positions, labels, to_styles)
        else:
            w = to_styles(self.selection.latents(positions), labels)
        return PictureInputs(w, None, labels)

    @cached_property
    def class_period(self) -> int:
        """Pictures after which the classes begin anew; 1 where they do not take turns."""
        n = min(len(self), MOST_ALIGNED)
        labels = self.labels(range(n))
        period = len(set(labels.tolist())) if labels is not None else 1
        return period if labels is not None and (labels == np.resize(labels[:period], n)).all() else 1

    @property
    def notes(self) -> tuple[str, ...]:
        """What somebody who did not ask for a class may not expect: one class for pictures between seeds of several."""
        if self.spec.classes is None or self.chosen_labels is not None:
            return ()
        seeds = self.selection.sources()
        labels = list(labels_for(seeds, self.spec.classes) or ())
        if len(set(labels)) < 2:
            return ()
        name = self._class_names[labels[0]]
        return (f"every picture is of class {name}, seed {seeds[0]}'s: a label has no half; --class chooses another one",)

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


class PictureInputs(NamedTuple):
    """Rows to draw, with the labels that the engine takes with them, and those of the pictures."""

    rows: Rows
    """Latents (N, nz) or styles (N, layers, size)."""
    label: Labels | None
    """int64 (N,); None for styles too, where the mapping has taken it."""
    labels: Labels | None


@dataclass(frozen=True, slots=True)
class Batch:
    """Drawn pictures on their way to an output, in the order of their positions."""

    positions: Sequence[int]
    images: Images = field(repr=False)  # uint8 (N, *job.shape)
    labels: Labels | None

    def label(self, row: int) -> int | None:
        return int(self.labels[row]) if self.labels is not None else None


def selection_from_options(options: SelectionOptions, spec: Spec) -> Selection:
    """The pictures that were asked for, of a generator with this spec. Raises UsageError."""
    if options.psi is not None:
        require_mapping(spec, "--psi")
    return options.selection(spec.latent_space(options.truncation), spec.mapping.layers if spec.mapping is not None else None)


def job_from_options(
    options: DrawOptions, bundle: Bundle, engine: Engine, *, selection: Selection | None = None, upscale: int = 1
) -> Job:
    """What is drawn from `bundle` by `engine`, with the metadata that goes with it.

    selection  where it was made before.

    Raises UsageError for pictures or classes that the generator does not have.
    """
    spec, asked = bundle.spec, options.selection
    drawn_with = {
        "truncation": asked.truncation,
        "psi": asked.psi,
        "upscale": upscale if upscale > 1 else None,
        "png": options.output.png,
    }
    return Job(
        selection=selection if selection is not None else selection_from_options(asked, spec),
        spec=spec,
        chosen_labels=parse_classes(asked.of_class, spec.classes) if asked.of_class is not None else None,
        upscale=upscale,
        about=picture_metadata(bundle, engine, drawn_with),
        with_metadata=not options.output.no_metadata,
        psi=asked.psi,
        fast_png=options.output.png == "fast",
    )
