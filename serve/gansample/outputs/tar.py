"""WebDataset tar files: for every picture `seed0000042.png`, its class as `.cls` and its metadata as `.json`.

    out.tar                     one file, or with --shard N out-000000.tar, out-000001.tar …
    out.tar.part                what is being written
    out.tar.part.json           the job, and how many pictures and bytes of the part are safely on the disk
    out.tar.part.lock           held while a process writes; all three go when the last picture is written

The journal is updated every two seconds, after the data: whatever ends the process, --resume truncates the part to what the
journal says and continues, and the bytes are those of a run that was never interrupted.

Headers are ustar (POSIX.1-1988), made from one of `tarfile`'s: three fields of 512 bytes change from file to file, and
`tarfile` would take longer for a header than the encoder for a picture.
"""

import contextlib
import json
import os
import tarfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from gansample.errors import ArtefactError, OutputError
from gansample.outputs.forms import STDOUT
from gansample.outputs.job import Batch, Job
from gansample.outputs.lock import lock_file
from gansample.outputs.png import encode_pngs
from gansample.outputs.target import open_stdout
from gansample.sampling.selection import check_unique_names
from gansample.system.atomic import publish, write_atomic

BLOCK = 512
JOURNAL_SECONDS = 2.0
_TEMPLATE = bytearray(tarfile.TarInfo("").tobuf(tarfile.USTAR_FORMAT))
_TEMPLATE[148:156] = b" " * 8  # a checksum is taken with its own field blank
_TEMPLATE_SUM = sum(_TEMPLATE) - sum(_TEMPLATE[124:136])

Members = list[bytes]
"""One entry a picture: its headers and files, padded to whole blocks."""
END = bytes(2 * BLOCK)


def head(job: Job) -> bytes:
    """The job, as a comment that every tar program skips."""
    comment = json.dumps(job.identity) if job.with_metadata else ""
    return tarfile.TarInfo.create_pax_global_header({"comment": comment}) if comment else b""


def members(job: Job, batch: Batch) -> Members:
    made = []
    for row, (position, png) in enumerate(zip(batch.positions, encode_pngs(batch.images), strict=True)):
        name, label = job.selection.name(position), batch.label(row)
        files = [(f"{name}.png", png)]
        if label is not None:
            files.append((f"{name}.cls", str(label).encode()))
        if job.with_metadata:
            files.append((f"{name}.json", job.picture_json(position, label).encode()))
        made.append(b"".join(_member(file, data) for file, data in files))
    return made


def shard_name(path: str, number: int) -> str:
    """out.tar -> out-000007.tar"""
    stem, dot, suffix = path.rpartition(".")
    return f"{stem}-{number:06d}{dot}{suffix}"


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

    def open(self, job: Job) -> Sequence[int]:
        check_unique_names(job.selection)
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

    def _kept(self) -> int:
        """Make the part ready to be appended to; returns how many pictures are done."""
        last = self._name(-(-len(self._job) // self._size) - 1)
        if last.exists() and not self._overwrite:
            if self._resume and not self._journal.exists() and _is_whole(self._job, last):
                return len(self._job)
            raise OutputError(f"{last} exists", "pass --force to replace it")
        if self._journal.exists() and self._resume:
            return self._resume_part()
        if self._journal.exists() and not self._overwrite:
            raise OutputError(f"{self.path} was interrupted", "pass --resume to continue it, or --force to start over")
        write_atomic(self._journal, self._state(0))
        self._open_shard(0)
        return 0

    def _resume_part(self) -> int:
        """Truncate the part to what the journal says; returns how many pictures it holds."""
        state = self._read_journal()
        if (job := self._job.as_begun(state["identity"])) is None:
            theirs, ours = state["identity"], self._job.identity
            changed = sorted(name for name in {*theirs, *ours} - {"why"} if theirs.get(name) != ours.get(name))
            raise OutputError(
                f"{self.path} was begun with another {', '.join(changed)}", "repeat that command with --resume, or pass --force"
            )
        self._job = job
        done: int = state["done"]
        number, started = divmod(done, self._size)
        if started and self._name(number).exists():  # this shard was finished, and then its journal was not
            number, started, done = number + 1, 0, min((number + 1) * self._size, len(self._job))
        if not started:
            if done < len(self._job):
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
        publish(self._part(number), self._name(number), overwrite=self._overwrite)
        write_atomic(self._journal, self._state(0))

    def _save(self) -> None:
        """First the data, then the journal: up to the last whole picture, whatever a failed write left behind it."""
        if self._file is not None:
            self._file.flush()
            os.fsync(self._file.fileno())
            write_atomic(self._journal, self._state(self._end))
        self._saved = time.monotonic()

    def _state(self, size: int) -> bytes:
        return json.dumps({"identity": self._job.identity, "done": self._done, "bytes": size}).encode()

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
        return f"{kept:,} pictures are kept in {self.path}.part, the same command with --resume draws the rest" if kept else ""

    def _release(self) -> None:
        if self._lock is not None:
            self._lock_path.unlink(missing_ok=True)
            self._lock.close()
            self._lock = None


def _member(name: str, data: bytes) -> bytes:
    head = _TEMPLATE.copy()
    stem, size = name.encode("ascii"), b"%011o\0" % len(data)
    head[: len(stem)] = stem
    head[124:136] = size
    head[148:156] = b"%06o\0 " % (_TEMPLATE_SUM + sum(stem) + sum(size))
    return b"".join((head, data, bytes(-len(data) % BLOCK)))


def _is_whole(job: Job, path: Path) -> bool:
    """Whether the tar at `path` is one of `job`, by the comment that it begins with."""
    try:
        with tarfile.open(path, "r:") as archive:
            identity = json.loads(archive.pax_headers["comment"])
    except (tarfile.TarError, KeyError, ValueError):
        return False
    return job.with_metadata and isinstance(identity, dict) and job.as_begun(identity) is not None
