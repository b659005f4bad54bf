"""What a run leaves behind. Every file is whole or absent, and no run ever writes into another's folder.

runs/0007-digits-modern/
├── config.json             every number, the seed, versions, the data's fingerprint, the exact command
├── generator.safetensors   the averaged generator with its standing statistics: what is exported
├── checkpoint.json         how to build it, what it scored, the digest of its weights
├── states/                 everything the next step depends on, the last two of them: what --resume continues from
├── log.jsonl               losses, scores and warnings over time, one JSON object a line
├── losses.png              the same as curves
├── report.html             the run on one page: scores, curves, previews, nearest training pictures, how to repeat it
├── samples.png             seeds 0 to 63 of the selected generator
└── previews/               the same seeds during training, named by images seen
"""

import json
import os
import re
import weakref
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from gansample.bundle.fields import parse_json
from gansample.errors import ArtefactError, OutputError, UsageError
from gansample.system.atomic import cannot_write, write_atomic
from gansample.system.lock import try_lock

RUNS = Path("runs")  # relative to the working directory
CONFIG = "config.json"


class RunFolder:
    """A folder that belongs to one run, and to one process at a time. Every method raises OutputError where it cannot write."""

    def __init__(self, path: Path, lock: bool = True) -> None:
        self.path = path
        self._release: Callable[[], object] = lambda: None
        if not lock:
            return
        try:
            handle = os.open(path / ".lock", os.O_CREAT | os.O_RDWR, 0o666)
        except OSError as error:
            raise cannot_write(path / ".lock", error) from error
        self._release = weakref.finalize(self, os.close, handle)
        if not try_lock(handle):
            raise UsageError(f"another process is training in {path}", "wait for it, or stop it first")

    @classmethod
    def create(cls, path: Path | None, name: str) -> "RunFolder":
        """A new folder at `path`, or the next number under runs/. Raises OutputError where `path` already exists."""
        try:
            if path is None:
                path = _next_number(RUNS, name)
            else:
                path.mkdir(parents=True)
            (path / "previews").mkdir()
        except FileExistsError:
            assert path is not None
            if _is_abandoned(path):
                return cls(path)
            hint = f"continue it with --resume {path}, or choose" if (path / CONFIG).is_file() else "choose"
            raise OutputError(
                f"{path} exists, and a run never writes over another", f"{hint} a new folder with --out"
            ) from None
        except OSError as error:
            raise cannot_write(path or RUNS / name, error) from error
        return cls(path)

    @classmethod
    def reopen(cls, path: Path, lock: bool = True) -> "RunFolder":
        """The folder of a run to resume. ArtefactError where it is none, UsageError where another process has it."""
        if not (path / CONFIG).is_file():
            again = "repeat the command that began it, it ended before anything was there to resume"
            hint = again if path.is_dir() and _is_abandoned(path) else "pass a folder that `python -m train` made"
            raise ArtefactError(f"{path} is no run, it has no {CONFIG}", hint)
        return cls(path, lock)

    def close(self) -> None:
        """Release the folder to other processes."""
        self._release()

    def config(self) -> Mapping[str, Any]:
        """What config.json says."""
        document: Mapping[str, Any] = parse_json((self.path / CONFIG).read_text(encoding="utf-8"), str(self.path / CONFIG))
        return document

    def has_not_begun(self) -> bool:
        """Whether it ended before its first step was saved: nothing is lost if it begins with that step."""
        if any((self.path / "states").glob("*.state")):
            return False
        log, checkpoint = self.path / "log.jsonl", self.path / "checkpoint.json"
        rows = [_row(line) for line in log.read_text(encoding="utf-8").splitlines()] if log.exists() else []
        if checkpoint.exists():  # the generator is first scored, and kept, before it is trained
            rows.append(parse_json(checkpoint.read_text(encoding="utf-8"), str(checkpoint)).get("trained"))
        return all(row is not None and row.get("step") == 0 for row in rows)

    def write(self, name: str, data: bytes) -> None:
        write_atomic(self.path / name, data)

    def write_json(self, name: str, document: Mapping[str, Any]) -> None:
        self.write(name, json.dumps(document, indent=1, allow_nan=False).encode() + b"\n")

    def log(self, row: Mapping[str, Any]) -> None:
        """Append one line to log.jsonl."""
        try:
            with (self.path / "log.jsonl").open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")
        except OSError as error:
            raise cannot_write(self.path / "log.jsonl", error) from error

    def forget_after(self, step: int) -> list[dict[str, Any]]:
        """Cut from log.jsonl what came after `step`, since it will be done again; returns the rows that stay."""
        path = self.path / "log.jsonl"
        rows = (
            [row for line in path.read_text(encoding="utf-8").splitlines() if (row := _row(line)) and row["step"] <= step]
            if path.exists()
            else []
        )
        self.write("log.jsonl", "".join(json.dumps(row) + "\n" for row in rows).encode())
        return rows


def _is_abandoned(path: Path) -> bool:
    """Whether a run made this folder and ended, or found the disk full, before it wrote a file."""
    entries = {entry.name for entry in path.iterdir()} if path.is_dir() else set()
    unfinished = {name for name in entries if name.startswith(f".{CONFIG}.") and name.endswith(".tmp")}
    return entries - unfinished == {".lock", "previews"} and not any((path / "previews").iterdir())


def _row(line: str) -> dict[str, Any] | None:
    """A line of log.jsonl; None for the half of one that a killed process left."""
    try:
        row: dict[str, Any] = json.loads(line)
    except ValueError:
        return None
    return row


def _next_number(root: Path, name: str) -> Path:
    """Make and return root/NNNN-name, one more than the largest number there; safe when two runs start at once."""
    root.mkdir(exist_ok=True)
    while True:
        numbers = [int(match[1]) for path in root.iterdir() if (match := re.match(r"(\d{4,})-", path.name))]
        path = root / f"{max(numbers, default=0) + 1:04d}-{name}"
        try:
            path.mkdir()
        except FileExistsError:
            continue
        return path
