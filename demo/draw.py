"""What the page's buttons do, without the page: a visitor's wishes in, captioned picture files and a sentence out."""

import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from demo.album import Album
from demo.shelf import Shelf
from gansample.atomic import cannot_write
from gansample.classes import parse_classes
from gansample.errors import UsageError
from gansample.latents import SEED_END, LatentSpace
from gansample.metadata import picture_metadata
from gansample.outputs.base import Batch, Job
from gansample.outputs.video import Gif
from gansample.png import encode_png_text
from gansample.sampler import Sampler
from gansample.selection import Around, Mix, Seeds, Selection, Walk

MAX_PICTURES = 64  # in one draw
NEIGHBOURS = 11  # and the picture itself: three rows of four
EVERY_CLASS = "each in turn"
FILM_FRAMES = 48
FILM_SIDE = 256  # pixels

Select = Callable[[LatentSpace], Selection]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """From which generator, of which class, how: what every tab asks for alike."""

    bundle: str
    label: str = EVERY_CLASS
    """A class name, or EVERY_CLASS: seed s then draws class s mod (number of classes), whatever the other pictures are."""
    truncation: float = 0.0
    """0 is off."""
    precision: str = "exact"


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    pictures: list[tuple[Path, str]]
    """PNG file and caption, in the order of the selection."""
    report: str
    """How many, how fast, on what: one line of Markdown that needs no translation."""


def seeds_from(seed: int | None, count: int) -> Select:
    """`count` consecutive seeds. Raises UsageError where that makes no sense."""
    first = whole(seed)
    if not 1 <= count <= MAX_PICTURES:
        raise UsageError(f"{count} pictures were asked for", f"ask for 1 to {MAX_PICTURES}")
    if first > SEED_END - count:
        raise UsageError(
            f"seeds {first} to {first + count - 1} leave 0..{SEED_END - 1}", "choose a lower seed, or fewer pictures"
        )
    return lambda space: Seeds([range(first, first + count)], space)


def neighbours_of(seed: int | None, radius: float) -> Select:
    centre = whole(seed)
    return lambda space: Around(centre=centre, radius=radius, first=0, n=NEIGHBOURS, space=space)


def way_between(a: int | None, b: int | None, frames: int) -> Select:
    first, last = whole(a), whole(b)
    return lambda space: Walk(keys=(first, last), frames=frames, loop=False, space=space)


def sum_of(text: str) -> Select:
    return lambda space: Mix.parse(text.replace(" ", "").replace("−", "-"), space)


def whole(seed: int | None) -> int:
    if seed is None or not 0 <= seed < SEED_END:
        raise UsageError(f"the seed is {seed}", f"type a whole number from 0 to {SEED_END - 1}")
    return int(seed)


def draw(wish: Wish, select: Select, shelf: Shelf, album: Album, positions: Sequence[int] | None = None) -> Drawing:
    """Draw and keep the pictures; every file carries what it takes to draw it again.

    positions  of the selection; None is all of it.

    Raises UsageError for a bundle or class that is not there, ArtefactError, BackendUnavailable, OutputError as gansample does.
    """
    sampler = shelf.sampler(wish.bundle, wish.precision)
    job = _job(wish, select, sampler)
    positions = range(len(job)) if positions is None else positions
    if len(positions) > MAX_PICTURES:
        raise UsageError(f"{len(positions)} pictures were asked for", f"ask for 1 to {MAX_PICTURES}")
    labels = job.labels(positions)
    started = time.perf_counter()
    images = sampler.draw(job.selection.latents(positions), labels)
    seconds = time.perf_counter() - started
    files, captions = {}, []
    for row, position in enumerate(positions):
        label = int(labels[row]) if labels is not None else None
        files[f"{job.selection.name(position)}.png"] = encode_png_text(images[row], job.text(position, label))
        captions.append(_caption(job, position, label))
    return Drawing(
        pictures=list(zip(album.keep(files), captions, strict=True)),
        report=f"**{len(positions)}** · **{_duration(seconds)}** · {sampler.runner.backend} · {sampler.runner.variant}",
    )


def film(wish: Wish, select: Select, shelf: Shelf, album: Album) -> Path:
    """The whole selection as a GIF. Raises as `draw` does."""
    sampler = shelf.sampler(wish.bundle, wish.precision)
    job = _job(wish, select, sampler)
    positions = range(len(job))
    side = max(1, FILM_SIDE // max(sampler.spec.width, sampler.spec.height))
    images = sampler.draw(job.selection.latents(positions), labels := job.labels(positions))
    draft = album.folder.parent / f"{secrets.token_hex(8)}.gif"  # where nothing is served from
    try:
        gif = Gif(draft, overwrite=False, fps=20)
        gif.begin(job)
        gif.write(gif.encode(Batch(positions, images.repeat(side, axis=1).repeat(side, axis=2), labels)))
        gif.finish()
        return album.keep({"walk.gif": draft.read_bytes()})[0]
    except OSError as error:
        raise cannot_write(draft, error) from error
    finally:
        draft.unlink(missing_ok=True)


def roll() -> int:
    """A seed nobody chose, low enough for MAX_PICTURES pictures to follow it."""
    return secrets.randbelow(SEED_END - MAX_PICTURES + 1)


def _job(wish: Wish, select: Select, sampler: Sampler) -> Job:
    spec = sampler.spec
    truncation = wish.truncation or None
    wanted = parse_classes(wish.label, spec.classes) if wish.label != EVERY_CLASS else None
    selection = select(LatentSpace(spec.latent_size, spec.distribution, truncation))
    return Job(selection, spec, wanted, 1, picture_metadata(sampler, {"truncation": truncation}))


def _caption(job: Job, position: int, label: int | None) -> str:
    selection = job.selection
    match selection:
        case Seeds():
            words = f"seed {selection.seed(position)}"
        case Around():
            words = f"{selection.centre} ± {selection.radius:g} · {position}"
        case Walk():
            words = f"{selection.keys[0]} → {selection.keys[1]} · {position / selection.frames:.0%}"
        case _:
            words = str(selection.options(position).get("mix"))
    return words if label is None or job.spec.classes is None else f"{words} · {job.spec.classes[label]}"


def _duration(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"
