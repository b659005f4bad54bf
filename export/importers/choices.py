"""Readings of a file between which nothing decides: not exported, but drawn beside each other so that the user can choose."""

import io
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

from export.importers.from_names.chain import Chain, Layer
from export.importers.from_names.recognise import Recognised, latent_size
from export.importers.value_range import BOUNDS
from gansample.bundle.spec import Distribution, ValueRange
from gansample.errors import ParityError
from gansample.latents import latents
from gansample.system.atomic import write_atomic

SHOWN = 8  # latents
SIDE = 64  # pixels that a picture takes at least
MARGIN = 8


@dataclass(frozen=True, slots=True)
class Reading:
    """One of them: a chain as `--chain` takes it, its weights, and what its latents are drawn from."""

    chain: str
    layers: tuple[Layer, ...]
    distribution: Distribution
    value_range: ValueRange

    @property
    def option(self) -> str:
        """What selects it on the command line."""
        latent = "" if self.distribution == "normal" else f" --latent {self.distribution}"
        return f"--chain {shlex.quote(self.chain)}{latent}"


class UndecidedError(ParityError):
    """Several readings explain the file about equally well, and none of them is the textbook's."""

    def __init__(self, file: str, readings: Sequence[Reading], hint: str = "pass one of them, or --generator") -> None:
        self.file, self.readings = file, tuple(readings)
        options = "; ".join(reading.option for reading in readings)
        super().__init__(f"{len(readings)} readings explain {file} equally well and none is the textbook's: {options}", hint)


def check_decided(found: Recognised, ends_in: ValueRange, file: str) -> None:
    """Raise UndecidedError where `found` is one of several readings between which nothing decides."""
    choices, distribution = found.measured.choices, found.measured.distribution
    if choices:
        texts = [" ".join(tokens).removesuffix("tanh") + ends_in for tokens in choices]
        raise UndecidedError(file, [Reading(text, found.layers, distribution, ends_in) for text in texts])


def with_picture(error: UndecidedError, out: Path) -> UndecidedError:
    """The same error, its readings drawn into `choices.png` beside `out`, where the bundle was to be.

    Raises OutputError where it cannot be written.
    """
    page = out.with_name("choices.png")
    page.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(page, choices_png(error.readings))
    hint = f"no bundle was written; {page} has the same {SHOWN} latents under each: pass the one that looks right"
    return UndecidedError(error.file, error.readings, hint)


def choices_png(readings: Sequence[Reading]) -> bytes:
    """A PNG: for each reading the option that selects it, and below it a row of the pictures of seeds 0 to SHOWN − 1."""
    font = ImageFont.load_default()
    rows = [(reading.option, _row(reading)) for reading in readings]
    width = max(max(int(font.getlength(text)), row.width) for text, row in rows) + 2 * MARGIN
    line = 2 * MARGIN + 4
    sheet = Image.new("RGB", (width, sum(line + row.height for _, row in rows) + MARGIN), "white")
    pen, top = ImageDraw.Draw(sheet), 0
    for text, row in rows:
        pen.text((MARGIN, top + MARGIN - 2), text, fill="black", font=font)
        sheet.paste(row, (MARGIN, top + line))
        top += line + row.height
    file = io.BytesIO()
    sheet.save(file, "PNG")
    return file.getvalue()


@torch.no_grad()
def _row(reading: Reading) -> Image.Image:
    chain = Chain(reading.chain, reading.layers)
    z = torch.from_numpy(latents(range(SHOWN), latent_size(chain, reading.layers), reading.distribution))
    label = torch.arange(SHOWN) % chain.embedding.num_embeddings if chain.embedding is not None else None
    low, high = BOUNDS[reading.value_range]
    levels = (chain(z, label).clamp(low, high) - low) / (high - low) * 255
    pictures = levels.nan_to_num().round().to(torch.uint8).permute(0, 2, 3, 1).numpy()
    strip = np.concatenate(list(pictures), axis=1)
    image = Image.fromarray(strip[..., 0] if strip.shape[-1] == 1 else strip).convert("RGB")
    scale = max(1, round(SIDE / strip.shape[0]))
    return image.resize((image.width * scale, image.height * scale), Image.Resampling.NEAREST)
