"""What the page's buttons do, without the page: a visitor's wishes in, captioned picture files and a sentence out."""

import secrets
import time
from dataclasses import dataclass
from pathlib import Path

from demo.album import Album
from demo.shelf import Shelf
from gansample.errors import UsageError
from gansample.latents import SEED_END
from gansample.metadata import picture_metadata
from gansample.png import encode_png

MAX_PICTURES = 64  # in one draw
EVERY_CLASS = "each in turn"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a visitor asked for. Raises UsageError where that makes no sense."""

    bundle: str
    seed: int | None
    count: int
    label: str = EVERY_CLASS
    """A class name, or EVERY_CLASS: seed s then draws class s mod (number of classes), whatever the other pictures are."""

    def __post_init__(self) -> None:
        if self.seed is None:
            raise UsageError("there is no seed", f"type a whole number from 0 to {SEED_END - 1}")
        if not 1 <= self.count <= MAX_PICTURES:
            raise UsageError(f"{self.count} pictures were asked for", f"ask for 1 to {MAX_PICTURES}")
        if not 0 <= self.seed <= SEED_END - self.count:
            raise UsageError(
                f"seeds {self.seed} to {self.seed + self.count - 1} leave 0..{SEED_END - 1}",
                "choose a lower seed, or fewer pictures",
            )

    @property
    def seeds(self) -> range:
        first = self.seed or 0
        return range(first, first + self.count)


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    pictures: list[tuple[Path, str]]
    """PNG file and caption, in the order of the seeds."""
    report: str
    """How many, how fast, on what: one sentence of Markdown."""


def draw(wish: Wish, shelf: Shelf, album: Album) -> Drawing:
    """Draw and keep the pictures; every file carries what it takes to draw it again.

    Raises UsageError for a bundle or class that is not there, ArtefactError, BackendUnavailable, OutputError as gansample does.
    """
    if wish.bundle not in shelf.bundles:
        raise UsageError(f"there is no bundle {wish.bundle!r}", f"choose one of {', '.join(shelf.names)}")
    classes = shelf.classes(wish.bundle)
    labels = [_label(seed, wish.label, classes) for seed in wish.seeds] if classes else None

    sampler = shelf.sampler(wish.bundle)
    started = time.perf_counter()
    images = sampler.sample(wish.seeds, labels=labels)
    seconds = time.perf_counter() - started

    files, captions = {}, []
    for k, (seed, image) in enumerate(zip(wish.seeds, images, strict=True)):
        drawn_class = classes[labels[k]] if labels is not None else None
        metadata = picture_metadata(sampler, {"seeds": str(seed), "class": drawn_class})
        files[f"seed{seed:07d}.png"] = encode_png(image, metadata)
        captions.append(f"seed {seed}" if drawn_class is None else f"seed {seed} · {drawn_class}")
    noun = "picture" if wish.count == 1 else "pictures"
    return Drawing(
        pictures=list(zip(album.keep(files), captions, strict=True)),
        report=f"**{wish.count} {noun}** in **{_duration(seconds)}** on {sampler.runner.backend}",
    )


def roll() -> int:
    """A seed nobody chose, low enough for MAX_PICTURES pictures to follow it."""
    return secrets.randbelow(SEED_END - MAX_PICTURES + 1)


def _label(seed: int, wanted: str, classes: tuple[str, ...]) -> int:
    if wanted == EVERY_CLASS:
        return seed % len(classes)
    if wanted not in classes:
        raise UsageError(f"there is no class {wanted!r}", f"choose {EVERY_CLASS}, {', '.join(classes)}")
    return classes.index(wanted)


def _duration(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"
