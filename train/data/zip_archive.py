"""Pictures in a zip, read where they lie: nothing is unpacked, and no member may grow beyond what a picture may hold."""

import stat
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from gansample.errors import ArtefactError
from train.data.container import is_picture, relative_name
from train.data.decode import MAX_BYTES
from train.data.fit import Unusable
from train.data.source import file_sha256

_ENCRYPTED = 0x1  # flag bit of a member


class ZipArchive:
    """See `Container`. Raises ArtefactError for one that is damaged, cut off or encrypted."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.ignored: list[str] = []
        self._members: dict[str, zipfile.ZipInfo] = {}
        with self._open() as archive:
            members = archive.infolist()
        for member in members:
            if member.is_dir():
                continue
            name = relative_name(member.filename) or member.filename
            if not is_picture(name):
                self.ignored.append(name)
                continue
            if member.flag_bits & _ENCRYPTED:
                raise ArtefactError(f"{path} is encrypted", "unpack it with its password and pass the folder")
            self._members[name] = member  # a later member of the same name replaces the earlier, as unpacking does

    def names(self) -> list[str]:
        return sorted(self._members)

    def files(self) -> Iterator[tuple[str, bytes | Unusable]]:
        with self._open() as archive:
            for name, member in self._members.items():
                yield name, _read(archive, member)

    def content(self) -> str:
        return file_sha256(self.path)

    def _open(self) -> zipfile.ZipFile:
        try:
            return zipfile.ZipFile(self.path)
        except (OSError, ValueError, NotImplementedError, zipfile.BadZipFile) as error:
            raise ArtefactError(f"{self.path} is a damaged archive ({error})", "copy or download it again") from None


def is_zip(path: Path) -> bool:
    return zipfile.is_zipfile(path)


def _read(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes | Unusable:
    if relative_name(member.filename) is None:
        return Unusable("its name leads out of the archive")
    if stat.S_ISLNK(member.external_attr >> 16):
        return Unusable("a link or a device, no file")
    if member.file_size > MAX_BYTES:
        return Unusable(f"larger than {MAX_BYTES >> 20} MB")
    try:
        with archive.open(member) as file:
            return file.read(MAX_BYTES)  # zipfile gives no more than the size that the check above has seen
    except (OSError, EOFError, zipfile.BadZipFile, zlib.error, NotImplementedError, ValueError) as error:
        return Unusable(f"damaged ({error})")
