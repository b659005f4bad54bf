"""Pictures in a folder and everything below it, links included, each folder once."""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from gansample.errors import ArtefactError
from train.data.container import is_picture
from train.data.decode import MAX_BYTES
from train.data.fit import Unusable


class Folder:
    """See `Container`. Raises ArtefactError where the folder itself cannot be listed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.ignored: list[str] = []
        self._names: list[str] = []
        self._visited: set[tuple[int, int]] = set()
        self._walk(path, "")
        self._names.sort()

    def names(self) -> list[str]:
        return self._names

    def files(self) -> Iterator[tuple[str, bytes | Unusable]]:
        for name in self._names:
            yield name, self._read(name)

    def content(self) -> str:
        hasher = hashlib.sha256()
        for name, data in self.files():
            described = f"{name}\0{data}\0" if isinstance(data, Unusable) else f"{name}\0{len(data)}\0"
            hasher.update(described.encode("utf-8", "surrogateescape"))
            hasher.update(b"" if isinstance(data, Unusable) else data)
        return hasher.hexdigest()

    def _walk(self, folder: Path, prefix: str) -> None:
        """Folders are followed through links, but none is entered twice, so a loop of links ends. Real folders come first."""
        try:
            status = folder.stat()
            entries = sorted(os.scandir(folder), key=lambda entry: (entry.is_symlink(), entry.name))
        except OSError as error:
            if not prefix:
                raise ArtefactError(f"cannot read {folder} ({error.strerror})", "pass a folder you may read") from None
            self.ignored.append(prefix)
            return
        identity = (status.st_dev, status.st_ino)
        if identity in self._visited:
            return
        self._visited.add(identity)
        for entry in entries:
            name = prefix + entry.name
            if entry.is_dir():
                if not entry.name.startswith("."):
                    self._walk(Path(entry.path), name + "/")
            elif is_picture(name) and (entry.is_file() or entry.is_symlink()):  # never a pipe or a device: those would hang
                self._names.append(name)
            else:
                self.ignored.append(name)

    def _read(self, name: str) -> bytes | Unusable:
        try:
            with (self.path / name).open("rb") as file:
                return file.read(MAX_BYTES + 1)
        except OSError as error:  # without rights, or a link to nothing
            return Unusable(f"cannot be read ({error.strerror})")
