"""Real pictures in memory: one uint8 tensor, split into what is trained on and what is held out.

No worker processes and no loader: an index into the tensor costs microseconds.
"""

import hashlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from torch import Tensor

Labels = npt.NDArray[np.int64]
SPLIT_SEED = 0  # never the run's seed: every run and every score shares one split
HELD_OUT_SHARE = 0.1
MIN_PICTURES = 10  # in all: half of so few are held out, and scored
MIN_HELD_OUT, MAX_HELD_OUT = 64, 10_000  # below, no distance between distributions means anything; above, it gets no better


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


def held_out(count: int, labels: Labels | None) -> npt.NDArray[np.bool_]:
    """Which of `count` pictures are held out, bool (count,): a tenth, of every class the same share; at most half.

    The pictures are shuffled, sorted by class, and then every n-th is taken: no class is off by more than one.
    """
    wanted = min(max(round(HELD_OUT_SHARE * count), MIN_HELD_OUT), MAX_HELD_OUT, count // 2)
    order = np.random.RandomState(SPLIT_SEED).permutation(count)
    if labels is not None:
        order = order[np.argsort(labels[order], kind="stable")]
    chosen = np.zeros(count, bool)
    chosen[order[((np.arange(wanted) + 0.5) * count / max(wanted, 1)).astype(int)]] = True
    return chosen
