"""What can be asked of a drawing: which pictures, and on which engine. Into what: `outputs/options.py`, which joins the three.

Each option is declared once, as a field of a dataclass. The command line and its fast parser, completion, the table in
docs/drawing.md and the limits that HTTP, the demo and Python meet are all made from these fields (`cli/option_table.py`).
Standard library only, so that a mistake is answered before numpy is imported.
"""

from collections.abc import Mapping
from dataclasses import Field, dataclass, field, fields
from pathlib import Path
from types import UnionType
from typing import TYPE_CHECKING, Any, get_args

from gansample.errors import UsageError
from gansample.runtimes.backends import BACKENDS, GPU_BACKENDS

if TYPE_CHECKING:
    from gansample.latents import LatentSpace
    from gansample.sampling.selection import Selection

PRECISIONS = ("exact", "fast")

DEFAULT_N, DEFAULT_FRAMES, DEFAULT_RADIUS = 64, 60, 0.3
MAX_PICTURES = 1_000_000_000  # in one run; a larger number is more likely a typo


class TooManyPictures(UsageError):
    """More pictures than one run may draw."""


@dataclass(frozen=True, slots=True)
class Option:
    """How one field of the options below appears to a user."""

    name: str
    help: str
    kind: type
    """int, float, str, Path, or bool for a flag."""
    flags: tuple[str, ...]
    """As typed, the first one being the option's name in messages."""
    metavar: str | None
    argument: bool
    """May also be given without its flag."""
    minimum: int | None
    maximum: int | None
    choices: tuple[str, ...]
    """For completion and the docs. A wrong value is refused where its alternatives are known."""
    forms: tuple[str, ...]
    """The forms of output it applies to; all of them where empty."""

    @property
    def flag(self) -> str:
        return self.flags[0]


def option(
    help: str,
    *flags: str,
    default: Any = None,
    metavar: str | None = None,
    argument: bool = False,
    minimum: int | None = None,
    maximum: int | None = None,
    choices: tuple[str, ...] = (),
    forms: tuple[str, ...] = (),
) -> Any:
    """A dataclass field that is an option; without `flags`, --name."""
    declared = {"help": help, "flags": flags, "metavar": metavar, "argument": argument, "minimum": minimum, "maximum": maximum}
    return field(default=default, metadata={**declared, "choices": choices, "forms": forms})


def options_of(group: type["OptionGroup"]) -> tuple[Option, ...]:
    """The options that a group declares, in the order of their fields."""
    return tuple(_option_from_field(each) for each in fields(group))


def _option_from_field(each: "Field[Any]") -> Option:
    kind = get_args(each.type)[0] if isinstance(each.type, UnionType) else each.type
    assert isinstance(kind, type)
    flags = each.metadata["flags"] or (f"--{each.name.replace('_', '-')}",)
    return Option(name=each.name, kind=kind, **{**each.metadata, "flags": flags})


@dataclass(frozen=True, kw_only=True)
class OptionGroup:
    """Options that belong together. A field that was not given has its default: None, or False for a flag."""

    def __post_init__(self) -> None:
        """Raise UsageError for a number outside its limits."""
        for each in options_of(type(self)):
            value = getattr(self, each.name)
            if value is None or each.kind is not int:
                continue
            if each.minimum is not None and value < each.minimum:
                raise UsageError(f"{each.flag} is {value}", f"it must be at least {each.minimum}")
            if each.maximum is not None and value > each.maximum:
                raise UsageError(f"{each.flag} is {value:,}", f"it must be at most {each.maximum:,}")

    def given(self) -> list[Option]:
        """The options that differ from their default."""
        defaults = {each.name: each.default for each in fields(self)}
        return [each for each in options_of(type(self)) if getattr(self, each.name) != defaults[each.name]]


# The ways of selecting pictures, each with the options that belong to it; --n and --seed alone are the plainest one.
SELECTIONS: Mapping[str, tuple[str, ...]] = {
    "seeds": (),
    "walk": ("frames", "loop"),
    "around": ("radius", "n", "seed"),
    "mix": (),
    "mix_styles": (),
    "latents": (),
}


