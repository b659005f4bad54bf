"""Training states on disk: written whole, the last two of them, each with its digest inside.

    states/000001250.state    a line that names the format, the SHA-256 of what follows, and torch's zip of plain tensors

Reading is digest → parse, and `weights_only=True` builds tensors and plain values only, so nothing in a state can execute.
"""

import io
import logging
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from gansample.bundle.seal import digest
from gansample.errors import ArtefactError
from train.run_folder import RunFolder

logger = logging.getLogger(__name__)

FOLDER = "states"
STATES_KEPT = 2
_FORMAT = b"gansample training state 1, sha256 "
_HEADER = re.compile(re.escape(_FORMAT) + rb"([0-9a-f]{64})\n")


def write_state(run: RunFolder, step: int, state: Mapping[str, Any]) -> None:
    """Write `state` as the one after `step` steps and delete all but the last two.

    Raises OutputError where it cannot be written; the states before are then still there.
    """
    buffer = io.BytesIO()
    torch.save(dict(state), buffer)
    data = buffer.getvalue()
    (run.path / FOLDER).mkdir(exist_ok=True)
    run.write(f"{FOLDER}/{step:09d}.state", _FORMAT + digest(data).encode() + b"\n" + data)
    for path in state_paths(run.path)[STATES_KEPT:]:
        path.unlink(missing_ok=True)


def state_paths(run: Path) -> list[Path]:
    """The states in a run folder, the newest first."""
    return sorted((run / FOLDER).glob("*.state"), reverse=True)


def load_newest_state(run: Path) -> dict[str, Any]:
    """The newest state that is whole; a damaged one is logged and the one before is used.

    Raises ArtefactError where there is none.
    """
    paths = state_paths(run)
    for path in paths:
        try:
            return read_state(path)
        except ArtefactError as error:
            logger.warning(str(error))
    found = f"none of {len(paths)} is whole" if paths else "it holds none"
    raise ArtefactError(f"{run} has no training state to resume from ({found})", "train again with: make train")


def read_state(path: Path) -> dict[str, Any]:
    """The state in one file. Raises ArtefactError where it is missing, damaged or of another format."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ArtefactError(f"cannot read {path} ({error.strerror})", "check the file's permissions") from None
    header = _HEADER.match(data)
    if header is None:
        raise ArtefactError(f"{path} is not a training state of this version", "it is damaged, or another version wrote it")
    body = data[header.end() :]
    if digest(body).encode() != header[1]:
        raise ArtefactError(
            f"{path} does not match its digest", "it is damaged, the state before it is used where there is one"
        )
    state: dict[str, Any] = torch.load(io.BytesIO(body), map_location="cpu", weights_only=True)
    return state
