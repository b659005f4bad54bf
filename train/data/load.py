"""Any source of pictures as a data set: found, read or taken from the cache, split."""

import logging
import re
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from gansample.errors import ArtefactError, OutputError, UsageError
from train.data.cache import entry_for, load_entry, store_entry
from train.data.class_labels import keep_classes
from train.data.dataset import MIN_PICTURES, DataSet, compute_fingerprint, held_out
from train.data.digits import Digits
from train.data.idx import IdxFiles, is_idx_images
from train.data.named import open_named
from train.data.npz_file import NpzFile
from train.data.picture_files import PictureFiles
from train.data.request import NAMES, DataRequest
from train.data.source import Collection, ProgressCallback, Source

logger = logging.getLogger(__name__)


def _no_progress(done: int, count: int) -> None: ...


def load_data(request: DataRequest, progress: ProgressCallback = _no_progress) -> DataSet:
    """The pictures that `request` asks for. What a person should know about them is logged, a line at a time.

    Raises UsageError for a request that this source cannot answer, ArtefactError for a source that is missing or bad.
    """
    source = open_source(request)
    name = _slug(source.name)
    entry = None if isinstance(source, Digits) else entry_for(request, source.content())
    found = load_entry(entry, name) if entry else None
    if found is None:
        found = _read(source, request, name, progress)
        if entry:
            found = _through_cache(entry, *found)
    dataset, notes = found
    for note in notes:
        logger.info(note)
    return dataset


def _read(source: Source, request: DataRequest, name: str, progress: ProgressCallback) -> tuple[DataSet, tuple[str, ...]]:
    """The set and its notes. What it was made from is released before anything else happens."""
    collection = keep_classes(source.read(request, progress), request)
    return _split(collection, name), collection.notes


def _through_cache(entry: Path, dataset: DataSet, notes: tuple[str, ...]) -> tuple[DataSet, tuple[str, ...]]:
    """The same set, from the cache where it can be written: mapped, it takes no memory of its own."""
    try:
        store_entry(entry, dataset, notes)
    except OutputError as error:  # also where another process has just stored the same
        logger.warning("the decoded pictures are not cached for the next start: %s", error)
    return load_entry(entry, dataset.name) or (dataset, notes)


def _split(collection: Collection, name: str) -> DataSet:
    """The pictures as tensors, those for training apart from those held out."""
    count, labels = len(collection.images), collection.labels
    if count < MIN_PICTURES:
        raise ArtefactError(f"{name} holds {count} usable pictures", f"training needs at least {MIN_PICTURES}")
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


def _slug(name: str) -> str:
    """A name that is fit for folders and bundles."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "pictures"


def open_source(request: DataRequest) -> Source:
    """Raises UsageError, ArtefactError, and OutputError where a named set has to be downloaded and cannot be written."""
    name, path = request.source, Path(request.source)
    if name in NAMES:
        if path.is_dir():
            raise UsageError(f"{name!r} is a named set, and a folder here", f"pass ./{name} for the folder, or rename it")
        _refuse_labels_file(request)
        return open_named(name, request.data_root)
    if not path.exists():
        raise ArtefactError(f"no data at {path}", f"pass a folder, .tar, .zip, .npz or IDX file, or one of {', '.join(NAMES)}")
    if path.is_file() and path.suffix == ".npz":
        _refuse_labels_file(request)
        return NpzFile(path)
    if path.is_file() and is_idx_images(path):
        _refuse_labels_file(request)
        return IdxFiles(path)
    return PictureFiles(path, request.labels_file)


def _refuse_labels_file(request: DataRequest) -> None:
    if request.labels_file is not None:
        raise UsageError(
            f"{request.source} has labels of its own", "leave the labels file out: it is for folders, .tar and .zip"
        )
