"""Real pictures, whole, in memory: one uint8 tensor. No worker processes and no loader: an index into it costs microseconds."""

import hashlib
from dataclasses import dataclass

import numpy as np
from torch import Tensor

SPLIT_SEED = 0  # never the run's seed: every run and every score shares one split


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped:
    """A picture that was left out, and why."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSet:
    """Real pictures, uint8 (N, C, H, W), split into what is trained on and what is held out for judging.

    Where the pictures have classes, labels are int64 (N,), indices into `class_names`; elsewhere all three are None.
    """

    name: str
    images: Tensor
    labels: Tensor | None
    held_out_images: Tensor
    held_out_labels: Tensor | None
    class_names: tuple[str, ...] | None
    fingerprint: str
    """SHA-256 over every picture and label, in order: the same fingerprint is the same data and the same split."""
    skipped: tuple[Skipped, ...] = ()
    """Pictures of the source that could not be used."""

    @property
    def channels(self) -> int:
        return self.images.shape[1]

    @property
    def class_shares(self) -> tuple[float, ...] | None:
        """How often each class occurs among the pictures that are trained on, summing to 1; None without classes."""
        if self.labels is None or self.class_names is None:
            return None
        counts = self.labels.bincount(minlength=len(self.class_names)).double()
        return tuple((counts / counts.sum()).tolist())


def compute_fingerprint(parts: tuple[Tensor, ...]) -> str:
    hasher = hashlib.sha256()
    for part in parts:
        hasher.update(str(tuple(part.shape)).encode())
        hasher.update(np.ascontiguousarray(part.numpy()).data)  # no copy: the pictures may be larger than memory
    return hasher.hexdigest()
