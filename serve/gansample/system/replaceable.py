"""Which folder a command may replace: one that it wrote itself, never anything else."""

from pathlib import Path

from gansample.errors import OutputError
from gansample.system.atomic import cannot_write


def check_replaceable(folder: Path, *, kind: str, marker: str, force: bool) -> None:
    """Raise OutputError unless `folder` is free, or holds what the command wrote there before and `force` allows to replace it.

    kind    what the command writes, for messages: "bundle".
    marker  a file that every folder of this kind has. A folder without it is never deleted, forced or not.

    An empty folder is free. A link is not followed, and the working directory and what it lies in are no place to replace.
    """
    try:
        _check(folder, kind, marker, force)
    except OSError as error:  # a name that is too long, or a folder that may not be read
        raise cannot_write(folder, error) from error


def _check(folder: Path, kind: str, marker: str, force: bool) -> None:
    elsewhere = "choose another folder, nothing was touched"
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise OutputError(f"{folder} is no folder", elsewhere)
    if not folder.exists():
        return
    if _working_directory_is_in(folder):
        raise OutputError(f"{folder} is the working directory, or holds it", elsewhere)
    if any(folder.iterdir()):
        if not (folder / marker).is_file():
            raise OutputError(f"{folder} holds files that are no {kind}", elsewhere)
        if not force:
            raise OutputError(f"{folder} holds a {kind} already", "pass --force to replace it, or choose another folder")


def _working_directory_is_in(folder: Path) -> bool:
    try:
        return Path.cwd().is_relative_to(folder.resolve())
    except OSError:  # it was deleted
        return False