@dataclass(frozen=True, kw_only=True)
class SelectionOptions(OptionGroup):
    """Which pictures. Raises UsageError for options that contradict each other."""

    n: int | None = option("Number of pictures (default 64).", "--n", "-n")
    seed: int | None = option("First seed; picture k has seed SEED + k (default 0).")
    seeds: str | None = option("Exactly these seeds, like 0-35,40.")
    of_class: str | None = option(
        "Draw this class, or these in turn (default: each seed's own).", "--class", metavar="NAME|INDEX[,…]"
    )
    truncation: float | None = option("Redraw latent components beyond ±T: below 2 fewer odd pictures, near 0 all alike.")
    psi: float | None = option("Of a generator with a mapping: 1 its own pictures, 0.7 more usual ones, 0 the mean picture.")
    walk: str | None = option("A way through these seeds, like 1,7,42.")
    frames: int | None = option("From one seed of a walk to the next (60).", minimum=1, maximum=100_000)
    loop: bool = option("Let the walk end where it begins.", default=False)
    around: int | None = option("Variations of this picture.", metavar="SEED")
    radius: float | None = option("How far they stray, above 0 to 1 (0.3).")
    mix: str | None = option("Latent arithmetic on seeds.", metavar="A+B-C[,…]")
    mix_styles: str | None = option("Of a generator with a mapping: each layer in one seed's style.", metavar="A:0-3,B:4-")
    latents: Path | None = option("Your own latents, float (N, size).", metavar="Z.npy")

    def __post_init__(self) -> None:
        super().__post_init__()
        given = [each.name for each in self.given()]
        flags = {each.name: each.flag for each in options_of(type(self))}
        ways = [name for name in given if name in SELECTIONS]
        if len(ways) > 1:
            raise UsageError(f"{flags[ways[0]]} and {flags[ways[1]]} both say which pictures", "give one of them")
        fitting = SELECTIONS[ways[0]] if ways else ("n", "seed")
        for name in given:
            if name in (*fitting, *ways, "of_class", "truncation", "psi"):
                continue
            if ways and name in ("n", "seed"):
                raise UsageError(f"{flags[ways[0]]} names every picture already", "leave out --n and --seed")
            owner = next(way for way, options in SELECTIONS.items() if name in options)
            raise UsageError(f"{flags[name]} belongs to {flags[owner]}", f"add {flags[owner]}, or leave it out")
        if self.latents is not None and self.truncation is not None:
            raise UsageError("--truncation redraws the latents of seeds, and --latents brings its own", "leave one of them out")
        if self.n is not None and self.n < 1:
            raise UsageError(f"--n is {self.n}", "ask for at least 1 picture")
        if self.psi is not None:
            from gansample.bundle.style_mapping import check_psi

            check_psi(self.psi)

    def selection(self, space: "LatentSpace", layers: int | None = None) -> "Selection":
        """The pictures in this space. Raises UsageError for what cannot be read or lies outside the seeds.

        layers  of a generator with a mapping, whose walks go through styles; None for one without.
        """
        from gansample.latents import check_seed, parse_seeds
        from gansample.sampling.selection import Around, LatentsFile, Mix, Seeds, Walk
        from gansample.sampling.styles import MixStyles, StyleWalk

        made: Selection
        if self.walk is not None:
            walk = Walk if layers is None else StyleWalk
            made = walk.parse(self.walk, self.frames or DEFAULT_FRAMES, self.loop, space)
        elif self.mix_styles is not None:
            if layers is None:
                raise UsageError("--mix-styles needs a generator with a mapping to styles", "--mix adds latents")
            made = MixStyles.parse(self.mix_styles, space, layers)
        elif self.around is not None:
            radius = DEFAULT_RADIUS if self.radius is None else self.radius
            check_seed(self.around)
            check_seed(self.seed or 0)
            _check_count(self.n or DEFAULT_N)  # before `len`, which raises OverflowError from 2⁶³ on
            made = Around(centre=self.around, radius=radius, first=self.seed or 0, n=self.n or DEFAULT_N, space=space)
        elif self.mix is not None:
            made = Mix.parse(self.mix, space)
        elif self.latents is not None:
            made = LatentsFile(self.latents, space)
        elif self.seeds is not None:
            made = Seeds(parse_seeds(self.seeds), space)
        else:
            made = Seeds([self._consecutive()], space)
        _check_count(len(made))
        return made

    def _consecutive(self) -> range:
        from gansample.latents import SEED_END, check_seed

        first, n = self.seed or 0, self.n or DEFAULT_N
        check_seed(first)
        if first + n > SEED_END:
            raise UsageError(f"--n {n} from seed {first} runs past the last seed, {SEED_END - 1}", "ask for fewer pictures")
        return range(first, first + n)


def _check_count(n: int) -> None:
    if n > MAX_PICTURES:
        raise TooManyPictures(f"{n:,} pictures are more than {MAX_PICTURES:,}", "split them over several runs")


@dataclass(frozen=True, kw_only=True)
class EngineOptions(OptionGroup):
    """On which engine: never what is drawn, within what `precision` allows."""

    bundle: Path | None = option("Bundle folder, .onnx or name (default: the newest under artifacts/, else fashion).")
    backend: str = option(f"{', '.join(BACKENDS)}.", default="auto", choices=BACKENDS)
    precision: str = option(
        "exact: within one 8-bit step of PyTorch; fast: the quickest that passed its check at export.",
        default="exact",
        choices=PRECISIONS,
    )
    batch: int = option("Pictures per run of the model; changes speed only.", default=64, minimum=1, maximum=4096)
    threads: int | None = option("Processor threads (default: all cores).", minimum=1, maximum=1024)
    ray: bool = option("Draw shards on a Ray cluster: .tar or .parquet, a path or an address like s3://…", default=False)
    workers: int | None = option("With --ray: engines (default: all there is room for).", minimum=1)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.precision not in PRECISIONS:
            raise UsageError(f"unknown --precision {self.precision!r}", "choose exact or fast")
        if self.threads is not None and self.backend in GPU_BACKENDS:
            raise UsageError(f"--threads is for processors, and {self.backend} draws on a GPU", "leave it out")
        if self.workers is not None and not self.ray:
            raise UsageError("--workers belongs to --ray", "add --ray, or leave it out")
