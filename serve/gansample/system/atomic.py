"""Writes that happen whole or not at all: a temporary file in the same folder, fsync, rename.

Temporary files are opened with mode 0666 and folders made with 0777, so that the kernel applies the umask. `tempfile` would
make them private, and the umask cannot be read without setting it for every thread of the process.
"""

import contextlib
import errno
import os
import secrets
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from gansample.errors import OutputError

_AT_FDCWD, _RENAME_EXCHANGE = -100, 2  # fcntl.h, linux/fs.h


def write_atomic(path: Path, data: bytes, *, overwrite: bool = True) -> None:
    """Write `data` to `path` so that a reader, a crash or a full disk never meets half of it.

    Raises OutputError (path and reason in the message); the previous file, if any, is then still intact. With
    `overwrite=False` an existing file is an error even if it appeared a moment ago.
    """
    temp = temporary_name(path)
    try:
        with temp.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        publish(temp, path, overwrite=overwrite)
    except OSError as error:
        raise cannot_write(path, error) from error
    finally:
        remove_quietly(temp)


def temporary_name(path: Path) -> Path:
    """A hidden name beside `path` that nobody uses, not too long where `path` is nearly so."""
    return path.with_name(f".{path.name[:50]}.{secrets.token_hex(4)}.tmp")


def publish(temp: Path, path: Path, *, overwrite: bool, durable: bool = True) -> None:
    """Give the finished file `temp` the name `path`; OutputError where `path` exists and may not be replaced.

    durable  wait until the name itself is on the disk.
    """
    if overwrite:
        temp.replace(path)
    else:
        try:
            path.hardlink_to(temp)  # unlike a rename, fails where the target exists
            temp.unlink()
        except FileExistsError:
            if not path.samefile(temp):  # else a process ended between the two lines above
                raise _exists(path) from None
            temp.unlink()
        except OSError:  # a file system without hard links
            if path.exists():
                raise _exists(path) from None
            temp.replace(path)
    if durable:
        _sync_folder(path.parent)


def _exists(path: Path) -> OutputError:
    return OutputError(f"{path} exists", "pass --force to replace it")


@contextlib.contextmanager
def folder_atomic(path: Path) -> Iterator[Path]:
    """A new folder to fill; it takes the name `path`, replacing what was there, only if the block succeeds.

    Its files are on the disk before it takes the name. On Linux the two folders change places at once, so that a reader finds
    the old one or the new one; elsewhere there is none for a moment.

    Raises OutputError where the folder cannot be made or moved; the caller decides beforehand whether `path` may go.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temp = temporary_name(path)
        temp.mkdir()
    except OSError as error:
        raise cannot_write(path, error) from error
    try:
        yield temp
        _sync_tree(temp)
        if not path.exists():
            temp.rename(path)
        elif not _exchange(temp, path):
            retired = temp.with_suffix(".old")
            path.rename(retired)
            temp.rename(path)
            shutil.rmtree(retired, ignore_errors=True)
        _sync_folder(path.parent)
    except OSError as error:
        raise cannot_write(path, error) from error
    finally:
        shutil.rmtree(temp, ignore_errors=True)


def _exchange(one: Path, other: Path) -> bool:
    """Let two names change places in one step; False where the system or the file system cannot.

    renameat2(2) with RENAME_EXCHANGE, which Python does not have.
    """
    if sys.platform != "linux":
        return False
    import ctypes

    try:
        rename = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError):  # a C library without it
        return False
    return bool(rename(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE) == 0)


def _sync_tree(folder: Path) -> None:
    """Make every file below `folder`, and their names, durable."""
    for place, _, files in os.walk(folder):
        for name in files:
            with (Path(place) / name).open("rb") as file:
                os.fsync(file.fileno())
        _sync_folder(Path(place))


def cannot_write(path: Path, error: OSError) -> OutputError:
    """The one wording for every failed write, with the hint that fits the operating system's reason."""
    hints = {
        "ENOENT": f"create the folder first: mkdir -p {path.parent}",
        "ENOTDIR": f"{path.parent} is not a folder",
        "EACCES": "choose a folder you may write to",
        "EPERM": "choose a folder you may write to",
        "EROFS": "the file system is read-only, choose another folder",
        "ENOSPC": "the disk is full, free some space",
        "ENAMETOOLONG": "choose a shorter name",
        "EISDIR": "that is a folder, give a file name",
    }
    code = errno.errorcode.get(error.errno or 0, "")
    hint = hints.get(code, "")
    if code == "ENOENT" and path.parent.is_dir():
        hint = "choose another folder"
    return OutputError(f"cannot write {path} ({error.strerror or error})", hint)


def remove_quietly(path: Path) -> None:
    """Remove what is left of a failed write, where that can be done: the first error is the one to tell of."""
    with contextlib.suppress(OSError):
        path.unlink()


def _sync_folder(folder: Path) -> None:
    """Make the rename itself durable. Some network file systems cannot, and then the rename is all there is."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
