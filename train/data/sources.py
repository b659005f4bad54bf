"""Which source a request means."""

from collections.abc import Callable
from pathlib import Path

from gansample.errors import ArtefactError, UsageError
from train.data.collection import Source
from train.data.idx import is_idx_images
from train.data.idx_files import IdxFiles
from train.data.named import NAMES, open_named
from train.data.npz_file import NpzFile
from train.data.picture_files import PictureFiles
from train.data.request import DataRequest


def open_source(request: DataRequest, say: Callable[[str], None]) -> Source:
    """Raises UsageError, ArtefactError, and OutputError where a named set has to be downloaded and cannot be kept."""
    name, path = request.source, Path(request.source)
    if name in NAMES:
        if path.is_dir():
            raise UsageError(f"{name!r} is a named set, and a folder here", f"pass ./{name} for the folder, or rename it")
        _refuse_labels_file(request)
        return open_named(name, request.data_root, say)
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
