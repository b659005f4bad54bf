"""What a run leaves behind. Every file is whole or absent, and no run ever writes into another's folder.

runs/0007-digits-modern/
├── config.json             every number, the seed, versions, the data's fingerprint, the exact command
├── generator.safetensors   the averaged generator with its standing statistics: what is exported
├── checkpoint.json         how to build it, what it scored, the digest of its weights
├── log.jsonl               losses and scores over time, one JSON object a line
├── losses.png              the same as curves
├── samples.png             seeds 0 to 63 of the generator that was kept
└── previews/               the same seeds during training, named by images seen
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gansample.atomic import cannot_write, write_atomic
from gansample.errors import OutputError

RUNS = Path("runs")  # relative to the working directory


class RunFolder:
    """A folder that belongs to one run. Every method raises OutputError where it cannot write."""

    def __init__(self, path: Path) -> None:
        self.path = path

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
            raise OutputError(f"{path} exists, and a run never writes over another", "choose a new folder with --out") from None
        except OSError as error:
            raise cannot_write(path or RUNS / name, error) from error
        return cls(path)

    def write(self, name: str, data: bytes) -> None:
        write_atomic(self.path / name, data)

    def write_json(self, name: str, document: Mapping[str, Any]) -> None:
        self.write(name, json.dumps(document, indent=1, allow_nan=False).encode() + b"\n")

    def log(self, row: Mapping[str, Any]) -> None:
        """Append one line to log.jsonl."""
        try:
            with (self.path / "log.jsonl").open("a") as file:
                file.write(json.dumps(row) + "\n")
        except OSError as error:
            raise cannot_write(self.path / "log.jsonl", error) from error


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
