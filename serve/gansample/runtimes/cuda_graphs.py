"""The batch sizes for which a GPU runner records a CUDA graph: 1, 2, 4, … `max_batch`.

A recording holds for one shape only, so a request is cut into these sizes and its last part padded with zeros: at most eleven
recordings, whatever sizes a server asks for, and no picture depends on the padding.
"""

from collections.abc import Callable, Iterator
from typing import TypeVar

import numpy as np

from gansample.bundle.spec import Spec
from gansample.errors import BackendUnavailable, ParityError
from gansample.types import Images, Labels, Rows

MAX_BATCH = 1024
PIXELS = 2**22  # of the pictures of one run, 1024 of 64×64: what bounds the memory for their activations
FREE = 64  # pictures: a GPU draws fewer about as fast, so that padding up to here costs nothing

Part = TypeVar("Part", Rows, Labels)
Run = Callable[[Rows, Labels | None], Images]


def max_batch(spec: Spec) -> int:
    """The most pictures of one run, a power of two: MAX_BATCH of up to 64×64, and fewer of larger ones; at least one."""
    fitting = max(1, PIXELS // (spec.height * spec.width))
    return min(MAX_BATCH, 1 << (fitting.bit_length() - 1))


def run_padded(recorded: Callable[[int], Run], spec: Spec, z: Rows, label: Labels | None) -> Images:
    """Pictures for any number of latents; `recorded(n)` returns what runs a batch of exactly n."""
    parts, start = [np.empty((0, spec.height, spec.width, spec.channels), np.uint8)], 0
    for size in sizes(len(z), max_batch(spec)):
        part = slice(start, start + size)
        drawn = recorded(size)(_padded(z[part], size), _padded(label[part], size) if label is not None else None)
        parts.append(drawn[: len(z) - start])
        start += size
    return np.concatenate(parts)


def sizes(n: int, largest: int) -> Iterator[int]:
    """The runs that draw `n` pictures: powers of two, of which only the last may draw more than is left.

    300 are 256 and 64: 512 would take nearly twice as long.
    """
    while n > 0:
        size = min(largest, 1 << (n - 1).bit_length())
        if size > FREE and 4 * n < 3 * size:
            size //= 2
        yield size
        n -= size


def check_whole(n: int, spec: Spec, backend: str) -> None:
    """Raise BackendUnavailable unless a single run, without padding, draws `n` pictures."""
    if list(sizes(n, max_batch(spec))) != [n]:
        raise BackendUnavailable(f"{backend} draws {n:,} pictures in parts", f"use a power of two up to {max_batch(spec)}")


def check_recording(plain: Run, record: Callable[[], Run], spec: Spec, n: int, backend: str) -> None:
    """Raise ParityError unless a recording of batch size `n` draws what plain execution draws, for two different latents.

    A graph that was recorded wrongly repeats its first picture for ever without an error (ONNX Runtime issue 20050, for one).

    record  makes the recording, after the plain runs, and returns what runs it.
    """
    pair = [spec.trial_rows(range(first, first + n)) for first in (0, n)]
    label = np.zeros(n, np.int64) if spec.graph_takes_label else None
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


def _padded(rows: Part, n: int) -> Part:
    if len(rows) == n:
        return rows
    padded = np.zeros((n, *rows.shape[1:]), rows.dtype)
    padded[: len(rows)] = rows
    return padded


def _distance(a: Images, b: Images) -> float:
    return float(np.abs(a.astype(np.int16) - b.astype(np.int16)).mean())
