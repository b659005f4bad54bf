"""A folder of single PNG files. Each appears whole, so an interrupted run is gone on with by drawing what is not there.

    pictures/seed0000042.png
    pictures/.gansample-3fa9c1d2.json     which job these are from; one for each job that ever wrote here, locked while it does

Files are not synced one by one, which would cost more than drawing them: after a power failure some may be cut short, so
--resume looks at every file's end.
"""

import contextlib
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from gansample.errors import OutputError, UsageError
from gansample.outputs.base import Batch, Job
from gansample.outputs.lock import hold
from gansample.outputs.png import END, encode_pngs
from gansample.sampling.selection import Seeds
from gansample.system.atomic import cannot_write, publish, write_atomic

Files = list[tuple[str, bytes]]


class Folder:
    def __init__(self, path: Path, *, overwrite: bool, resume: bool) -> None:
        self.path, self._overwrite, self._resume = path, overwrite, resume
        self._lock: IO[bytes] | None = None
        self._fresh_journal: Path | None = None
        self._wrote = 0

    def begun(self) -> Mapping[str, Any] | None:
        if not self._resume or not self.path.is_dir():
            return None
        return next(self._identities(), None)

    def _identities(self) -> Iterator[dict[str, Any]]:
        """Of every job that wrote here, the newest first."""
        journals = sorted(self.path.glob(".gansample-*.json"), key=lambda path: path.stat().st_mtime_ns)
        for journal in reversed(journals):
            with contextlib.suppress(ValueError):
                yield json.loads(journal.read_text())

    def begin(self, job: Job) -> Sequence[int]:
        if isinstance(job.selection, Seeds) and (twice := job.selection.repeated()) is not None:
            raise UsageError(f"seed {twice} was asked for twice, and its file has one name", "name every seed once")
        try:
            self.path.mkdir(exist_ok=True)
        except OSError as error:
            raise cannot_write(self.path, error) from error
        if self._resume:
            job = next((begun for identity in self._identities() if (begun := job.as_begun(identity)) is not None), job)
        self._job = job
        identity = json.dumps(job.identity, indent=1).encode()
        journal = self.path / f".gansample-{hashlib.sha256(identity).hexdigest()[:8]}.json"
        known = journal.exists()
        if not known:
            self._fresh_journal = journal
            write_atomic(journal, identity)
        self._lock = hold(journal, self.path)
        return self._left(known)

    def _left(self, known: bool) -> Sequence[int]:
        """The positions that are not there yet. Raises OutputError for files that stand in the way."""
        everything = range(len(self._job))
        present = {entry.name for entry in self.path.iterdir() if entry.suffix == ".png"}
        there = [position for position in everything if self._name(position) in present] if present else []
        if not there or self._overwrite:
            return everything
        first = self.path / self._name(there[0])
        if not self._resume:
            raise OutputError(f"{first} exists", "pass --force to replace it, or --resume to go on with a run")
        if not known:
            raise OutputError(f"{first} is from another run", "repeat the command that began it, or pass --force")
        done = {position for position in there if self._is_done(position)}
        return [position for position in everything if position not in done]

    def _is_done(self, position: int) -> bool:
        """Whether its file is whole, and this job's: another one may have replaced it since."""
        data = (self.path / self._name(position)).read_bytes()
        labels = self._job.labels([position])
        text = self._job.text(position, int(labels[0]) if labels is not None else None) if self._job.remember else ""
        return data.endswith(END) and text.encode() in data

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
        if not self._wrote and self._fresh_journal is not None:
            self._fresh_journal.unlink(missing_ok=True)  # or a later --resume would take what stands here for this job's
        if not self._wrote:
            return ""
        return f"{self._wrote:,} whole pictures are in {self.path}, the same command with --resume draws the rest"

    def _release(self) -> None:
        if self._lock is not None:
            self._lock.close()
