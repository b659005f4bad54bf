"""One file that takes its name when it is whole, or stdout."""

import contextlib
import os
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from gansample.outputs.forms import STDOUT
from gansample.outputs.job import Batch, Job
from gansample.system.atomic import publish, remove_quietly, temporary_name
from gansample.system.streams import open_stdout


class Target:
    """Opened at `open`, written through `file`, then `commit` or `discard`."""

    def __init__(self, path: Path, *, overwrite: bool) -> None:
        self.path, self._overwrite = path, overwrite
        self._temp: Path | None = None
        self._file: IO[bytes] | None = None

    @property
    def file(self) -> IO[bytes]:
        assert self._file is not None, "opened first"
        return self._file

    def open(self) -> IO[bytes]:
        if self.path == STDOUT:
            self._file = open_stdout()
        else:
            self._temp = temporary_name(self.path)
            self._file = self._temp.open("x+b")
        return self._file

    def commit(self) -> None:
        self.file.flush()
        if self._temp is None:
            return
        os.fsync(self.file.fileno())
        self.file.close()
        publish(self._temp, self.path, overwrite=self._overwrite)
        self._temp = None

    def discard(self) -> None:
        if self._temp is None:
            return
        with contextlib.suppress(OSError):  # what is still buffered does not fit on the disk either
            if self._file is not None:
                self._file.close()
        remove_quietly(self._temp)
        self._temp = None


class WholeFile(ABC):
    """What all single files share: they appear when they are whole, and cannot be resumed."""

    def check(self, job: Job) -> None:
        return

    @abstractmethod
    def open(self, job: Job) -> Sequence[int]: ...

    @abstractmethod
    def encode(self, batch: Batch) -> Any: ...

    @abstractmethod
    def write(self, encoded: Any) -> None: ...

    @abstractmethod
    def finish(self) -> None: ...

    def __init__(self, path: Path, *, overwrite: bool) -> None:
        self.path, self._target = path, Target(path, overwrite=overwrite)
        self._closing = contextlib.ExitStack()
        """Holds what is open on top of the target, however far `open` came."""

    def resumable_job(self) -> Mapping[str, Any] | None:
        return None

    def abort(self) -> str:
        with contextlib.suppress(OSError, ValueError):  # on a full disk an archive cannot even be closed
            self._closing.close()
        self._target.discard()
        return ""
