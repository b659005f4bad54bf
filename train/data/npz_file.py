"""A NumPy archive of pictures and labels as a source."""

import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gansample.errors import ArtefactError
from train.data.class_labels import encode_labels
from train.data.fit import fit_array
from train.data.request import DataRequest
from train.data.source import Collection, Pixels, ProgressCallback, file_sha256

MAX_BYTES = 16 * 2**30  # unpacked

# What people call their arrays: pictures, labels, and the test split's.
_NAMES = (
    ("images", "labels", "test_images", "test_labels"),
    ("train_images", "train_labels", "test_images", "test_labels"),
    ("x_train", "y_train", "x_test", "y_test"),
    ("x", "y", "x_test", "y_test"),
    ("arr_0", "arr_1", "", ""),
)


class NpzFile:
    """See `Source`. Pictures are uint8 (N, h, w), (N, h, w, 1 or 3) or (N, 1 or 3, h, w); labels whole numbers or text (N,)."""

    def __init__(self, path: Path) -> None:
        self.path, self.name = path, path.stem

    def content(self) -> str:
        return file_sha256(self.path)

    def read(self, request: DataRequest, report: ProgressCallback) -> Collection:
        arrays = _Arrays(self.path)
        names = next((names for names in _NAMES if names[0] in arrays.names), None)
        if names is None:
            raise ArtefactError(
                f"{self.path} holds {', '.join(arrays.names[:8]) or 'nothing'}",
                "call the pictures 'images' and their labels 'labels'",
            )
        pictures = [arrays.pictures(names[0])]
        values = [arrays.labels(names[1], len(pictures[0]))]
        if names[2] in arrays.names:
            pictures.append(arrays.pictures(names[2]))
            values.append(arrays.labels(names[3], len(pictures[1])))
        if len({part.shape[1:] for part in pictures}) > 1 or len({part is None for part in values}) > 1:
            raise ArtefactError(f"in {self.path} {names[0]} and {names[2]} differ in size or labels", "make them alike")
        known = [part for part in values if part is not None]
        labels, class_names = encode_labels(np.concatenate(known).tolist()) if known else (None, None)
        return Collection(
            images=fit_array(np.concatenate(pictures), request, report),
            labels=labels,
            class_names=class_names,
            tests=len(pictures[1]) if len(pictures) > 1 else None,
        )


class _Arrays:
    """The arrays of an archive, each checked for what it is used as. Raises ArtefactError."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            with zipfile.ZipFile(path) as archive:
                size = sum(member.file_size for member in archive.infolist())
                self.names = [name.removesuffix(".npy") for name in archive.namelist()]
        except (OSError, ValueError, NotImplementedError, zipfile.BadZipFile) as error:
            raise ArtefactError(f"{path} is no NumPy archive ({error})", "copy it again") from None
        if size > MAX_BYTES:
            raise ArtefactError(
                f"{path} unpacks to {size:,} bytes", f"{MAX_BYTES >> 30} GB are the limit: save a folder of pictures"
            )

    def pictures(self, name: str) -> Pixels:
        """uint8 (N, h, w, 1 or 3)."""
        array = self._array(name)
        if array.dtype != np.uint8:
            raise ArtefactError(
                f"{name} in {self.path} is {array.dtype}", "save pictures as uint8, 0 is black and 255 is white"
            )
        if array.ndim == 3:
            array = array[..., None]
        if array.ndim == 4 and array.shape[3] not in (1, 3) and array.shape[1] in (1, 3):
            array = array.transpose(0, 2, 3, 1)
        if array.ndim != 4 or array.shape[3] not in (1, 3):
            raise ArtefactError(
                f"{name} in {self.path} has the shape {array.shape}", "save grey (N, h, w) or colour (N, h, w, 3)"
            )
        return array

    def labels(self, name: str, count: int) -> npt.NDArray[Any] | None:
        """(count,), whole numbers or text; None where there are none."""
        if name not in self.names:
            return None
        array = self._array(name)
        if array.shape not in ((count,), (count, 1)) or array.dtype.kind not in "iuU":
            raise ArtefactError(
                f"{name} in {self.path} is {array.dtype} {array.shape}", f"save {count:,} whole numbers or texts"
            )
        return array.reshape(count)

    def _array(self, name: str) -> npt.NDArray[Any]:
        try:
            with np.load(self.path, allow_pickle=False) as archive:
                return np.asarray(archive[name])
        except (OSError, ValueError, EOFError, KeyError, NotImplementedError, zipfile.BadZipFile, zlib.error) as error:
            reason = " ".join(str(error).split())
            raise ArtefactError(
                f"cannot read {name} from {self.path} ({reason})", "save plain arrays with numpy.savez"
            ) from None
