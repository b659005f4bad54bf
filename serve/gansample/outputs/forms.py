"""The forms of output, and which one OUT means. Only the standard library, so that a mistake is told at once."""

import difflib
from dataclasses import dataclass
from pathlib import Path

from gansample.errors import OutputError, UsageError

STDOUT = Path("-")
FORMS = ("png", "webp", "jpg", "folder", "npz", "npy", "tar", "zip", "mp4", "webm", "gif", "rgb24")
SHEETS, VIDEOS, RESUMABLE = ("png", "webp", "jpg"), ("mp4", "webm", "gif"), ("folder", "tar")
ON_STDOUT = ("png", "webp", "jpg", "npy", "tar", "gif", "rgb24")  # the others must seek, or are several files
_SUFFIXES = {".jpeg": "jpg", ".rgb": "rgb24", **{f".{form}": form for form in FORMS if form not in ("folder", "rgb24")}}


@dataclass(frozen=True)
class Form:
    """How the pictures are kept: the command line's options about the output."""

    kind: str
    grid: str = "auto"
    pad: int = 2
    fps: int = 30
    shard: int | None = None
    force: bool = False
    resume: bool = False


def form_of(out: Path, asked: str | None) -> str:
    """The form of OUT: what was asked for, else what its name ends with. Raises UsageError for an unknown one."""
    if asked is not None:
        if asked not in FORMS:
            raise UsageError(f"unknown --format {asked!r}", _nearest(asked, FORMS))
        return asked
    if out == STDOUT:
        return "png"
    suffix = out.suffix.lower()
    if suffix in _SUFFIXES:
        return _SUFFIXES[suffix]
    if suffix and not out.is_dir():
        known = ", ".join(f".{form}" for form in FORMS if form not in ("folder", "rgb24"))
        raise UsageError(f"{out} ends in {suffix}", f"it can be {known}, or a folder (a name without a dot)")
    return "folder"


def _nearest(wanted: str, known: tuple[str, ...]) -> str:
    near = difflib.get_close_matches(wanted, known, 3)
    return f"did you mean {', '.join(near)}" if near else f"choose {', '.join(known)}"


def check_path(out: Path, form: Form) -> None:
    """Refuse what cannot be written before anything is loaded, so that a mistake costs no time."""
    if form.resume and form.kind not in RESUMABLE:
        raise UsageError("--resume goes on with a folder or a .tar", f"a {form.kind} is written whole or not at all")
    if form.shard is not None and (form.kind != "tar" or out == STDOUT):
        raise UsageError("--shard divides a .tar file", "name one, or leave it out")
    if out == STDOUT:
        if form.kind not in ON_STDOUT:
            raise UsageError(f"{form.kind} cannot go to stdout", f"name a file, or choose {', '.join(ON_STDOUT)}")
        return
    if not out.absolute().parent.is_dir():
        raise OutputError(f"{out.parent} does not exist", f"create it first: mkdir -p {out.parent}")
    if form.kind == "folder":
        if out.exists() and not out.is_dir():
            raise OutputError(f"{out} is no folder", "name another one")
    elif out.is_dir():
        raise OutputError(f"{out} is a folder", f"name a file that ends in .{form.kind}")
    elif out.exists() and not form.force and not form.resume:
        raise OutputError(f"{out} exists", "pass --force to replace it")
