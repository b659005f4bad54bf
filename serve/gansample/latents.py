"""The seed contract: which latent belongs to a seed, on every machine and in every version.

    z(seed) = numpy.random.RandomState(seed).standard_normal(nz)   as float32, seed in 0 .. 2³²−1

NumPy freezes the stream of `RandomState` (NEP 19) and not that of `Generator`, so the same seed gives the same latent on
every machine and in every later version. One seed belongs to one picture: batch size, order and device cannot matter.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gansample.errors import UsageError
from gansample.system.numbers import whole_number

SEED_END = 2**32  # seeds are 0 .. SEED_END − 1: what RandomState takes, and a browser's number holds exactly

MIN_TRUNCATION = 0.01
"""Below it all pictures are one, and redrawing until a component falls inside takes longer and longer without bound."""

Float32 = npt.NDArray[np.float32]


def latents(seeds: Iterable[int], size: int, distribution: str = "normal", truncation: float | None = None) -> Float32:
    """Latents for `seeds`, one row each: float32 (N, size).

    distribution  "normal" is N(0, I); "uniform" is U(−1, 1) from the same stream.
    truncation    redraws every component with |z| > truncation from the seed's own stream (truncated normal, Brock et al.
                  2019, section 3.1). Values near 0 make all pictures alike. Normal latents only.

    Raises UsageError for a seed outside 0 .. 2³²−1, an unknown distribution, or a truncation below MIN_TRUNCATION.
    """
    check_space(distribution, truncation)
    listed = seeds if isinstance(seeds, Sequence) else list(seeds)
    rows, stream = np.empty((len(listed), size), np.float32), np.random.RandomState(0)
    for row, seed in zip(rows, listed, strict=True):
        check_seed(seed)
        stream.seed(seed)  # the same stream as a new RandomState(seed), in 1 µs instead of 75
        if distribution == "uniform":
            row[:] = stream.random_sample(size) * 2 - 1
        else:
            row[:] = _normal(stream, size, truncation)
    return rows


def check_space(distribution: str, truncation: float | None) -> None:
    """Raise UsageError for an unknown distribution, or a truncation too small, or with nothing to cut."""
    if distribution not in ("normal", "uniform"):
        raise UsageError(f"unknown latent distribution {distribution!r}", "use normal or uniform")
    if truncation is not None:
        if distribution != "normal":
            raise UsageError("truncation redraws the tails of a normal latent", "this generator has uniform latents")
        if not MIN_TRUNCATION <= truncation < math.inf:
            raise UsageError(f"truncation is {truncation}", f"it must be at least {MIN_TRUNCATION}, for example 1.0")


def check_seed(seed: int) -> None:
    """Raise UsageError for a seed outside 0 .. 2³²−1."""
    if not 0 <= seed < SEED_END:
        raise UsageError(f"seed {seed} is outside 0..{SEED_END - 1}", "choose a seed in that range")


def _normal(stream: np.random.RandomState, size: int, truncation: float | None) -> npt.NDArray[np.float64]:
    z = stream.standard_normal(size)
    if truncation is not None:
        while (outside := np.abs(z) > truncation).any():
            z[outside] = stream.standard_normal(int(outside.sum()))
    return z


@dataclass(frozen=True, slots=True)
class LatentSpace:
    """Where a generator's latents live, and how to move in it without leaving what it was trained on."""

    size: int
    distribution: str = "normal"
    truncation: float | None = None

    def __post_init__(self) -> None:
        check_space(self.distribution, self.truncation)

    def from_seeds(self, seeds: Iterable[int]) -> Float32:
        """The latents of `seeds`, float32 (N, size)."""
        return latents(seeds, self.size, self.distribution, self.truncation)

    def between(self, a: Float32, b: Float32, t: float) -> Float32:
        """From `a` (t = 0) to `b` (t = 1): along the sphere for normal latents, straight within the cube for uniform ones."""
        if self.distribution == "normal":
            return slerp(a, b, t)
        return ((1 - t) * a + t * b).astype(np.float32)

    def near(self, centre: Float32, noise: Float32, radius: float) -> Float32:
        """`centre` (size,) with a share of `noise` (N, size) mixed in; radius 0 is the centre itself, 1 is noise alone.

        For normal latents √(1 − r²)·z + r·ε, which is N(0, I) again: a variation is as likely as any picture.
        """
        keep = np.sqrt(1 - radius**2) if self.distribution == "normal" else 1 - radius
        return np.asarray(keep * centre + radius * noise, np.float32)

    def sum(self, rows: Float32, signs: Sequence[int]) -> Float32:
        """z₁ ± z₂ ± …, (size,), brought back to where latents live: the shell of radius √size, or the cube [−1, 1].

        Latent arithmetic, Radford et al. 2016, section 6.3.2 (there on averages of several latents).
        """
        total = np.asarray(signs, np.float64) @ rows
        if self.distribution == "uniform":
            return np.clip(total, -1, 1).astype(np.float32)
        return np.asarray(total * np.sqrt(self.size) / max(float(np.linalg.norm(total)), 1e-12), np.float32)


def without_unit_axes(z: Float32) -> Float32:
    """Latents (N, size) of those given as (N, size, 1, 1), as convolutional generators take them. Other shapes stay."""
    return z.reshape(z.shape[:2]) if z.ndim > 2 and z.shape[2:] == (1,) * (z.ndim - 2) else z


def slerp(a: Float32, b: Float32, t: float) -> Float32:
    """Spherical interpolation from `a` (t = 0) to `b` (t = 1), both (size,): stays on the shell where N(0, I) lives.

    Shoemake 1985. Falls back to the straight line where the two directions (nearly) coincide or oppose.
    """
    cosine = float(np.clip(np.dot(a, b) / (np.linalg.norm(a) * np.linalg.norm(b) + 1e-12), -1, 1))
    angle = np.arccos(cosine)
    if np.sin(angle) < 1e-4:
        return ((1 - t) * a + t * b).astype(np.float32)
    return np.asarray((np.sin((1 - t) * angle) * a + np.sin(t * angle) * b) / np.sin(angle), np.float32)


def parse_seeds(text: str, option: str = "--seeds") -> list[range]:
    """Seeds as a user writes them, `0-35,40` → [range(0, 36), range(40, 41)]: ranges, so a million costs nothing.

    Raises UsageError naming the part that is no number, runs backwards, or leaves 0 .. 2³²−1.
    """
    spans = []
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        start = whole_number(first)
        end = whole_number(last) if dash else start
        if start is None or end is None:
            raise UsageError(f"cannot read {part.strip()!r} in {option} {text!r}", "write numbers and ranges, like 0-35,40")
        if end < start:
            raise UsageError(f"the range {part.strip()} in {option} runs backwards", f"write {end}-{start}")
        if end >= SEED_END:
            raise UsageError(f"seed {end} is outside 0..{SEED_END - 1}", "choose a seed in that range")
        spans.append(range(start, end + 1))
    return spans
