"""One writer at a time, for as long as its process lives."""

from pathlib import Path
from typing import IO

from gansample.errors import OutputError
from gansample.system.lock import try_lock


def lock_file(path: Path, what: Path) -> IO[bytes]:
    """Open `path`, made where it is missing, and lock it until it is closed. Raises OutputError where another process holds it.

    what  is being written, for the message.
    """
    file = path.open("a+b")
    if not try_lock(file.fileno()):
        file.close()
        raise OutputError(f"another gansample is writing {what}", "wait for it, or stop it")
    return file
