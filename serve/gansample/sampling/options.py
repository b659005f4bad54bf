"""Which pictures were asked for, as options: checked before anything is loaded, a selection once the generator is known."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

from gansample.errors import UsageError

if TYPE_CHECKING:
    from gansample.latents import LatentSpace
    from gansample.sampling.selection import Selection

DEFAULT_N, DEFAULT_FRAMES, DEFAULT_RADIUS = 64, 60, 0.3
MAX_PICTURES = 1_000_000_000  # in one run; past this a typo is likelier than a wish

# The ways of asking, each with the options that go with it; --n and --seed alone are the plainest one.
WAYS: dict[str, tuple[str, ...]] = {
    "seeds": (),
    "walk": ("frames", "loop"),
    "around": ("radius", "n", "seed"),
    "mix": (),
    "latents": (),
}


@dataclass(frozen=True, kw_only=True)
class Which:
    """The options as they were given; None, or False, where they were not."""

    n: int | None = None
    seed: int | None = None
    seeds: str | None = None
    walk: str | None = None
    frames: int | None = None
    loop: bool = False
    around: int | None = None
    radius: float | None = None
    mix: str | None = None
    latents: Path | None = None

    def __post_init__(self) -> None:
        """Raise UsageError for options that contradict each other."""
        given = [field.name for field in fields(self) if getattr(self, field.name) is not field.default]
        ways = [name for name in given if name in WAYS]
        if len(ways) > 1:
            raise UsageError(f"--{ways[0]} and --{ways[1]} both say which pictures", "give one of them")
        fitting = WAYS[ways[0]] if ways else ("n", "seed")
        for name in given:
            if name not in fitting and name not in ways:
                if ways and name in ("n", "seed"):
                    raise UsageError(f"--{ways[0]} names every picture already", "leave out --n and --seed")
                owner = next(way for way, options in WAYS.items() if name in options)
                raise UsageError(f"--{name} belongs to --{owner}", f"add --{owner}, or leave it out")
        if self.n is not None and self.n < 1:
            raise UsageError(f"--n is {self.n}", "ask for at least 1 picture")

    def selection(self, space: "LatentSpace") -> "Selection":
        """The pictures in this space. Raises UsageError for what cannot be read or lies outside the seeds."""
        from gansample.latents import check_seed, parse_seeds
        from gansample.sampling.selection import Around, Given, Mix, Seeds, Walk

        made: Selection
        if self.walk is not None:
            made = Walk.parse(self.walk, self.frames or DEFAULT_FRAMES, self.loop, space)
        elif self.around is not None:
            radius = DEFAULT_RADIUS if self.radius is None else self.radius
            check_seed(self.around)
            check_seed(self.seed or 0)
            made = Around(centre=self.around, radius=radius, first=self.seed or 0, n=self.n or DEFAULT_N, space=space)
        elif self.mix is not None:
            made = Mix.parse(self.mix, space)
        elif self.latents is not None:
            made = Given(self.latents, space)
        elif self.seeds is not None:
            made = Seeds(parse_seeds(self.seeds), space)
        else:
            made = Seeds([self._span()], space)
        if len(made) > MAX_PICTURES:
            raise UsageError(f"{len(made):,} pictures are more than {MAX_PICTURES:,}", "split them over several runs")
        return made

    def _span(self) -> range:
        from gansample.latents import SEED_END, check_seed

        first, n = self.seed or 0, self.n or DEFAULT_N
        check_seed(first)
        if first + n > SEED_END:
            raise UsageError(f"--n {n} from seed {first} runs past the last seed, {SEED_END - 1}", "ask for fewer pictures")
        return range(first, first + n)
