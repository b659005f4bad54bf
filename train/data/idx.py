"""The IDX format of MNIST and its kin: four bytes that say type and dimensions, the sizes, then the values."""

import gzip
import hashlib
import math
import zlib
from pathlib import Path
from typing import BinaryIO

import numpy as np

from gansample.errors import ArtefactError
from train.data.collection import Pixels

_GZIP = b"\x1f\x8b"
_UNSIGNED_BYTES = 8
MAX_BYTES = 16 * 2**30


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
