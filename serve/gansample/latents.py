"""The seed contract: which latent a seed stands for, everywhere and for ever.

    z(seed) = numpy.random.RandomState(seed).standard_normal(nz)   as float32, seed in 0 .. 2³²−1

NumPy freezes the stream of `RandomState` (NEP 19) and not that of `Generator`, so the same seed gives the same latent on
every machine and in every later version. One seed belongs to one picture: batch size, order and device cannot matter.
"""

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from gansample.errors import UsageError

SEED_END = 2**32  # seeds are 0 .. SEED_END − 1: what RandomState takes, and a browser's number holds exactly

Float32 = npt.NDArray[np.float32]


def latents(seeds: Iterable[int], size: int, distribution: str = "normal", truncation: float | None = None) -> Float32:
    """Latents for `seeds`, one row each: float32 (N, size).

    distribution  "normal" is N(0, I); "uniform" is U(−1, 1) from the same stream.
    truncation    redraws every component with |z| > truncation from the seed's own stream (truncated normal, Brock et al.
                  2019, section 3.1). Values near 0 make all pictures alike. Normal latents only.

    Raises UsageError for a seed outside 0 .. 2³²−1, an unknown distribution, or a truncation that is not positive.
    """
    if distribution not in ("normal", "uniform"):
        raise UsageError(f"unknown latent distribution {distribution!r}", "use normal or uniform")
    if truncation is not None:
        if distribution != "normal":
            raise UsageError("truncation redraws the tails of a normal latent", "this generator has uniform latents")
        if not truncation > 0:
            raise UsageError(f"truncation is {truncation}", "it must be above 0, for example 1.0")
    rows = [_latent(seed, size, distribution, truncation) for seed in seeds]
    return np.stack(rows) if rows else np.empty((0, size), np.float32)


def _latent(seed: int, size: int, distribution: str, truncation: float | None) -> Float32:
    if not 0 <= seed < SEED_END:
        raise UsageError(f"seed {seed} is outside 0..{SEED_END - 1}", "choose a seed in that range")
    stream = np.random.RandomState(seed)
    if distribution == "uniform":
        return np.asarray(stream.random_sample(size) * 2 - 1, np.float32)
    z = stream.standard_normal(size)
    if truncation is not None:
        while (outside := np.abs(z) > truncation).any():
            z[outside] = stream.standard_normal(int(outside.sum()))
    return np.asarray(z, np.float32)


def slerp(a: Float32, b: Float32, t: float) -> Float32:
    """Spherical interpolation from `a` (t = 0) to `b` (t = 1), both (size,): stays on the shell where N(0, I) lives.

    Shoemake 1985. Falls back to the straight line where the two directions (nearly) coincide or oppose.
    """
    cosine = float(np.clip(np.dot(a, b) / (np.linalg.norm(a) * np.linalg.norm(b) + 1e-12), -1, 1))
    angle = np.arccos(cosine)
    if np.sin(angle) < 1e-4:
        return ((1 - t) * a + t * b).astype(np.float32)
    return np.asarray((np.sin((1 - t) * angle) * a + np.sin(t * angle) * b) / np.sin(angle), np.float32)


def parse_seeds(text: str) -> list[range]:
    """Seeds as a user writes them, `0-35,40` → [range(0, 36), range(40, 41)]: ranges, so a million costs nothing.

    Raises UsageError naming the part that is no number, runs backwards, or leaves 0 .. 2³²−1.
    """
    spans = []
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        if not (_is_number(first) and (_is_number(last) if dash else not last)):
            raise UsageError(f"cannot read {part.strip()!r} in --seeds {text!r}", "write numbers and ranges, like 0-35,40")
        start, end = int(first), int(last if dash else first)
        if end < start:
            raise UsageError(f"the range {part.strip()} in --seeds runs backwards", f"write {end}-{start}")
        if end >= SEED_END:
            raise UsageError(f"seed {end} is outside 0..{SEED_END - 1}", "choose a seed in that range")
        spans.append(range(start, end + 1))
    return spans


def format_seeds(seeds: Sequence[int]) -> str:
    """The shortest text that `parse_seeds` reads back as these seeds, in this order: [0, 1, 2, 40] → `0-2,40`."""
    spans: list[list[int]] = []
    for seed in seeds:
        if spans and seed == spans[-1][1] + 1:
            spans[-1][1] = seed
        else:
            spans.append([seed, seed])
    return ",".join(f"{a}" if a == b else f"{a}-{b}" for a, b in spans)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()
