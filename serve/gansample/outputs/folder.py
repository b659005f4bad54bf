"""A folder of single PNG files. Each appears whole, so an interrupted run is gone on with by drawing what is not there.

    pictures/seed0000042.png
    pictures/.gansample-3fa9c1d2.json     which job these are from; one for each job that ever wrote here, locked while it does

Files are not synced one by one, which would cost more than drawing them: after a power failure some may be cut short, so
--resume looks at every file's end.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from gansample.atomic import cannot_write, publish, write_atomic
from gansample.errors import OutputError, UsageError
from gansample.outputs.base import Batch, Job
from gansample.outputs.lock import hold
from gansample.png import END, encode_pngs
from gansample.selection import Seeds

Files = list[tuple[str, bytes]]


class Folder:
    def __init__(self, path: Path, *, overwrite: bool, resume: bool) -> None:
        self.path, self._overwrite, self._resume = path, overwrite, resume
        self._lock: IO[bytes] | None = None
        self._wrote = 0

    def begun(self) -> Mapping[str, Any] | None:
        if not self._resume or not self.path.is_dir():
            return None
        journals = sorted(self.path.glob(".gansample-*.json"), key=lambda path: path.stat().st_mtime_ns)
        for journal in reversed(journals):
            try:
                identity: dict[str, Any] = json.loads(journal.read_text())
            except ValueError:
                continue
            return identity
        return None

    def begin(self, job: Job) -> Sequence[int]:
        self._job = job
        if isinstance(job.selection, Seeds) and (twice := job.selection.repeated()) is not None:
            raise UsageError(f"seed {twice} was asked for twice, and its file has one name", "name every seed once")
        try:
            self.path.mkdir(exist_ok=True)
        except OSError as error:
            raise cannot_write(self.path, error) from error
        identity = json.dumps(job.identity, indent=1).encode()
        self._journal = self.path / f".gansample-{hashlib.sha256(identity).hexdigest()[:8]}.json"
        known = self._journal.exists()
        if not known:
            write_atomic(self._journal, identity)
        self._lock = hold(self._journal, self.path)
        present = {entry.name for entry in self.path.iterdir()}
        mine = [position for position in range(len(job)) if self._name(position) in present]
        if mine and not self._overwrite:
            if not self._resume:
                raise OutputError(
                    f"{self.path / self._name(mine[0])} exists", "pass --force to replace it, or --resume to go on with a run"
                )
            if not known:
                self._journal.unlink()
                raise OutputError(
                    f"{self.path / self._name(mine[0])} is from another run",
                    "repeat the command that began it, or pass --force",
                )
            whole = {position for position in mine if _is_whole(self.path / self._name(position))}
            return [position for position in range(len(job)) if position not in whole]
        return range(len(job))

    def _name(self, position: int) -> str:
        return f"{self._job.selection.name(position)}.png"

    def encode(self, batch: Batch) -> Files:
        texts = None
        if self._job.remember:
            texts = [self._job.text(position, batch.label(row)) for row, position in enumerate(batch.positions)]
        return list(zip(map(self._name, batch.positions), encode_pngs(batch.images, texts), strict=True))

    def write(self, encoded: Files) -> None:
        overwrite = self._overwrite or self._resume
        for name, data in encoded:
            temp = self.path / f".{name}.tmp"
            try:
                temp.write_bytes(data)
                publish(temp, self.path / name, overwrite=overwrite, durable=False)
            finally:
                temp.unlink(missing_ok=True)
            self._wrote += 1

    def finish(self) -> None:
        self._release()

    def abandon(self) -> str:
        self._release()
        if not self._wrote:
            return ""
        return f"{self._wrote:,} whole pictures are in {self.path}, the same command with --resume draws the rest"

    def _release(self) -> None:
        if self._lock is not None:
            self._lock.close()


def _is_whole(path: Path) -> bool:
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - len(END)))
        return file.read() == END
