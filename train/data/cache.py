"""Decoded sets on disk, so that a second start takes seconds: arrays that are mapped into memory instead of read.

    ~/.cache/gansample/datasets/3f0c…/
    ├── images.npy  held_out_images.npy   uint8 (N, C, H, W)
    ├── labels.npy  held_out_labels.npy   int64 (N,), where there are classes
    └── dataset.json                      the rest, sealed with its own digest

An entry is a folder that is renamed into place whole, named after everything that went into it. The set's fingerprint, which
is over every picture and label, is computed again at every start: what is damaged is built anew. Entries are never changed and
may be deleted at any time.
"""

import contextlib
import hashlib
import json
import os
import re
import shutil
import time
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import PIL
import torch
from torch import Tensor

from gansample.bundle.seal import BLANK, KEY, seal_holds, sealed
from gansample.system.atomic import folder_atomic
from train.data.dataset import DataSet, Skipped, compute_fingerprint
from train.data.request import DataRequest

_FORMAT = 2
_PARTS = ("images", "labels", "held_out_images", "held_out_labels")
_DOCUMENT = "dataset.json"
_STALE_SECONDS = 24 * 3600
_HALF_WRITTEN = re.compile(r"\.[0-9a-f]{32}\..*\.(tmp|old)")
_DECIDES = ("image_size", "channels", "fit", "background", "conditional", "classes")


def entry_for(request: DataRequest, content: str) -> Path | None:
    """The folder for `request` of a source whose bytes are `content`; None where there is no place for a cache."""
    folder = request.cache or _default_folder()
    if folder is None:
        return None
    parts = {
        "format": _FORMAT,
        "pillow": PIL.__version__,  # decoders and filters change in the last bit
        "content": content,
        "labels_file": request.labels_file is not None,
        **{name: getattr(request, name) for name in _DECIDES},
    }
    return folder / hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]


def load_entry(entry: Path, name: str) -> tuple[DataSet, tuple[str, ...]] | None:
    """The set and its notes; None where the entry is missing or not what was written."""
    try:
        data = (entry / _DOCUMENT).read_bytes()
        if not seal_holds(data):
            return None
        document = json.loads(data)
        parts = {part: _mapped(entry / f"{part}.npy") for part in document["parts"]}
    except (OSError, ValueError, EOFError, KeyError):
        return None
    if compute_fingerprint(tuple(parts.values())) != document["fingerprint"]:
        return None
    names = document["class_names"]
    dataset = DataSet(
        name=name,
        images=parts["images"],
        labels=parts.get("labels"),
        held_out_images=parts["held_out_images"],
        held_out_labels=parts.get("held_out_labels"),
        class_names=None if names is None else tuple(names),
        fingerprint=document["fingerprint"],
        skipped=tuple(Skipped(**one) for one in document["skipped"]),
    )
    return dataset, tuple(document["notes"])


def store_entry(entry: Path, dataset: DataSet, notes: tuple[str, ...]) -> None:
    """Raises OutputError; whatever stood in the cache is then still there."""
    parts = {part: tensor for part in _PARTS if (tensor := getattr(dataset, part)) is not None}
    document: dict[str, Any] = {
        "parts": list(parts),
        "class_names": dataset.class_names,
        "fingerprint": dataset.fingerprint,
        "skipped": [{"name": one.name, "reason": one.reason} for one in dataset.skipped],
        "notes": notes,
        KEY: BLANK,
    }
    with folder_atomic(entry) as folder:
        for part, tensor in parts.items():
            _write(folder / f"{part}.npy", tensor)
        with (folder / _DOCUMENT).open("wb") as file:
            file.write(sealed(json.dumps(document).encode()))
            _flush(file)
    _sweep(entry.parent)


def _sweep(folder: Path) -> None:
    """Remove what processes that were killed left half written."""
    for path in folder.iterdir():
        with contextlib.suppress(OSError):  # gone already
            if _HALF_WRITTEN.fullmatch(path.name) and time.time() - path.stat().st_mtime > _STALE_SECONDS:
                shutil.rmtree(path, ignore_errors=True)


def _default_folder() -> Path | None:
    """The user's cache folder as the XDG specification has it; None for a user without a home."""
    base = os.environ.get("XDG_CACHE_HOME")
    try:
        return (Path(base) if base else Path.home() / ".cache") / "gansample" / "datasets"
    except RuntimeError:
        return None


def _mapped(path: Path) -> Tensor:
    """Copy-on-write: torch gets memory that it may write to, and the file never changes."""
    return torch.from_numpy(np.load(path, mmap_mode="c", allow_pickle=False))


def _write(path: Path, tensor: Tensor) -> None:
    with path.open("wb") as file:
        np.save(file, tensor.numpy(), allow_pickle=False)
        _flush(file)


def _flush(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())
