"""One writer at a time, for as long as its process lives: the operating system releases the lock even after kill -9."""

from pathlib import Path
from typing import IO

from gansample.errors import OutputError

try:
    import fcntl
except ImportError:  # Windows has no flock; there two writers are the user's to avoid
    fcntl = None  # type: ignore[assignment]


def lock_file(path: Path, what: Path) -> IO[bytes]:
    """Open `path`, made where it is missing, and lock it until it is closed. Raises OutputError where another process holds it.

    what  is being written, for the message.
    """
    file = path.open("a+b")
    if fcntl is None:
        return file
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        raise OutputError(f"another gansample is writing {what}", "wait for it, or stop it") from None
    except OSError:  # a network file system without locks
        pass
    return file
