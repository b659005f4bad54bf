"""A file of IDX pictures as a source, with the labels and the test split that lie beside it."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from gansample.errors import ArtefactError
from train.data.class_labels import numbered
from train.data.collection import Collection, Labels, Pixels, Report
from train.data.file_digest import file_sha256
from train.data.fit_many import fit_many
from train.data.idx import read_idx
from train.data.request import DataRequest

_ANY: Mapping[str, str] = {}


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

    def read(self, request: DataRequest, report: Report) -> Collection:
        parts = [self._read_part(images, labels) for images, labels in self._parts]
        if len({pictures.shape[1:] for pictures, _ in parts}) > 1:
            raise ArtefactError(f"the test pictures beside {self._parts[0][0]} have another size", "move them elsewhere")
        pictures = np.concatenate([pictures for pictures, _ in parts])
        known = [labels for _, labels in parts if labels is not None]
        labels = np.concatenate(known) if len(known) == len(parts) else None
        class_names = self.class_names if labels is not None else None
        if labels is not None and class_names is None:
            labels, class_names = numbered(labels.tolist())
        return Collection(
            images=fit_many(pictures[..., None], request, report),
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
