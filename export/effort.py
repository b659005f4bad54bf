"""How many pictures an export draws to compare, and how many at once: by the effort asked for and the picture's size.

A picture of 1024×1024 has 256 times the pixels of 64×64, and so do the activations that draw it. Up to 128×128 every number is
what statistics want; beyond, it falls with the pixels, so that time and memory stay within what a desk computer has.
"""

from collections.abc import Mapping
from typing import Literal

from gansample.bundle.spec import Spec

Effort = Literal["quick", "full"]

LATENTS: Mapping[Effort, int] = {"full": 1024, "quick": 128}
FEWEST = 32  # with fewer latents neither a distribution nor a worst picture means much
AREA = 128 * 128  # pixels; up to here nothing is reduced
LARGEST_BATCH = 64


def compared_latents(spec: Spec, effort: Effort = "full") -> int:
    """How many plain seeds every variant is compared over: 1,024 or 128, fewer where pictures are larger than 128×128."""
    return fewer(spec, LATENTS[effort], FEWEST)


def fewer(spec: Spec, n: int, least: int = 1) -> int:
    """`n` for pictures of up to 128×128; for larger ones as many as have the same pixels together, but at least `least`."""
    return fewer_of_size(spec.height, spec.width, n, least)


def fewer_of_size(height: int, width: int, n: int, least: int = 1) -> int:
    """As `fewer`, where there is no spec yet."""
    return min(n, max(least, n * AREA // (height * width)))


def at_once(spec: Spec) -> int:
    """How many pictures are drawn in one run where the batch size does not matter, 1 … 64: what bounds the memory."""
    return fewer(spec, LARGEST_BATCH)


def at_once_in_pytorch(spec: Spec) -> int:
    """As `at_once` for PyTorch's layers in float64, a quarter beyond 128×128: each holds its input, its output and a workspace
    at twice the width, beside the activations of the engine that is compared, and large pictures gain nothing from company."""
    n = at_once(spec)
    return n if n == LARGEST_BATCH else max(1, n // 4)


def batch_sizes(spec: Spec, n: int) -> dict[int, int]:
    """Batch size -> how many of `n` plain seeds are compared at it; the largest has all of them.

    Up to 128×128 the largest is 64; beyond, batches are left out that runners draw in parts, for want of memory.
    """
    largest = min(LARGEST_BATCH, fewer(spec, 2 * LARGEST_BATCH, least=2))
    some = max(4, n // 16)
    sizes = {batch: min(n, -(-some // batch) * batch) for batch in (1, 2, 3, 17) if batch < largest}
    return {**sizes, largest: n}
