"""Real pictures, whole, in memory: one uint8 tensor, and an order to show them in.

No worker processes and no loader: an index into a tensor costs microseconds, and the order is state that can be saved.
"""

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

_SPLIT_SEED = 0  # never the run's seed: every run and every score shares one split


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSet:
    """Real pictures, uint8 (N, C, H, W), with labels int64 (N,), split into what is trained on and what is held out."""

    name: str
    images: Tensor
    labels: Tensor
    held_out_images: Tensor
    held_out_labels: Tensor
    class_names: tuple[str, ...]
    fingerprint: str
    """SHA-256 over every picture and label, in order: the same fingerprint is the same data and the same split."""

    @property
    def channels(self) -> int:
        return self.images.shape[1]


def digits(image_size: int) -> DataSet:
    """The 1,797 handwritten digits inside scikit-learn (8×8, 17 grey levels; Alpaydin & Kaynak 1998), resized bicubically.

    Four fifths are for training, one fifth is held out, each with the same share of every class.
    """
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    bunch = load_digits()
    resized = [_resize(picture / 16.0, image_size) for picture in bunch.images]
    images = torch.from_numpy(np.stack(resized)[:, None])  # (1797, 1, H, W)
    labels = torch.from_numpy(bunch.target.astype(np.int64))
    train, held_out = train_test_split(np.arange(len(labels)), test_size=0.2, stratify=bunch.target, random_state=_SPLIT_SEED)
    parts = (images[train], labels[train], images[held_out], labels[held_out])
    return DataSet(
        name="digits",
        images=parts[0],
        labels=parts[1],
        held_out_images=parts[2],
        held_out_labels=parts[3],
        class_names=tuple(str(name) for name in bunch.target_names),
        fingerprint=_fingerprint(parts),
    )


class Shuffle:
    """An endless stream of indices 0..n−1, every epoch in a new order, that goes on exactly where its state left off."""

    def __init__(self, n: int, seed: int) -> None:
        self.n = n
        self._random = torch.Generator().manual_seed(seed)
        self._start_epoch()

    def _start_epoch(self) -> None:
        self._order, self._position = torch.randperm(self.n, generator=self._random), 0

    def take(self, count: int) -> Tensor:
        """The next `count` indices, int64 (count,), across the end of an epoch where need be."""
        parts = []
        while count:
            if self._position == self.n:
                self._start_epoch()
            part = self._order[self._position : self._position + count]
            parts.append(part)
            self._position += len(part)
            count -= len(part)
        return torch.cat(parts)

    def state_dict(self) -> dict[str, Any]:
        return {"random": self._random.get_state(), "order": self._order, "position": self._position}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._random.set_state(state["random"])
        self._order, self._position = state["order"], state["position"]


def _resize(picture: np.ndarray[Any, Any], image_size: int) -> np.ndarray[Any, Any]:
    """float (h, w) in 0..1 -> uint8 (image_size, image_size)."""
    resized = Image.fromarray(picture.astype(np.float32)).resize((image_size, image_size), Image.Resampling.BICUBIC)
    return np.asarray(np.rint(np.clip(np.asarray(resized), 0, 1) * 255), np.uint8)


def _fingerprint(parts: tuple[Tensor, ...]) -> str:
    hasher = hashlib.sha256()
    for part in parts:
        hasher.update(str(tuple(part.shape)).encode())
        hasher.update(part.numpy().tobytes())
    return hasher.hexdigest()
