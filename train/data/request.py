"""What pictures a run asks for, checked before any of them is opened. Needs no torch."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from gansample.errors import UsageError

Channels = Literal["auto", "grey", "rgb"]
Fit = Literal["crop", "pad", "stretch"]

DOWNLOADED = ("mnist", "fashion-mnist", "cifar10")
NAMES = ("digits", *DOWNLOADED)
SMALLEST, LARGEST = 4, 1024  # pixels


@dataclass(frozen=True, slots=True, kw_only=True)
class DataRequest:
    """Where pictures come from and how they are made alike. Raises UsageError for a value that cannot work, saying why."""

    source: str = "digits"
    """A name (digits, mnist, fashion-mnist, cifar10) or a path to a folder, .tar, .zip, .npz or a file of IDX images."""
    image_size: int = 32
    """Height and width, pixels."""
    channels: Channels = "auto"
    """auto: grey where every picture is grey, else rgb."""
    fit: Fit = "crop"
    """crop: scale the shorter side, cut the centre; pad: scale the longer side down, never up, and centre; stretch: both sides.

    The named sets are square, so it changes nothing for them: a few pixels short they are padded with black, as the 28 pixels
    of mnist to 32, else resized.
    """
    background: str = "white"
    """The colour under transparency and around padding: a name or #rrggbb."""
    conditional: bool = False
    """Classes are required: sub-folders, or `labels_file`, or the set's own."""
    labels_file: Path | None = None
    """CSV with a column of picture names (with or without folder and suffix) and one of labels."""
    classes: tuple[str, ...] | None = None
    """Keep only these classes, in this order."""
    data_root: Path = Path("data")
    """Where named sets lie, or are downloaded to."""
    cache: Path | None = None
    """Where decoded sets are kept; None is the user's cache folder."""

    def __post_init__(self) -> None:
        if not self.source:
            raise UsageError("the data source is empty", "name a set or a path")
        if not SMALLEST <= self.image_size <= LARGEST:
            raise UsageError(f"image_size is {self.image_size}", f"it must be in {SMALLEST}..{LARGEST}")
        for name, choices in (("channels", get_args(Channels)), ("fit", get_args(Fit))):
            if getattr(self, name) not in choices:
                raise UsageError(f"{name} is {getattr(self, name)!r}", f"use one of {', '.join(choices)}")
        colour(self.background)
        if self.classes is not None and (not self.classes or len(set(self.classes)) < len(self.classes)):
            raise UsageError(f"classes are {', '.join(self.classes) or 'none'}", "name each class that is to be kept once")
        if self.conditional and self.classes is not None and len(self.classes) < 2:
            raise UsageError(f"conditional with the single class {self.classes[0]!r}", "keep two classes or more")

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values, for a run's config.json."""
        document = dataclasses.asdict(self)
        return {name: str(value) if isinstance(value, Path) else value for name, value in document.items()}

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> "DataRequest":
        """The request that `to_dict` wrote. Raises UsageError for a field this version does not know."""
        known = {field.name for field in dataclasses.fields(cls)}
        if unknown := sorted(set(document) - known):
            raise UsageError(f"unknown field {unknown[0]!r} of a data request", f"known are {', '.join(sorted(known))}")
        values = dict(document)
        for name in ("labels_file", "data_root", "cache"):
            if values.get(name) is not None:
                values[name] = Path(values[name])
        if values.get("classes") is not None:
            values["classes"] = tuple(values["classes"])
        return cls(**values)


def colour(text: str) -> tuple[int, int, int]:
    """A colour's name or #rrggbb as red, green, blue, each 0..255. Raises UsageError."""
    from PIL import ImageColor

    try:
        red, green, blue, *alpha = ImageColor.getrgb(text)
    except ValueError:
        alpha = [0]
    if alpha:
        raise UsageError(f"background is {text!r}", "use a colour's name or #rrggbb")
    return red, green, blue
