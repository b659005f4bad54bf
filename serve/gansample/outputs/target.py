"""One file that takes its name when it is whole, or stdout."""

import os
import sys
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from gansample.atomic import publish
from gansample.errors import OutputError
from gansample.outputs.base import Batch, Job
from gansample.outputs.forms import STDOUT


class Target:
    """Opened at `begin`, written through `file`, then `commit` or `discard`."""

    def __init__(self, path: Path, *, overwrite: bool) -> None:
        self.path, self._overwrite = path, overwrite
        self._temp: Path | None = None
        self.file: IO[bytes]

    def open(self) -> IO[bytes]:
        if self.path == STDOUT:
            self.file = sys.stdout.buffer
        else:
            handle, name = tempfile.mkstemp(prefix=f".{self.path.name}.", suffix=".tmp", dir=self.path.parent)
            self._temp, self.file = Path(name), os.fdopen(handle, "w+b")
        return self.file

    def commit(self) -> None:
        if self._temp is None:
            self.file.flush()
            return
        self.file.flush()
        os.fsync(self.file.fileno())
        self.file.close()
        publish(self._temp, self.path, overwrite=self._overwrite)
        self._temp = None

    def discard(self) -> None:
        if self._temp is not None:
            self.file.close()
            self._temp.unlink(missing_ok=True)
            self._temp = None


class WholeFile(ABC):
    """The half of an output that all single files share: they are there when they are whole, and cannot be gone on with."""

    @abstractmethod
    def begin(self, job: Job) -> Sequence[int]: ...

    @abstractmethod
    def encode(self, batch: Batch) -> Any: ...

    @abstractmethod
    def write(self, encoded: Any) -> None: ...

    @abstractmethod
    def finish(self) -> None: ...

    def __init__(self, path: Path, *, overwrite: bool) -> None:
        self.path, self._target = path, Target(path, overwrite=overwrite)

    def begun(self) -> Mapping[str, Any] | None:
        return None

    def abandon(self) -> str:
        self._target.discard()
        return ""


def reader_has_left(error: OSError) -> OutputError:
    """stdout's reader is gone or full: silence Python, which would complain once more when it flushes stdout at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return OutputError(f"cannot write to stdout ({error.strerror})", "the reader has left or is full")
