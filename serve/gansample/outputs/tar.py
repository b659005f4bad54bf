"""WebDataset tar files: for every picture `seed0000042.png`, its class as `.cls` and its metadata as `.json`.

    out.tar                     one file, or with --shard N out-000000.tar, out-000001.tar …
    out.tar.part                what is being written
    out.tar.part.json           the job, whether it may replace, and how many pictures and bytes of the part are on the disk
    out.tar.part.lock           held while a process writes; all three go when the last picture is written

The journal is updated every two seconds, after the data: whatever ends the process, --resume truncates the part to what the
journal says and continues, and the bytes are those of a run that was never interrupted.
"""

import contextlib
import json
import os
import re
import tarfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from gansample.errors import ArtefactError, OutputError
from gansample.outputs.forms import STDOUT
from gansample.outputs.job import Batch, Job
from gansample.outputs.lock import lock_file
from gansample.outputs.tar_members import END, Members, head, members, shard_name
from gansample.sampling.selection import check_unique_names
from gansample.system.atomic import publish, write_atomic
from gansample.system.lock import remove_lock
from gansample.system.streams import open_stdout

JOURNAL_SECONDS = 2.0


class Tar:
    def __init__(self, path: Path, *, overwrite: bool, resume: bool, shard: int | None) -> None:
        self.path, self._overwrite, self._resume, self._shard = path, overwrite, resume, shard
        self._journal = path.with_name(f"{path.name}.part.json")
        self._lock_path = path.with_name(f"{path.name}.part.lock")
        self._lock: IO[bytes] | None = None
        self._file: IO[bytes] | None = None
        self._end = 0  # of the last whole picture in it

    def resumable_job(self) -> Mapping[str, Any] | None:
        return self._read_journal()["identity"] if self._resume and self._journal.exists() else None

    def check(self, job: Job) -> None:
        check_unique_names(job.selection)

    def open(self, job: Job) -> Sequence[int]:
        self._job = job
        self._size = self._shard or len(job)
        self._done, self._saved = 0, time.monotonic()
        if self.path == STDOUT:
            self._file = open_stdout()
            self._file.write(head(job))
            return range(len(job))
        self._lock = lock_file(self._lock_path, self.path)
        self._done = self._kept()
        return range(self._done, len(job))

    @property
    def _shards(self) -> int:
        return -(-len(self._job) // self._size)

    def _kept(self) -> int:
        """Make the part ready to be appended to; returns how many pictures are done."""
        if self._journal.exists():
            if self._resume:
                return self._resume_part(self._read_journal())
            if not self._overwrite:
                raise OutputError(f"{self.path} was interrupted", "pass --resume to continue it, or --force to start over")
        elif self._resume and all(self._is_finished(number) for number in range(self._shards)):
            return len(self._job)
        self._check_free(0)
        write_atomic(self._journal, self._state(0))
        self._open_shard(0)
        return 0

    def _is_finished(self, number: int) -> bool:
        """Whether the file of that shard is one of this job, by the comment and the picture that it begins with."""
        try:
            with tarfile.open(self._name(number), "r:") as archive:
                identity, first = json.loads(archive.pax_headers["comment"]), archive.next()
        except (OSError, tarfile.TarError, KeyError, ValueError):
            return False
        begins = first is not None and first.name == f"{self._job.selection.name(number * self._size)}.png"
        return begins and isinstance(identity, dict) and self._job.as_begun(identity) is not None

    def _check_free(self, first: int) -> None:
        """Raise OutputError where a shard from `first` on, or one that a larger set left, exists and may not be replaced."""
        if not self._overwrite and (existing := [name for number, name in self._existing() if number >= first]):
            raise OutputError(f"{existing[0]} exists", "pass --force to replace it")

    def _existing(self) -> list[tuple[int, Path]]:
        """Finished files under this name, in order, whoever wrote them."""
        if self._shard is None:
            return [(0, self.path)] if self.path.exists() else []
        pattern = re.compile(rf"{re.escape(self.path.stem)}-(\d{{6,}}){re.escape(self.path.suffix)}")
        found = [(int(match[1]), path) for path in self.path.parent.iterdir() if (match := pattern.fullmatch(path.name))]
        return sorted(found)

    def _resume_part(self, state: Mapping[str, Any]) -> int:
        """Truncate the part to what the journal says; returns how many pictures it holds."""
        theirs, ours = state["identity"], self._job.identity
        job = self._job.as_begun(theirs)
        changed = sorted(name for name in {*theirs, *ours} - {"why"} if theirs.get(name) != ours.get(name))
        if job is None or state.get("shard", self._shard) != self._shard:  # journals up to 0.1.0 do not say it
            what = ", ".join(changed if job is None else ["shard"])
            raise OutputError(
                f"{self.path} was begun with another {what}", "repeat that command with --resume, or pass --force to start over"
            )
        self._job, self._overwrite = job, state.get("replaces") is True
        done: int = state["done"]
        number, started = divmod(done, self._size)
        if done == len(job) and started:
            number, started = number + 1, 0
        for finished in range(number):
            self._check_finished(finished)
        self._check_free(number)
        if not started:
            if done < len(job):
                self._open_shard(number)
            return done
        try:
            self._file = self._part(number).open("r+b")
        except FileNotFoundError:
            raise ArtefactError(f"{self._part(number)} is missing", "pass --force to start over") from None
        if self._file.seek(0, 2) < state["bytes"]:
            raise ArtefactError(f"{self._part(number)} is shorter than it was", "pass --force to start over")
        self._file.truncate(state["bytes"])
        self._end = self._file.seek(state["bytes"])
        return done

    def _check_finished(self, number: int) -> None:
        """Give a shard that the journal calls finished its name, if the process ended before it did. Raises ArtefactError."""
        if self._part(number).exists():
            publish(self._part(number), self._name(number), overwrite=self._overwrite)
        elif not self._name(number).exists():
            raise ArtefactError(f"{self._name(number)} is missing", "pass --force to start over")

    def _name(self, number: int) -> Path:
        if self._shard is None:
            return self.path
        return self.path.with_name(shard_name(self.path.name, number))

    def _part(self, number: int) -> Path:
        name = self._name(number)
        return name.with_name(f"{name.name}.part")

    def _open_shard(self, number: int) -> None:
        self._file = self._part(number).open("w+b")
        self._end = self._file.write(head(self._job))

    def encode(self, batch: Batch) -> Members:
        return members(self._job, batch)

    def write(self, encoded: Members) -> None:
        while encoded:
            if self._file is None:  # the last batch ended where its shard did
                self._open_shard(self._done // self._size)
            assert self._file is not None
            room = self._size - self._done % self._size
            self._file.write(b"".join(encoded[:room]))
            self._done += min(room, len(encoded))
            self._end = self._file.tell() if self.path != STDOUT else 0
            encoded = encoded[room:]
            if self._done % self._size == 0 or self._done == len(self._job):
                self._close_shard()
        if time.monotonic() - self._saved > JOURNAL_SECONDS and self.path != STDOUT:
            self._save()

    def _close_shard(self) -> None:
        assert self._file is not None
        self._file.write(END)
        self._file.flush()
        if self.path == STDOUT:
            return
        number = (self._done - 1) // self._size
        os.fsync(self._file.fileno())
        self._file.close()
        self._file = None
        # First the journal: a finished file under that name may be from before this run, so the name alone says nothing.
        write_atomic(self._journal, self._state(0))
        publish(self._part(number), self._name(number), overwrite=self._overwrite)

    def _save(self) -> None:
        """First the data, then the journal: up to the last whole picture, whatever a failed write left behind it."""
        if self._file is not None:
            self._file.flush()
            os.fsync(self._file.fileno())
            write_atomic(self._journal, self._state(self._end))
        self._saved = time.monotonic()

    def _state(self, size: int) -> bytes:
        state = {"identity": self._job.identity, "done": self._done, "bytes": size}
        return json.dumps({**state, "shard": self._shard, "replaces": self._overwrite}).encode()

    def _read_journal(self) -> dict[str, Any]:
        try:
            state = json.loads(self._journal.read_text(encoding="utf-8"))
            wrong = not (isinstance(state["identity"], dict) and state["done"] >= 0 and state["bytes"] >= 0)
        except (ValueError, KeyError, TypeError):
            wrong = True
        if wrong:
            raise ArtefactError(f"{self._journal} is damaged", "pass --force to start over")
        return dict(state)

    def finish(self) -> None:
        if self._lock is not None:
            for number, path in self._existing():
                if number >= self._shards:  # of the larger set that this one replaces
                    path.unlink()
            self._journal.unlink(missing_ok=True)
            self._release()

    def abort(self) -> str:
        if self._lock is None:  # stdout, or another process has it
            return ""
        with contextlib.suppress(OSError, OutputError):  # a full disk: the journal's last state still holds
            if self._file is not None:
                self._save()
                self._file.close()
        kept = 0
        with contextlib.suppress(OSError, ArtefactError):
            kept = self._read_journal()["done"]
        self._release()
        how = "with --resume instead of --force" if self._overwrite and not self._resume else "with --resume"
        return f"{kept:,} pictures are kept in {self.path}.part, the same command {how} draws the rest" if kept else ""

    def _release(self) -> None:
        if self._lock is not None:
            remove_lock(self._lock_path, self._lock)
            self._lock = None
