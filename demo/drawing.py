"""What the page's buttons do, without the page: a visitor's settings in, captioned picture files and a report line out."""

import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from demo.bundle_store import BundleStore
from demo.image_store import ImageStore
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
PRECISIONS = ("exact", "fast")
FIRST_SEED, FIRST_COUNT = 0, 24  # what the page opens with

Select = Callable[[LatentSpace], Selection]


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawSettings:
    """The generator, the class and how to draw: settings that all tabs share."""

    bundle: str
    label: str = EVERY_CLASS
    """A class name, or EVERY_CLASS: seed s then draws class s mod (number of classes)."""
    truncation: float = 0.0
    """0 is off."""
    precision: str = "exact"


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawResult:
    pictures: list[tuple[Path, str]]
    """PNG file and caption, in the order of the selection."""
    report: str
    """Count, time, engine and why it was chosen: a line of Markdown, the same in every language."""


def consecutive_seeds(seed: int | None, count: int) -> Select:
    """`count` seeds from `seed` on. Raises UsageError for a seed or count out of range."""
    first = check_seed(seed)
    if not 1 <= count <= MAX_PICTURES:
        raise UsageError(f"{count} pictures were asked for", f"ask for 1 to {MAX_PICTURES}")
    if first > SEED_END - count:
        raise UsageError(
            f"seeds {first} to {first + count - 1} leave 0..{SEED_END - 1}", "choose a lower seed, or fewer pictures"
        )
    return lambda space: Seeds([range(first, first + count)], space)


def neighbours(seed: int | None, radius: float) -> Select:
    centre = check_seed(seed)
    return lambda space: Around(centre=centre, radius=radius, first=0, n=NEIGHBOURS, space=space)


def interpolate(a: int | None, b: int | None, frames: int) -> Select:
    first, last = check_seed(a), check_seed(b)
    return lambda space: Walk(keys=(first, last), frames=frames, loop=False, space=space)


def latent_arithmetic(text: str) -> Select:
    return lambda space: Mix.parse(text.replace(" ", "").replace("−", "-"), space)


def check_seed(seed: int | None) -> int:
    if seed is None or not 0 <= seed < SEED_END:
        raise UsageError(f"the seed is {seed}", f"type a whole number from 0 to {SEED_END - 1}")
    return int(seed)


def draw_images(
    settings: DrawSettings,
    select: Select,
    bundle_store: BundleStore,
    image_store: ImageStore,
    *,
    positions: Sequence[int] | None = None,
    limit: int = MAX_PICTURES,
) -> DrawResult:
    """Draw and store the pictures; every file carries the metadata to draw it again.

    positions  of the selection; None is all of it.
    limit      refuse more pictures than this.

    Raises UsageError for an unknown bundle or class, and ArtefactError, BackendUnavailable, OutputError as gansample does.
    """
    sampler = bundle_store.sampler(settings.bundle, settings.precision)
    job = make_job(settings, select, sampler)
    positions = range(len(job)) if positions is None else positions
    if len(positions) > limit:
        raise UsageError(f"{len(positions)} pictures were asked for", f"ask for 1 to {limit}")
    labels = job.labels(positions)
    started = time.perf_counter()
    images = sampler.draw(job.selection.latents(positions), labels)
    seconds = time.perf_counter() - started
    files, captions = {}, []
    for row, position in enumerate(positions):
        label = int(labels[row]) if labels is not None else None
        files[f"{job.selection.name(position)}.png"] = encode_png_text(images[row], job.picture_json(position, label))
        captions.append(_caption(job, position, label))
    return DrawResult(
        pictures=list(zip(image_store.keep(files), captions, strict=True)),
        report=f"**{len(positions)}** · **{_duration(seconds)}** · {sampler.runner.backend} · {sampler.runner.variant} "
        f"({sampler.why})",
    )


def random_seed() -> int:
    """A random seed, low enough for MAX_PICTURES consecutive ones."""
    return secrets.randbelow(SEED_END - MAX_PICTURES + 1)


def make_job(settings: DrawSettings, select: Select, sampler: Sampler, upscale: int = 1) -> Job:
    """The job for these settings. Raises UsageError for an unknown class."""
    spec = sampler.spec
    truncation = settings.truncation or None
    wanted = parse_classes(settings.label, spec.classes) if settings.label != EVERY_CLASS else None
    selection = select(spec.latent_space(truncation))
    return Job(selection, spec, wanted, upscale, picture_metadata(sampler.bundle, sampler.engine, {"truncation": truncation}))


def _caption(job: Job, position: int, label: int | None) -> str:
    selection = job.selection
    match selection:
        case Seeds():
            text = f"seed {selection.seed(position)}"
        case Around():
            text = f"{selection.centre} ± {selection.radius:g} · {position}"
        case Walk():
            text = f"{selection.keys[0]} → {selection.keys[1]} · {position / selection.frames:.0%}"
        case _:
            text = str(selection.options(position).get("mix"))
    return text if label is None or job.spec.classes is None else f"{text} · {job.spec.classes[label]}"


def _duration(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"
