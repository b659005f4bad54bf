"""Any source of pictures as a data set: found, read or taken from the cache, split."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from gansample.errors import ArtefactError, OutputError
from train.data.cache import entry_for, load_entry, store_entry
from train.data.class_labels import keep_classes
from train.data.collection import Collection, Report, Source
from train.data.dataset import DataSet, compute_fingerprint
from train.data.digits_source import Digits
from train.data.request import DataRequest
from train.data.sources import open_source
from train.data.split import held_out

FEWEST_PICTURES = 10  # half of so few are held out, and a batch needs two


def _no_word(text: str) -> None: ...


def _no_report(done: int, count: int) -> None: ...


def load_data(request: DataRequest, say: Callable[[str], None] = _no_word, progress: Report = _no_report) -> DataSet:
    """The pictures that `request` asks for. `say` is told, a line at a time, what a person should know about them.

    Raises UsageError for a request that this source cannot answer, ArtefactError for a source that is missing or bad.
    """
    source = open_source(request, say)
    name = _plain(source.name)
    entry = None if isinstance(source, Digits) else entry_for(request, source.content())
    found = load_entry(entry, name) if entry else None
    if found is None:
        found = _read(source, request, name, progress)
        if entry:
            found = _kept(entry, *found, say)
    dataset, notes = found
    for note in notes:
        say(note)
    return dataset


def _read(source: Source, request: DataRequest, name: str, progress: Report) -> tuple[DataSet, tuple[str, ...]]:
    """The set and its notes. What it was made from is let go before anything else happens."""
    collection = keep_classes(source.read(request, progress), request)
    return _split(collection, name), collection.notes


def _kept(entry: Path, dataset: DataSet, notes: tuple[str, ...], say: Callable[[str], None]) -> tuple[DataSet, tuple[str, ...]]:
    """The same set, from the cache where it can be written: mapped, it takes no memory of its own."""
    try:
        store_entry(entry, dataset, notes)
    except OutputError as error:  # also where another process has just stored the same
        say(f"the decoded pictures are not kept for the next start: {error}")
    return load_entry(entry, dataset.name) or (dataset, notes)


def _split(collection: Collection, name: str) -> DataSet:
    """The pictures as tensors, those for training apart from those held out."""
    count, labels = len(collection.images), collection.labels
    if count < FEWEST_PICTURES:
        raise ArtefactError(f"{name} holds {count} usable pictures", f"training needs {FEWEST_PICTURES} at the very least")
    tests_last = np.arange(count) >= count - (collection.tests or 0)
    away = held_out(count, labels) if collection.tests is None else tests_last
    parts = [tensor for rows in (~away, away) for tensor in _tensors(collection, rows)]
    return DataSet(
        name=name,
        images=parts[0],
        labels=parts[1] if labels is not None else None,
        held_out_images=parts[-2] if labels is not None else parts[-1],
        held_out_labels=parts[-1] if labels is not None else None,
        class_names=collection.class_names,
        fingerprint=compute_fingerprint(tuple(parts)),
        skipped=collection.skipped,
    )


def _tensors(collection: Collection, rows: npt.NDArray[np.bool_]) -> list[Tensor]:
    """Pictures (n, C, H, W) at `rows` and, where there are any, their labels (n,)."""
    count, height, width, channels = (int(rows.sum()), *collection.images.shape[1:])
    images = np.empty((count, channels, height, width), np.uint8)
    for place, row in enumerate(np.flatnonzero(rows)):  # one at a time: a transposed copy of all would be a third in memory
        images[place] = collection.images[row].transpose(2, 0, 1)
    labels = [] if collection.labels is None else [torch.from_numpy(collection.labels[rows])]
    return [torch.from_numpy(images), *labels]


def _plain(name: str) -> str:
    """A name that is fit for folders and bundles."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "pictures"
