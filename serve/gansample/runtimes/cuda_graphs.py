"""The batch sizes for which a GPU runner records a CUDA graph: 1, 2, 4, … MAX_BATCH.

A recording holds for one shape only, so a request is padded with zeros to the next of these sizes: at most nine recordings,
whatever sizes a server asks for, and no picture depends on the padding.
"""

from collections.abc import Callable
from typing import TypeVar

import numpy as np

from gansample.bundle.spec import Spec
from gansample.errors import ParityError
from gansample.types import Images, Labels, Latents

MAX_BATCH = 256  # more gains nothing on any GPU we know of; larger requests are drawn in parts

Rows = TypeVar("Rows", Latents, Labels)
Run = Callable[[Latents, Labels | None], Images]


def run_padded(recorded: Callable[[int], Run], spec: Spec, z: Latents, label: Labels | None) -> Images:
    """Pictures for any number of latents; `recorded(n)` returns what runs a batch of exactly n."""
    parts = [np.empty((0, spec.height, spec.width, spec.channels), np.uint8)]
    for start in range(0, len(z), MAX_BATCH):
        part = slice(start, start + MAX_BATCH)
        taken = len(z[part])
        size = 1 << (taken - 1).bit_length()
        parts.append(recorded(size)(_padded(z[part], size), _padded(label[part], size) if label is not None else None)[:taken])
    return np.concatenate(parts)


def check_recording(plain: Run, record: Callable[[], Run], spec: Spec, n: int, backend: str) -> None:
    """Raise ParityError unless a recording of batch size `n` draws what plain execution draws, for two different latents.

    A graph that was recorded wrongly repeats its first picture for ever without an error (ONNX Runtime issue 20050, for one).

    record  makes the recording, after the plain runs, and returns what runs it.
    """
    pair = [spec.latents(range(first, first + n)) for first in (0, n)]
    label = np.zeros(n, np.int64) if spec.classes is not None else None
    expected = [plain(z, label) for z in pair]
    if np.array_equal(expected[0], expected[1]):
        raise ParityError(f"{backend} draws the same pictures for different latents", "use --backend onnxruntime here")
    recorded = record()
    repeated = [recorded(z, label) for z in pair]
    for mine, other in ((0, 1), (1, 0)):
        if _distance(repeated[mine], expected[mine]) >= _distance(repeated[mine], expected[other]):
            raise ParityError(
                f"the CUDA graph of {backend} for batches of {n} repeats other pictures than it should",
                "update the GPU's driver, and use --backend onnxruntime until then",
            )


def _padded(rows: Rows, n: int) -> Rows:
    if len(rows) == n:
        return rows
    padded = np.zeros((n, *rows.shape[1:]), rows.dtype)
    padded[: len(rows)] = rows
    return padded


def _distance(a: Images, b: Images) -> float:
    return float(np.abs(a.astype(np.int16) - b.astype(np.int16)).mean())
