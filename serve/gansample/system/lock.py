"""One process at a time: a lock on an open file, which the operating system releases even after kill -9."""

import os
import time
from importlib import import_module
from pathlib import Path
from typing import IO, Any

from gansample.system.atomic import remove_quietly

_POLL_SECONDS = 0.2
# Windows locks bytes, and nobody else can read those: this one lies behind the end of every file that is locked here.
# The system call takes 32 bits.
_WINDOWS_OFFSET = 2**31 - 2


def _module(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError:
        return None


_fcntl, _msvcrt = _module("fcntl"), _module("msvcrt")  # POSIX and Windows


def try_lock(file: int) -> bool:
    """Lock the file with this descriptor until it is closed; False where another process holds it.

    True as well where there are no locks, as on some network file systems: two writers are then the user's to avoid.
    """
    try:
        if _fcntl is not None:
            _fcntl.flock(file, _fcntl.LOCK_EX | _fcntl.LOCK_NB)
        elif _msvcrt is not None:
            _lock_byte(file)
    except (BlockingIOError, PermissionError):  # POSIX, Windows
        return False
    except OSError:
        pass
    return True


def wait_for_lock(file: int) -> None:
    """`try_lock` until the other process closes the file, or ends."""
    while not try_lock(file):
        time.sleep(_POLL_SECONDS)


def remove_lock(path: Path, file: IO[bytes]) -> None:
    """Close a lock file that this process holds, and delete it where that can be done."""
    try:
        path.unlink(missing_ok=True)  # before it is closed, so that nobody locks a file that is about to go
    except OSError:  # Windows deletes nothing that is open
        file.close()
        remove_quietly(path)
    file.close()


def _lock_byte(file: int) -> None:
    position = os.lseek(file, 0, os.SEEK_CUR)
    os.lseek(file, _WINDOWS_OFFSET, os.SEEK_SET)
    try:
        _msvcrt.locking(file, _msvcrt.LK_NBLCK, 1)
    finally:
        os.lseek(file, position, os.SEEK_SET)
