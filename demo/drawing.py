"""What the page's buttons do, without the page: a visitor's settings in, captioned picture files and a report line out."""

import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from demo.bundle_store import BundleStore
from demo.image_store import ImageStore
from gansample.errors import UsageError
from gansample.latents import SEED_END
from gansample.outputs.job import Job, job_from_options
from gansample.outputs.options import DrawOptions
from gansample.outputs.png import encode_png_text
from gansample.sampling.classes import format_class
from gansample.sampling.options import EngineOptions, SelectionOptions
from gansample.sampling.selection import Around, Seeds, Walk

MAX_PICTURES = 64  # in one draw
NEIGHBOURS = 11  # and the picture itself: three rows of four
EVERY_CLASS = "each in turn"  # as the page's API and its addresses have it; the page itself shows texts.ENGLISH["each"]
FIRST_SEED, FIRST_COUNT = 0, 24  # what the page opens with


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawSettings:
    """The generator, the class and how to draw: settings that all tabs share."""

    bundle: str
    label: str = EVERY_CLASS
    """A class name, or EVERY_CLASS: seed s then draws class s mod (number of classes)."""
    truncation: float = 0.0
    """0 is off."""
    psi: float = 1.0
    """1 is off; anything else is refused by a generator without a mapping."""
    precision: str = "exact"

    def options(self, selection: SelectionOptions, classes: Sequence[str]) -> DrawOptions:
        """These settings with a selection as gansample's options, for a generator with these classes."""
        label = format_class(classes.index(self.label), classes) if self.label in classes else self.label
        of_class = label if label != EVERY_CLASS else None
        psi = self.psi if self.psi != 1 else None
        return DrawOptions(
            selection=replace(selection, of_class=of_class, truncation=self.truncation or None, psi=psi),
            engine=EngineOptions(precision=self.precision),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawResult:
    pictures: list[tuple[Path, str]]
    """PNG file and caption, in the order of the selection."""
    report: str
    """Count, time, engine and why it was chosen: a line of Markdown, the same in every language."""


def consecutive_seeds(seed: float | None, count: float) -> SelectionOptions:
    """`count` seeds from `seed` on. Raises UsageError for a seed or count out of range."""
    first = check_seed(seed)
    if not _is_whole(count) or not 1 <= count <= MAX_PICTURES:
        raise UsageError(f"{count!r:.40} pictures were asked for", f"ask for 1 to {MAX_PICTURES}")
    count = int(count)
    if first > SEED_END - count:
        raise UsageError(
            f"seeds {first} to {first + count - 1} leave 0..{SEED_END - 1}", "choose a lower seed, or fewer pictures"
        )
    return SelectionOptions(seed=first, n=count)


def neighbours(seed: float | None, radius: float) -> SelectionOptions:
    return SelectionOptions(around=check_seed(seed), radius=radius, n=NEIGHBOURS)


def interpolate(a: float | None, b: float | None, frames: int) -> SelectionOptions:
    return SelectionOptions(walk=f"{check_seed(a)},{check_seed(b)}", frames=frames)


def latent_arithmetic(text: str) -> SelectionOptions:
    return SelectionOptions(mix=text.replace(" ", "").replace("−", "-"))


def check_seed(seed: float | None) -> int:
    """The seed that was typed, None where the field is empty. Raises UsageError unless it is a whole number in range."""
    hint = f"type a whole number from 0 to {SEED_END - 1}"
    if seed is None:
        raise UsageError("there is no seed", hint)
    if not _is_whole(seed) or not 0 <= seed < SEED_END:
        raise UsageError(f"the seed is {seed!r:.40}", hint)
    return int(seed)


def _is_whole(number: object) -> bool:
    """Callers of the API may send anything; a browser has only one kind of number, and 7.0 is 7."""
    return type(number) is int or (type(number) is float and number.is_integer())


def draw_images(
    settings: DrawSettings,
    selection: SelectionOptions,
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
    job = job_from_options(settings.options(selection, sampler.spec.classes or ()), sampler.bundle, sampler.engine)
    positions = range(len(job)) if positions is None else positions
    if len(positions) > limit:
        raise UsageError(f"{len(positions)} pictures were asked for", f"ask for 1 to {limit}")
    started = time.perf_counter()
    inputs = job.inputs(positions, sampler.styles if sampler.spec.mapping is not None else None)
    images, labels = sampler.draw_rows(inputs.rows, inputs.label), inputs.labels
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
