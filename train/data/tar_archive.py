"""Pictures in a tar, compressed or not, read where they lie: nothing is unpacked, and no link is followed."""

import lzma
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from gansample.errors import ArtefactError
from train.data.container import is_picture, relative_name
from train.data.decode import MAX_BYTES
from train.data.fit import Unusable
from train.data.source import file_sha256

_COMPRESSIONS = {b"\x1f\x8b": "gz", b"BZh": "bz2", b"\xfd7zXZ\0": "xz"}
_ERRORS = (OSError, EOFError, tarfile.TarError, zlib.error, lzma.LZMAError)
_EXTENDED = (tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK, tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE)
_MAX_HEADER = 2**20  # bytes


class TarArchive:
    """See `Container`. Raises ArtefactError for one that is damaged or cut off."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.ignored: list[str] = []
        self._members: dict[str, tarfile.TarInfo] = {}
        with self._open() as archive:
            for member in _members(archive, path):
                if member.isdir():
                    continue
                name = relative_name(member.name) or member.name
                if is_picture(name):
                    self._members[name] = member  # a later member of the same name replaces the earlier, as unpacking does
                else:
                    self.ignored.append(name)

    def names(self) -> list[str]:
        return sorted(self._members)

    def files(self) -> Iterator[tuple[str, bytes | Unusable]]:
        with self._open() as archive:
            for name, member in sorted(self._members.items(), key=lambda item: item[1].offset):
                yield name, self._read(archive, member)

    def content(self) -> str:
        return file_sha256(self.path)

    def _open(self) -> tarfile.TarFile:
        try:
            with self.path.open("rb") as file:
                start = file.read(6)
            packed = next((name for magic, name in _COMPRESSIONS.items() if start.startswith(magic)), "")
            return tarfile.open(self.path, f"r:{packed}", tarinfo=_Member)  # type: ignore[call-overload, no-any-return]
        except _ERRORS as error:
            raise _damaged(self.path, error) from None

    def _read(self, archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes | Unusable:
        if relative_name(member.name) is None:
            return Unusable("its name leads out of the archive")
        if not member.isreg():
            return Unusable("a link or a device, no file")
        if member.size > MAX_BYTES:
            return Unusable(f"larger than {MAX_BYTES >> 20} MB")
        try:
            file = archive.extractfile(member)
            assert file is not None  # it is a regular file
            return file.read()
        except _ERRORS as error:
            raise _damaged(self.path, error) from None


class _Member(tarfile.TarInfo):
    """tarfile reads extended headers whole, and a compressed archive of kilobytes can claim one of gigabytes."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> "_Member":
        member = super().frombuf(buf, encoding, errors)
        if member.type in _EXTENDED and member.size > _MAX_HEADER:
            raise tarfile.ReadError(f"a header of {member.size:,} bytes")
        return member


def is_tar(path: Path) -> bool:
    try:
        return tarfile.is_tarfile(path)
    except _ERRORS:
        return False


def _members(archive: tarfile.TarFile, path: Path) -> Iterator[tarfile.TarInfo]:
    try:
        yield from archive
        archive.fileobj.seek(archive.offset)
        end = archive.fileobj.read(tarfile.BLOCKSIZE)
    except _ERRORS as error:
        raise _damaged(path, error) from None
    # tarfile takes a cut between two members for the end: only the closing block of zeros proves that nothing is missing
    if len(end) < tarfile.BLOCKSIZE or end.strip(b"\0"):
        raise _damaged(path, "unexpected end of data")


def _damaged(path: Path, error: Exception | str) -> ArtefactError:
    return ArtefactError(f"{path} is a damaged archive ({error})", "copy or download it again")
