"""The IDX format of MNIST and its kin: four bytes for type and dimensions, the sizes, then the values."""

import gzip
import hashlib
import math
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

import numpy as np

from gansample.errors import ArtefactError
from train.data.class_labels import encode_labels
from train.data.dataset import Labels
from train.data.fit import fit_array
from train.data.request import DataRequest
from train.data.source import Collection, Pixels, ProgressCallback, file_sha256

_GZIP = b"\x1f\x8b"
_UNSIGNED_BYTES = 8
MAX_BYTES = 16 * 2**30

_ANY: Mapping[str, str] = {}


def read_idx(path: Path, dimensions: int, md5: str | None = None) -> Pixels:
    """uint8 values of that many dimensions, from a file that may be gzipped and whose content may have to have an MD5.

    Raises ArtefactError.
    """
    try:
        with path.open("rb") as raw:
            packed = raw.read(2) == _GZIP
            raw.seek(0)
            if not packed:
                return _parse(raw, path, dimensions, md5)
            with gzip.open(raw) as unpacked:
                return _parse(unpacked, path, dimensions, md5)  # type: ignore[arg-type]
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ArtefactError(f"cannot read {path} ({reason})", "copy or download it again") from None


def is_idx_images(path: Path) -> bool:
    """Whether the file starts as IDX pictures do: unsigned bytes in three dimensions."""
    try:
        with path.open("rb") as raw:
            start = raw.read(4)
            if start.startswith(_GZIP):
                raw.seek(0)
                with gzip.open(raw) as unpacked:
                    start = unpacked.read(4)
    except (OSError, EOFError, zlib.error):
        return False
    return start == bytes([0, 0, _UNSIGNED_BYTES, 3])


def _parse(file: BinaryIO, path: Path, dimensions: int, md5: str | None) -> Pixels:
    magic = file.read(4)
    if magic != bytes([0, 0, _UNSIGNED_BYTES, dimensions]):
        what = "pictures" if dimensions == 3 else "labels"
        raise ArtefactError(f"{path} starts with {magic.hex()}, so it holds no IDX {what}", "pass the original file")
    sizes = file.read(4 * dimensions)
    if len(sizes) < 4 * dimensions:
        raise ArtefactError(f"{path} ends inside its header", "copy or download it again")
    shape = [int(size) for size in np.frombuffer(sizes, ">u4")]
    expected = math.prod(shape)
    if expected > MAX_BYTES:
        raise ArtefactError(f"{path} claims {'×'.join(map(str, shape))} values", "it is damaged, copy or download it again")
    data = file.read(expected + 1)
    if len(data) != expected:
        more = "more" if len(data) > expected else f"{len(data):,}"
        raise ArtefactError(f"{path} holds {more} bytes, its header says {expected:,}", "copy or download it again")
    if md5 is not None:
        hasher = hashlib.md5(magic + sizes, usedforsecurity=False)
        hasher.update(data)
        if hasher.hexdigest() != md5:
            raise ArtefactError(
                f"the content of {path} has MD5 {hasher.hexdigest()}, the original {md5}",
                "remove it, and it is downloaded again; a set of your own goes by its path",
            )
    return np.frombuffer(data, np.uint8).reshape(shape)


class IdxFiles:
    """See `Source`. `train-images-idx3-ubyte[.gz]` brings `train-labels-…` and `t10k-…` along where they lie beside it.

    `md5` has, by name without .gz, the digest that a file's content must have; a name that is not there may hold anything.
    """

    def __init__(
        self, images: Path, name: str = "", class_names: tuple[str, ...] | None = None, md5: Mapping[str, str] = _ANY
    ) -> None:
        self.name = name or images.name.partition(".")[0]
        self.class_names, self._md5 = class_names, md5
        tests = _beside(images, "train-", "t10k-")
        self._parts = [(part, _beside(part, "images-idx3", "labels-idx1")) for part in (images, tests) if part is not None]

    def content(self) -> str:
        digests = [file_sha256(file) if file else "-" for part in self._parts for file in part]
        return hashlib.sha256(" ".join(digests).encode()).hexdigest()

    def read(self, request: DataRequest, report: ProgressCallback) -> Collection:
        parts = [self._read_part(images, labels) for images, labels in self._parts]
        if len({pictures.shape[1:] for pictures, _ in parts}) > 1:
            raise ArtefactError(f"the test pictures beside {self._parts[0][0]} have another size", "move them elsewhere")
        pictures = np.concatenate([pictures for pictures, _ in parts])
        known = [labels for _, labels in parts if labels is not None]
        labels = np.concatenate(known) if len(known) == len(parts) else None
        class_names = self.class_names if labels is not None else None
        if labels is not None and class_names is None:
            labels, class_names = encode_labels(labels.tolist())
        return Collection(
            images=fit_array(pictures[..., None], request, report),
            labels=labels,
            class_names=class_names,
            tests=len(parts[1][0]) if len(parts) > 1 else None,
        )

    def _read_part(self, images: Path, labels: Path | None) -> tuple[Pixels, Labels | None]:
        """Pictures (N, h, w) and their labels (N,)."""
        pictures = read_idx(images, 3, self._md5.get(images.name.removesuffix(".gz")))
        if labels is None:
            return pictures, None
        values = read_idx(labels, 1, self._md5.get(labels.name.removesuffix(".gz")))
        if len(values) != len(pictures):
            raise ArtefactError(
                f"{labels} has {len(values):,} labels, {images.name} has {len(pictures):,} pictures", "they are not of one set"
            )
        return pictures, values.astype(np.int64)


def _beside(images: Path, old: str, new: str) -> Path | None:
    """The file whose name has `new` where `images` has `old`, gzipped or not."""
    if old not in images.name:
        return None
    stem = images.name.replace(old, new, 1).removesuffix(".gz")
    return next((path for path in (images.with_name(stem), images.with_name(stem + ".gz")) if path.is_file()), None)
