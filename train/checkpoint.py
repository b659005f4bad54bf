"""A trained generator on disk: two files that prove each other.

    generator.safetensors   the weights
    checkpoint.json         how to build the generator, what it scored, and the digest of the weights; sealed with its own

Reading is size → digest → parse, and safetensors holds numbers only, so nothing in a checkpoint can execute.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from gansample.bundle.fields import FieldReader, parse_json
from gansample.bundle.open import MAX_FILE_BYTES
from gansample.bundle.seal import BLANK, KEY, digest, seal_holds, sealed
from gansample.errors import ArtefactError, UsageError
from gansample.system.atomic import cannot_write, write_atomic
from gansample.system.newest import folders_newest_first
from train.model.networks import Generator
from train.run_folder import RUNS

SCHEMA = 1
MANIFEST = "checkpoint.json"
WEIGHTS = "generator.safetensors"

_NEXT = WEIGHTS + ".next"
_TRAIN_AGAIN = "train again with: make train"


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedGenerator:
    """A checked checkpoint."""

    generator: Generator
    """In eval mode, float32, on the CPU."""
    info: Mapping[str, Any]
    """The whole of checkpoint.json."""
    sha256: str
    """Digest of generator.safetensors."""
    path: Path
    """The run folder."""


def save_checkpoint(run: Path, generator: Generator, info: Mapping[str, Any]) -> None:
    """Write both files into the folder `run`. Raises OutputError; the previous checkpoint, if any, is then still whole.

    `info["generator"]` holds the constructor's arguments. Killed at any moment, the folder loads: the new weights stand
    beside the old ones until the manifest, renamed into place, says which of the two it means.
    """
    weights = save({name: tensor.contiguous() for name, tensor in generator.state_dict().items()})
    document = {
        "schema": SCHEMA,
        **info,
        "files": {WEIGHTS: {"sha256": digest(weights), "bytes": len(weights)}},
        KEY: BLANK,
    }
    write_atomic(run / _NEXT, weights)
    write_atomic(run / MANIFEST, sealed(json.dumps(document, indent=1, allow_nan=False).encode() + b"\n"))
    try:
        (run / _NEXT).replace(run / WEIGHTS)
    except OSError as error:
        raise cannot_write(run / WEIGHTS, error) from error


def load_generator(run: Path) -> LoadedGenerator:
    """The generator in the run folder `run`.

    Raises ArtefactError where a file is missing, empty, truncated or changed, does not fit the generator it describes,
    or holds weights that are not finite.
    """
    data = _read(run / MANIFEST)
    if not seal_holds(data):
        raise ArtefactError(
            f"{run / MANIFEST} does not match its seal, the digest of itself", f"it is damaged or was edited, {_TRAIN_AGAIN}"
        )
    source = str(run / MANIFEST)
    info = parse_json(data.decode(), source)
    read = FieldReader(info, source)
    if read.required("schema", int) != SCHEMA:
        raise ArtefactError(f"{source} has schema {info['schema']}, this version reads {SCHEMA}", _TRAIN_AGAIN)
    entry = FieldReader(read.required("files", dict).get(WEIGHTS), f"{source}: {WEIGHTS}")
    sha256, size = entry.required("sha256", str), entry.integer("bytes", 1, MAX_FILE_BYTES)
    weights = _read_weights(run, sha256, size)
    generator = _build(read.required("generator", dict), weights, run)
    return LoadedGenerator(generator=generator, info=info, sha256=sha256, path=run)


def newest_run(root: Path = RUNS) -> Path:
    """The run under `root` whose checkpoint was written last. Raises ArtefactError where there is none."""
    folders = folders_newest_first(root, MANIFEST)
    if not folders:
        raise ArtefactError(f"no trained generator under {root}/", "train one with: make train")
    return folders[0]


def _read_weights(run: Path, sha256: str, size: int) -> bytes:
    """The weights that the manifest means: in place, or still under the name they were first written to."""
    upcoming = run / _NEXT
    if upcoming.is_file() and digest(data := _read(upcoming)) == sha256:
        return data
    data = _read(run / WEIGHTS)
    if len(data) != size:
        raise ArtefactError(
            f"{run / WEIGHTS} holds {len(data):,} bytes, its checkpoint says {size:,}",
            f"the copy is incomplete or was changed: copy the run again, or {_TRAIN_AGAIN}",
        )
    if digest(data) != sha256:
        raise ArtefactError(
            f"{run / WEIGHTS} has sha256 {digest(data)[:12]}…, its checkpoint says {sha256[:12]}…",
            f"the file is damaged or was changed: copy the run again, or {_TRAIN_AGAIN}",
        )
    return data


def _read(path: Path) -> bytes:
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise ArtefactError(f"{path} holds more than {MAX_FILE_BYTES:,} bytes", "this is no checkpoint of a generator")
        data = path.read_bytes()
    except OSError as error:
        raise ArtefactError(f"cannot read {path} ({error.strerror})", f"pass a run folder, or {_TRAIN_AGAIN}") from None
    if not data:
        raise ArtefactError(f"{path} is empty", f"copy the run again, or {_TRAIN_AGAIN}")
    return data


def _build(arguments: Mapping[str, Any], weights: bytes, run: Path) -> Generator:
    """Checked bytes into a generator. Built without memory of its own first, so wrong sizes are found before they cost any."""
    try:
        with torch.device("meta"):
            generator = Generator(**arguments)
        tensors = load(weights)
        for name, wanted in generator.state_dict().items():
            found = tensors.get(name)
            if found is not None and found.dtype != wanted.dtype:
                raise ArtefactError(f"{run / WEIGHTS}: {name} is {found.dtype}, not {wanted.dtype}", _TRAIN_AGAIN)
        generator.load_state_dict(tensors, assign=True)
    except (TypeError, UsageError, SafetensorError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise ArtefactError(f"{run} does not hold the generator it describes ({reason})", _TRAIN_AGAIN) from None
    for name, tensor in tensors.items():
        if not torch.isfinite(tensor).all():
            raise ArtefactError(f"{run / WEIGHTS}: {name} holds values that are not finite", _TRAIN_AGAIN)
    return generator.eval().requires_grad_(False)
