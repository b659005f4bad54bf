"""A folder of single PNG files. Each appears whole, so an interrupted run is resumed by drawing those that are missing.

    pictures/seed0000042.png
    pictures/.gansample-3fa9c1d2.json     the job they are from: a file for every job that wrote here, locked while it does

Files are not synced one by one, which would cost more than drawing them: after a power failure some may be truncated, so
--resume checks the end of every file.
"""

import contextlib
import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from gansample.errors import OutputError
from gansample.outputs.job import Batch, Job
from gansample.outputs.lock import lock_file
from gansample.outputs.png import END
from gansample.outputs.png_files import PngFiles, png_files
from gansample.sampling.selection import check_unique_names
from gansample.system.atomic import cannot_write, publish, remove_quietly, write_atomic


class Folder:
    def __init__(self, path: Path, *, overwrite: bool, resume: bool) -> None:
        self.path, self._overwrite, self._resume = path, overwrite, resume
        self._lock: IO[bytes] | None = None
        self._fresh_journal: Path | None = None
        self._wrote = 0

    def resumable_job(self) -> Mapping[str, Any] | None:
        if not self._resume or not self.path.is_dir():
            return None
        return next(self._identities(), None)

    def _identities(self) -> Iterator[dict[str, Any]]:
        """Of every job that wrote here, the newest first."""
        journals = sorted(self.path.glob(".gansample-*.json"), key=lambda path: path.stat().st_mtime_ns)
        for journal in reversed(journals):
            with contextlib.suppress(ValueError):
                yield json.loads(journal.read_text(encoding="utf-8"))

    def check(self, job: Job) -> None:
        check_unique_names(job.selection)

    def open(self, job: Job) -> Sequence[int]:
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
        self._lock = lock_file(journal, self.path)
        if known and not self._resume:
            os.utime(journal)  # it begins anew: what was written before does not count as this run's
        self._begun = journal.stat().st_mtime_ns
        self._newest = all(other.stat().st_mtime_ns <= self._begun for other in self.path.glob(".gansample-*.json"))
        return self._missing(known)

    def _missing(self, known: bool) -> Sequence[int]:
        """The positions that are not written yet. Raises OutputError for files that may not be replaced."""
        everything = range(len(self._job))
        present = {entry.name for entry in self.path.iterdir() if entry.suffix == ".png"}
        there = [position for position in everything if self._name(position) in present] if present else []
        if not there or self._overwrite:
            return everything
        first = self.path / self._name(there[0])
        if not self._resume:
            raise OutputError(f"{first} exists", "pass --force to replace it, or --resume to finish an interrupted run")
        if not known:
            raise OutputError(f"{first} is from another run", "repeat the command that began it, or pass --force")
        done = {position for position in there if self._is_done(position)}
        return [position for position in everything if position not in done]

    def _is_done(self, position: int) -> bool:
        """Whether its file is whole and this job's: it may be from before the run, or another job may have replaced it since.

        A picture says whose it is; one without metadata is taken only if it is newer than the job, and no job came later.
        """
        path = self.path / self._name(position)
        data = path.read_bytes()
        if not data.endswith(END):
            return False
        if not self._job.with_metadata:
            return self._newest and path.stat().st_mtime_ns >= self._begun
        labels = self._job.labels([position])
        return self._job.picture_json(position, int(labels[0]) if labels is not None else None).encode() in data

    def _name(self, position: int) -> str:
        return f"{self._job.selection.name(position)}.png"

    def encode(self, batch: Batch) -> PngFiles:
        return png_files(self._job, batch)

    def write(self, encoded: PngFiles) -> None:
        overwrite = self._overwrite or self._resume
        for name, data in encoded:
            temp = self.path / f".{name}.tmp"
            try:
                temp.write_bytes(data)
                publish(temp, self.path / name, overwrite=overwrite, durable=False)
            finally:
                remove_quietly(temp)
            self._wrote += 1

    def finish(self) -> None:
        self._release()

    def abort(self) -> str:
        self._release()
        if not self._wrote and self._fresh_journal is not None:
            remove_quietly(self._fresh_journal)  # or a later --resume would take the files here for this job's
        if not self._wrote:
            return ""
        how = "with --resume instead of --force" if self._overwrite else "with --resume"
        return f"{self._wrote:,} whole pictures are in {self.path}, the same command {how} draws the rest"

    def _release(self) -> None:
        if self._lock is not None:
            self._lock.close()
