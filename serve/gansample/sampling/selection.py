"""Which pictures: a selection knows each by its position 0 .. len − 1, so that any part can be drawn at any time, in any order.

Seeds      --seeds 0-35,40        one picture a seed
Walk       --walk 1,7,42          frames on the way from seed to seed
Around     --around 7             variations of one picture
Mix        --mix 3+9-4            latent arithmetic
LatentsFile --latents z.npy       latents from elsewhere
"""

import re
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from gansample.errors import ArtefactError, UsageError
from gansample.latents import SEED_END, Float32, LatentSpace, check_seed, parse_seeds, without_unit_axes
from gansample.system.npz import check_header
from gansample.system.numbers import whole_number

MAX_RADIUS = 1.0
MAX_KEYS = 100_000  # of a walk, which holds them all
MAX_NAME = 80  # characters: a tar header has room for 100, with the ending
_TERM = re.compile(r"[+-]?[0-9]+")


class Selection(Protocol):
    """Pictures that were asked for."""

    def __len__(self) -> int: ...

    def latents(self, positions: Sequence[int]) -> Float32:
        """Their latents, float32 (len(positions), latent size)."""

    def seeds(self, positions: Sequence[int]) -> list[int]:
        """For each, the seed that decides its class where none was asked for."""

    def sources(self) -> Sequence[int]:
        """The seeds that pictures lie between, where all share the first one's class; none where each has its own."""

    def name(self, position: int) -> str:
        """The stem of its file, like seed0000042."""

    def options(self, position: int | None = None) -> Mapping[str, Any]:
        """The command line's options, by name, that select all of this again, or only the picture at `position`."""


class Seeds:
    """One picture a seed, in the order that was asked for; kept as ranges, so that ten million weigh nothing."""

    def __init__(self, spans: Sequence[range], space: LatentSpace) -> None:
        self.spans, self.space = tuple(spans), space
        self._ends = list(accumulate(len(span) for span in spans))

    def __len__(self) -> int:
        return self._ends[-1]

    def seed(self, position: int) -> int:
        which = bisect_right(self._ends, position)
        return self.spans[which][position - self._ends[which]]  # counted from the span's end, so negative

    def latents(self, positions: Sequence[int]) -> Float32:
        return self.space.from_seeds(self.seeds(positions))

    def seeds(self, positions: Sequence[int]) -> list[int]:
        return [self.seed(position) for position in positions]

    def sources(self) -> Sequence[int]:
        return ()

    def name(self, position: int) -> str:
        return f"seed{self.seed(position):07d}"

    def options(self, position: int | None = None) -> Mapping[str, Any]:
        if position is not None:
            return {"seeds": str(self.seed(position))}
        return {"seeds": ",".join(f"{s.start}" if len(s) == 1 else f"{s.start}-{s.stop - 1}" for s in self.spans)}

    def repeated(self) -> int | None:
        """A seed that was asked for twice, or None."""
        end = -1
        for span in sorted(self.spans, key=lambda span: span.start):
            if span.start < end:
                return span.start
            end = span.stop
        return None


def check_unique_names(selection: Selection) -> None:
    """Raise UsageError for a seed that was asked for twice: its file has one name."""
    if isinstance(selection, Seeds) and (twice := selection.repeated()) is not None:
        raise UsageError(f"seed {twice} was asked for twice, and its file has one name", "name every seed once")


@dataclass(frozen=True, kw_only=True)
class Walk:
    """From seed to seed along the shell of the latents, `frames` to each; with `loop` back to the first."""

    keys: tuple[int, ...]
    frames: int
    loop: bool
    space: LatentSpace

    @classmethod
    def parse(cls, text: str, frames: int, loop: bool, space: LatentSpace) -> "Walk":
        spans = parse_seeds(text, "--walk")
        if (count := sum(map(len, spans))) > MAX_KEYS:
            raise UsageError(f"--walk {text} names {count:,} seeds", f"a walk goes through {MAX_KEYS:,} at most")
        keys = tuple(seed for span in spans for seed in span)
        if len(keys) < 2:
            raise UsageError(f"--walk {text} names one seed", "a walk needs at least two, like --walk 1,7,42")
        return cls(keys=keys, frames=frames, loop=loop, space=space)

    def __len__(self) -> int:
        return len(self.keys) * self.frames if self.loop else (len(self.keys) - 1) * self.frames + 1

    def latents(self, positions: Sequence[int]) -> Float32:
        rows = np.empty((len(positions), self.space.size), np.float32)
        for row, position in zip(rows, positions, strict=True):
            leg, frame = divmod(position, self.frames)
            a, b = self.space.from_seeds([self.keys[leg], self.keys[(leg + 1) % len(self.keys)]])
            row[:] = self.space.between(a, b, frame / self.frames) if frame else a
        return rows

    def seeds(self, positions: Sequence[int]) -> list[int]:
        return [self.keys[0]] * len(positions)  # one class on the whole way: a label has no half

    def sources(self) -> Sequence[int]:
        return self.keys

    def name(self, position: int) -> str:
        return f"frame{position:07d}"

    def options(self, position: int | None = None) -> Mapping[str, Any]:
        whole = {"walk": ",".join(map(str, self.keys)), "frames": self.frames, "loop": self.loop or None}
        return whole if position is None else {**whole, "frame": position}


