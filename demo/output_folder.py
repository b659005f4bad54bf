"""A folder that a command of the demo writes, and replaces only while all that lies in it is its own."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gansample.errors import OutputError
from gansample.system.atomic import folder_atomic
from gansample.system.replaceable import check_replaceable

RECORD = "written.json"  # what was written into the folder; a folder without it is never deleted
UNNOTICED = {"__pycache__", ".DS_Store"}  # left behind by running or looking at it: nobody would miss them


@contextmanager
def output_folder(out: Path, *, kind: str, force: bool) -> Iterator[Path]:
    """A folder to fill, which takes the name `out` once the block succeeds.

    kind  what is written, for messages: "static page".

    Raises OutputError where `out` is a folder that cannot be replaced: not of this kind, with files that were added to it
    since, or without `force`.
    """
    check_replaceable(out, kind=kind, marker=RECORD, force=force)
    _check_nothing_was_added(out, kind)
    with folder_atomic(out) as folder:
        yield folder
        record = {"kind": kind, "files": _files(folder)}
        (folder / RECORD).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


def describe_folder(folder: Path) -> str:
    """How large it is, for the line that tells it is there."""
    return f"{sum((folder / name).stat().st_size for name in _files(folder)) / 2**20:.1f} MiB"


def _check_nothing_was_added(out: Path, kind: str) -> None:
    if not (out / RECORD).exists():
        return
    hint = "move what you need elsewhere, or choose another folder; nothing was touched"
    try:
        record = json.loads((out / RECORD).read_text(encoding="utf-8"))
        of_kind, written = record["kind"] == kind, {RECORD, *record["files"]}
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise OutputError(f"{out / RECORD} cannot be read, it lists what may be replaced", hint) from error
    if not of_kind:
        raise OutputError(f"{out} holds files that are no {kind}", hint)
    if added := [name for name in _files(out) if name not in written]:
        more = f" and {len(added) - 1} more" if len(added) > 1 else ""
        raise OutputError(f"{out / added[0]}{more} came into the folder after it was written", hint)


def _files(folder: Path) -> list[str]:
    """All that lies in `folder` and is no folder itself, links included, relative to it and sorted."""
    found = (path.relative_to(folder) for path in folder.rglob("*") if path.is_symlink() or not path.is_dir())
    return sorted(path.as_posix() for path in found if not UNNOTICED & set(path.parts))
