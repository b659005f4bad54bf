"""What a folder, a tar and a zip of pictures have in common: the same pictures give the same names, in the same order."""

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Protocol

from train.data.decode import SUFFIXES
from train.data.fit import Unusable

_SYSTEM_FILES = frozenset({"__macosx", "thumbs.db", "desktop.ini"})


class Container(Protocol):
    """Files by name. Names are relative paths with forward slashes."""

    ignored: list[str]
    """Names of the files that are no pictures, hidden, or the operating system's own."""

    def names(self) -> list[str]:
        """Of every picture, sorted."""

    def files(self) -> Iterator[tuple[str, bytes | Unusable]]:
        """Every picture's bytes, or why they cannot be had, in the order that is fastest to read."""

    def content(self) -> str:
        """SHA-256 over everything that `files` gives."""


def is_picture(name: str) -> bool:
    """Whether a file of this name is to be read: its suffix says picture, and no part of it is hidden or a system file."""
    path = PurePosixPath(name)
    return path.suffix.lower() in SUFFIXES and not any(_is_system_file(part) for part in path.parts)


def _is_system_file(part: str) -> bool:
    return (part.startswith(".") and part != "..") or part.lower() in _SYSTEM_FILES


def relative_name(name: str) -> str | None:
    """An archive's name for a file as a relative path; None for one that leads out of the archive."""
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or (path.parts and path.parts[0].endswith(":")):
        return None
    return str(path)
