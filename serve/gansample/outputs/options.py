"""Into what the pictures go, and with it all of a drawing as one value. Standard library only, like `sampling/options.py`."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from gansample.errors import UsageError
from gansample.outputs.forms import CLUSTER_FORMS, FORMS, GRIDS, RESUMABLE, STDOUT, VIDEOS, form_of, format_ending
from gansample.sampling.options import EngineOptions, Option, OptionGroup, SelectionOptions, option

DEFAULT_PAD, DEFAULT_FPS = 2, 30


@dataclass(frozen=True, kw_only=True)
class OutputOptions(OptionGroup):
    """Into what. Raises UsageError for options that contradict each other."""

    out: str | None = option(
        "Its ending decides: .png .webp .jpg a grid; .mp4 .webm .gif a video; .npz .npy .tar .zip; a folder; - is stdout.",
        "--out",
        "-o",
        metavar="OUT",
        argument=True,
    )
    format: str | None = option("What OUT's ending would say; also folder, and rgb24: raw frames.", choices=FORMS)
    grid: str | None = option("Columns x rows, like 8x4, or auto (default).", forms=GRIDS)
    pad: int | None = option(
        "Pixels between the pictures of a grid (2; none around a single one).", minimum=0, maximum=256, forms=GRIDS
    )
    upscale: int | None = option(
        "Every pixel as N x N (default: a sheet of several up to 512 pixels, videos up to 256, else 1).", minimum=1, maximum=64
    )
    png: str | None = option(
        "fast: not compressed, larger files for less time; the journal and the pictures say so.",
        choices=("fast",),
        forms=("png", "folder", "tar", "zip", "parquet"),
    )
    fps: int | None = option("Frames a second of a video (30).", minimum=1, maximum=120, forms=VIDEOS)
    shard: int | None = option("Pictures per .tar: OUT-000000.tar, OUT-000001.tar …", minimum=1, forms=("tar", "parquet"))
    force: bool = option("Replace what exists.", "--force", "-f", default=False)
    resume: bool = option("Complete an interrupted folder or .tar.", default=False)
    no_metadata: bool = option("Leave seeds and model out of the files.", default=False)

    @property
    def path(self) -> Path:
        """`out` as a path; an address such as s3://… is none."""
        assert self.out is not None, "checked first"
        return Path(self.out)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.force and self.resume:
            raise UsageError(
                "--force replaces what exists and --resume completes it",
                "give --resume alone, it still replaces what the interrupted command was to replace",
            )


@dataclass(frozen=True, kw_only=True)
class DrawOptions:
    """One drawing. Raises UsageError for options that cannot apply to this form of output."""

    selection: SelectionOptions = SelectionOptions()
    engine: EngineOptions = EngineOptions()
    output: OutputOptions = OutputOptions()

    @classmethod
    def from_values(cls, values: Mapping[str, Any]) -> Self:
        """From every option by its field's name; a name that no group has is left to the caller."""
        groups = {"selection": SelectionOptions, "engine": EngineOptions, "output": OutputOptions}
        return cls(**{name: group(**_own(group, values)) for name, group in groups.items()})

    def __post_init__(self) -> None:
        for each in self.output.given():
            if each.forms and self.form not in each.forms:
                raise UsageError(f"{each.flag} cannot apply to {_format_form(self.form)}", self._remedy(each))
        if self.output.resume and self.form not in (*RESUMABLE, *CLUSTER_FORMS):
            raise UsageError("--resume completes a folder or a .tar", f"a {self.form} is written whole or not at all")
        if self.output.shard is not None and self.output.out is not None and self.output.path == STDOUT:
            raise UsageError("--shard divides a .tar file", "name one, or leave it out")

    def _remedy(self, each: Option) -> str:
        possible = [format_ending(form) for form in each.forms if form in (CLUSTER_FORMS if self.engine.ray else FORMS)]
        return f"leave it out, or write a {' or '.join(possible)}" if possible else "leave it out"

    @cached_property
    def form(self) -> str:
        """The form of output that `out` and `format` mean."""
        return form_of(self.output.out, self.output.format, on_cluster=self.engine.ray)


def _own(group: type[OptionGroup], values: Mapping[str, Any]) -> dict[str, Any]:
    return {each.name: values[each.name] for each in fields(group) if each.name in values}


def _format_form(form: str) -> str:
    return {"folder": "a folder of pictures", "rgb24": "raw frames"}.get(form, f"a .{form}")
