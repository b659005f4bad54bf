"""Pictures of any size, mode and shape become squares of one size."""

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageOps

from train.data.collection import Pixels
from train.data.request import DataRequest, Fit, colour

LARGEST_ENLARGEMENT = 8  # a picture with less than an eighth of the side that is asked for has nothing to teach
SMALLEST_SIDE = 4  # pixels


class Unusable(Exception):
    """A picture that is left out; the message is the reason."""


@dataclass(frozen=True, slots=True)
class Frame:
    """The square that pictures are fitted into."""

    size: int
    fit: Fit
    background: tuple[int, int, int]

    @classmethod
    def of(cls, request: DataRequest) -> "Frame":
        return cls(request.image_size, request.fit, colour(request.background))


def flat(image: Image.Image, background: tuple[int, int, int]) -> Image.Image:
    """Any mode as L or RGB: transparency shows `background`, 16 bits are scaled to 8, every other colour space is converted."""
    if image.mode.startswith(("I", "F")):  # I;16 and its kin; a 16-bit file can also open as I, 32 bits wide
        return Image.fromarray(np.rint(np.clip(np.asarray(image, np.float32), 0, 65535) / 257).astype(np.uint8))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, (*background, 255)), image)
    return image.convert("L" if image.mode in ("1", "L") else "RGB")


def fitted(image: Image.Image, frame: Frame) -> Pixels:
    """An L or RGB picture as uint8 (size, size, 3). Raises Unusable for one too small to show anything."""
    size, (width, height) = frame.size, image.size
    compared = max(width, height) if frame.fit == "pad" else min(width, height)
    if min(width, height) < SMALLEST_SIDE or compared * LARGEST_ENLARGEMENT < size:
        raise Unusable(f"tiny, {width}×{height} pixels")
    if frame.fit == "crop":
        side = min(width, height)
        left, top = (width - side) // 2, (height - side) // 2  # whole pixels: half of one would blur
        image = image.crop((left, top, left + side, top + side))
    elif frame.fit == "pad":
        scale = min(1.0, size / max(width, height))
        image = _resized(image, (max(1, round(width * scale)), max(1, round(height * scale))))
        padding = ((size - image.width) // 2, (size - image.height) // 2)
        square = Image.new("RGB", (size, size), frame.background)
        square.paste(image, padding)
        image = square
    return np.asarray(_resized(image, (size, size)).convert("RGB"))


def _resized(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    return image if image.size == size else image.resize(size, Image.Resampling.LANCZOS)


def upright(image: Image.Image) -> Image.Image:
    """The picture as the camera was held, where its EXIF data say so and can be read."""
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # a broken EXIF block raises whatever its parser stumbled over, and the picture itself is fine
        return image
