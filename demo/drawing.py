"""What the page's buttons do, without the page: a visitor's wishes in, captioned picture files and a sentence out."""

import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from demo.bundle_store import Shelf
from demo.image_store import Album
from gansample.errors import UsageError
from gansample.latents import SEED_END, LatentSpace
from gansample.outputs.base import Job
from gansample.outputs.metadata import picture_metadata
from gansample.outputs.png import encode_png_text
from gansample.sampling.classes import parse_classes
from gansample.sampling.sampler import Sampler
from gansample.sampling.selection import Around, Mix, Seeds, Selection, Walk

MAX_PICTURES = 64  # in one draw
NEIGHBOURS = 11  # and the picture itself: three rows of four
EVERY_CLASS = "each in turn"

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
    """How many, how fast, on what and why: a line of Markdown, in the numbers and names that every language shares."""


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


def draw(
    wish: Wish,
    select: Select,
    shelf: Shelf,
    album: Album,
    *,
    positions: Sequence[int] | None = None,
    most: int = MAX_PICTURES,
) -> Drawing:
    """Draw and keep the pictures; every file carries what it takes to draw it again.

    positions  of the selection; None is all of it.
    most       pictures that are drawn.

    Raises UsageError for a bundle or class that is not there, ArtefactError, BackendUnavailable, OutputError as gansample does.
    """
    sampler = shelf.sampler(wish.bundle, wish.precision)
    job = job_of(wish, select, sampler)
    positions = range(len(job)) if positions is None else positions
    if len(positions) > most:
        raise UsageError(f"{len(positions)} pictures were asked for", f"ask for 1 to {most}")
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
        report=f"**{len(positions)}** · **{_duration(seconds)}** · {sampler.runner.backend} · {sampler.runner.variant} "
        f"({sampler.why})",
    )


def roll() -> int:
    """A seed nobody chose, low enough for MAX_PICTURES pictures to follow it."""
    return secrets.randbelow(SEED_END - MAX_PICTURES + 1)


def job_of(wish: Wish, select: Select, sampler: Sampler, upscale: int = 1) -> Job:
    """What is to be drawn. Raises UsageError for a class that is not there."""
    spec = sampler.spec
    truncation = wish.truncation or None
    wanted = parse_classes(wish.label, spec.classes) if wish.label != EVERY_CLASS else None
    selection = select(LatentSpace(spec.latent_size, spec.distribution, truncation))
    return Job(selection, spec, wanted, upscale, picture_metadata(sampler.bundle, sampler.engine, {"truncation": truncation}))


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
