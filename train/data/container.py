"""A folder, a tar or a zip of pictures, read in place: the same pictures give the same names, in the same order."""

import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Protocol

from gansample.errors import ArtefactError
from train.data.decode import SUFFIXES
from train.data.fit import Unusable

_SYSTEM_FILES = frozenset({"__macosx", "thumbs.db", "desktop.ini"})


class Container(Protocol):
    """Files by name. Names are relative paths with forward slashes."""

    ignored: list[str]
    """Names of the files that are no pictures, or are hidden, or the system's own."""

    def names(self) -> list[str]:
        """Of every picture, sorted."""

    def files(self) -> Iterator[tuple[str, bytes | Unusable]]:
        """Every picture's bytes, or why they cannot be had, in the order that is fastest to read."""

    def content(self) -> str:
        """SHA-256 over everything that `files` gives."""


def open_container(path: Path) -> Container:
    """Raises ArtefactError where `path` holds no files of its own."""
    from train.data.folder import Folder
    from train.data.tar_archive import TarArchive, is_tar
    from train.data.zip_archive import ZipArchive, is_zip

    if path.is_dir():
        return Folder(path)
    name = path.name.lower()
    if is_tar(path) or re.search(r"\.(tar|tgz|tar\.\w+)$", name):  # first: a tar that ends in a zip looks like one to zipfile
        return TarArchive(path)
    if is_zip(path) or name.endswith(".zip"):
        return ZipArchive(path)
    raise ArtefactError(f"{path} is no folder, .tar, .zip, .npz or IDX file", "pass one of these, or the name of a set")


def is_picture(name: str) -> bool:
    """Whether a file of this name is to be read: its suffix says picture, and no part of it is hidden or the system's own."""
    path = PurePosixPath(name)
    return path.suffix.lower() in SUFFIXES and not any(_is_the_systems(part) for part in path.parts)


def _is_the_systems(part: str) -> bool:
    return (part.startswith(".") and part != "..") or part.lower() in _SYSTEM_FILES


def inside(name: str) -> str | None:
    """An archive's name for a file as a relative path; None for one that leads out of the archive."""
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or (path.parts and path.parts[0].endswith(":")):
        return None
    return str(path)