@dataclass(frozen=True, kw_only=True)
class Around:
    """Variations `first` .. `first + n − 1` of the picture with seed `centre`.

    Variation k mixes in the latent of seed centre + 1 + k (modulo 2³²), which never is the centre's own.
    """

    centre: int
    radius: float
    first: int
    n: int
    space: LatentSpace

    def __post_init__(self) -> None:
        if not 0 < self.radius <= MAX_RADIUS:
            raise UsageError(
                f"--radius is {self.radius:g}", "it must be above 0, the picture itself, and at most 1, any picture"
            )

    def __len__(self) -> int:
        return self.n

    def latents(self, positions: Sequence[int]) -> Float32:
        noise = self.space.from_seeds([(self.centre + 1 + self.first + position) % SEED_END for position in positions])
        return self.space.near(self.space.from_seeds([self.centre])[0], noise, self.radius)

    def seeds(self, positions: Sequence[int]) -> list[int]:
        return [self.centre] * len(positions)

    def sources(self) -> Sequence[int]:
        return ()  # variations of one picture are of its class, as anybody expects

    def name(self, position: int) -> str:
        return f"around{self.centre:07d}-{self.first + position:07d}"

    def options(self, position: int | None = None) -> Mapping[str, Any]:
        first, n = (self.first, self.n) if position is None else (self.first + position, 1)
        return {"around": self.centre, "radius": self.radius, "seed": first, "n": n}


@dataclass(frozen=True, kw_only=True)
class Mix:
    """Latent arithmetic: each sum of seeds is one picture."""

    sums: tuple[tuple[int, ...], ...]  # the seeds of each
    signs: tuple[tuple[int, ...], ...]
    space: LatentSpace

    @classmethod
    def parse(cls, text: str, space: LatentSpace) -> "Mix":
        sums, signs = [], []
        for part in text.split(","):
            terms = _TERM.findall(part)
            if "".join(terms) != part or not terms:
                raise UsageError(f"cannot read {part!r} in --mix {text!r}", "write seeds with signs, like 3+9-4")
            seeds = tuple(whole_number(term.lstrip("+-")) or 0 for term in terms)
            check_seed(max(seeds))
            sums.append(seeds)
            signs.append(tuple(-1 if term.startswith("-") else 1 for term in terms))
        return cls(sums=tuple(sums), signs=tuple(signs), space=space)

    def __len__(self) -> int:
        return len(self.sums)

    def latents(self, positions: Sequence[int]) -> Float32:
        rows = [self.space.sum(self.space.from_seeds(self.sums[position]), self.signs[position]) for position in positions]
        return np.stack(rows) if rows else np.empty((0, self.space.size), np.float32)

    def seeds(self, positions: Sequence[int]) -> list[int]:
        return [self.sums[position][0] for position in positions]

    def sources(self) -> Sequence[int]:
        return self.sums[0] if len(self.sums) == 1 else ()

    def name(self, position: int) -> str:
        text = self._text(position)
        return f"mix{text}" if len(text) <= MAX_NAME else f"mix{position:07d}"

    def options(self, position: int | None = None) -> Mapping[str, Any]:
        return {"mix": ",".join(self._text(each) for each in (range(len(self)) if position is None else [position]))}

    def _text(self, position: int) -> str:
        terms = zip(self.signs[position], self.sums[position], strict=True)
        return "".join(f"{'-' if sign < 0 else '+'}{seed}" for sign, seed in terms).removeprefix("+")


class LatentsFile:
    """Latents from a .npy file, float32 or float64 (N, latent size), read where they lie: memory stays flat."""

    def __init__(self, path: Path, space: LatentSpace) -> None:
        self.path, self.space = path, space
        try:
            if path.exists() and not path.is_file():
                raise ValueError("it is no regular file")
            with path.open("rb") as file:
                check_header(file, path.stat().st_size)
            self._rows = np.load(path, mmap_mode="r", allow_pickle=False)
        except FileNotFoundError:
            raise ArtefactError(f"{path} is missing", "give --latents a .npy file") from None
        except (OSError, ValueError, EOFError) as error:
            raise ArtefactError(f"{path} is no .npy file of numbers ({error})", "write one with numpy.save") from None
        if not isinstance(self._rows, np.ndarray) or self._rows.dtype.kind != "f":
            kind = getattr(self._rows, "dtype", "an archive")
            raise UsageError(f"{path} holds {kind}", "latents are a float32 or float64 array")
        self._rows = without_unit_axes(self._rows)
        if self._rows.ndim != 2 or self._rows.shape[1] != space.size or not len(self._rows):
            raise UsageError(f"{path} has shape {self._rows.shape}", f"this generator takes (N, {space.size})")
        for start in range(0, len(self._rows), 65_536):
            if not np.isfinite(self._rows[start : start + 65_536]).all():
                raise UsageError(f"{path} holds NaN or infinity", "every component must be a finite number")

    def __len__(self) -> int:
        return len(self._rows)

    def latents(self, positions: Sequence[int]) -> Float32:
        return np.asarray(self._rows[list(positions)], np.float32)

    def seeds(self, positions: Sequence[int]) -> list[int]:
        return list(positions)

    def sources(self) -> Sequence[int]:
        return ()

    def name(self, position: int) -> str:
        return f"latent{position:07d}"

    def options(self, position: int | None = None) -> Mapping[str, Any]:
        whole = {"latents": str(self.path)}
        return whole if position is None or len(self) == 1 else {**whole, "row": position}
