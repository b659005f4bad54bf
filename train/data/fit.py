"""Pictures of any size, mode and shape become squares of one size, grey or RGB."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image, ImageOps

from gansample.errors import ArtefactError
from gansample.system.processors import usable_processors
from train.data.request import DataRequest, Fit, colour
from train.data.source import Pixels, ProgressCallback

LARGEST_ENLARGEMENT = 8  # a picture whose side is under an eighth of the requested one has nothing to teach
SMALLEST_SIDE = 4  # pixels
MAX_WORKERS = 16  # beyond, all wait for the one thread that reads the files

_MOST_PADDING = 4  # pixels in all: 28 become 32 and stay exact
_CHUNK = 256
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601


FULL_16_BITS = 2**16 - 1


class Unusable(Exception):
    """A picture that is left out; the message is the reason."""


@dataclass(frozen=True, slots=True)
class Frame:
    """The square that pictures are fitted into."""

    size: int
    fit: Fit
    background: tuple[int, int, int]
    white: int = FULL_16_BITS
    """What is white in pictures of 16 bits a pixel."""

    @classmethod
    def from_request(cls, request: DataRequest) -> "Frame":
        return cls(request.image_size, request.fit, colour(request.background))


def has_16_bits(image: Image.Image) -> bool:
    """Modes I;16 and its kin; a 16-bit file can also open as I, 32 bits wide."""
    return image.mode.startswith("I")


def to_grey_or_rgb(image: Image.Image, background: tuple[int, int, int], white: int = FULL_16_BITS) -> Image.Image:
    """Any mode as L or RGB: transparency shows `background`, 16 bits are scaled to 8, every other colour space is converted.

    Raises Unusable for floating-point values: nothing in the file says which of them is white.
    """
    if image.mode.startswith("F"):
        raise Unusable("floating-point values, of which none is known to be white: save it with 8 or 16 bits")
    if has_16_bits(image):
        return Image.fromarray(np.rint(np.clip(np.asarray(image, np.float32), 0, white) * (255 / white)).astype(np.uint8))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, (*background, 255)), image)
    return image.convert("L" if image.mode in ("1", "L") else "RGB")


def fit_image(image: Image.Image, frame: Frame) -> Pixels:
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


def apply_exif_orientation(image: Image.Image) -> Image.Image:
    """The picture as the camera was held, where its EXIF data say so and can be read."""
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # a broken EXIF block raises whatever its parser stumbled over, and the picture itself is fine
        return image


def for_squares(request: DataRequest, side: int) -> DataRequest:
    """`request` for pictures of side × side: a few pixels short they are padded with black, else resized."""
    if 0 <= request.image_size - side <= _MOST_PADDING:
        return replace(request, fit="pad", background="black")
    return replace(request, fit="stretch")


def fit_array(pictures: Pixels, request: DataRequest, report: ProgressCallback) -> Pixels:
    """uint8 (N, h, w, 1 or 3) as (N, size, size, C). Raises ArtefactError where they are too small to show anything."""
    frame, count = Frame.from_request(request), len(pictures)
    if not count:
        raise ArtefactError("the source holds no pictures", "pass another")
    try:
        _fit_one(pictures[0], frame)  # all have one size, so what holds for the first holds for all
    except Unusable as reason:
        raise ArtefactError(f"the pictures are {reason}", f"ask for fewer than {frame.size} pixels") from None
    height, width = pictures.shape[1:3]
    if (height, width) == (frame.size, frame.size):
        images = pictures
    elif frame.fit == "pad" and max(height, width) <= frame.size:
        images = _padded(pictures, frame)
    else:
        images = _fit_all(pictures, frame, report)
    report(count, count)
    return with_channels(images, request)


def _padded(pictures: Pixels, frame: Frame) -> Pixels:
    """What `fit_image` does to pictures that need no resampling, to all of them at once."""
    count, height, width, channels = pictures.shape
    if channels == 1 and len(set(frame.background)) > 1:
        channels = 3
    images = np.empty((count, frame.size, frame.size, channels), np.uint8)
    images[:] = frame.background[:channels]
    top, left = (frame.size - height) // 2, (frame.size - width) // 2
    images[:, top : top + height, left : left + width] = pictures
    return images


def _fit_all(pictures: Pixels, frame: Frame, report: ProgressCallback) -> Pixels:
    """(N, size, size, 3), on every core."""
    count = len(pictures)
    images = np.empty((count, frame.size, frame.size, 3), np.uint8)

    def fit_chunk(start: int) -> int:
        end = min(start + _CHUNK, count)
        for place in range(start, end):
            images[place] = _fit_one(pictures[place], frame)
        return end

    with ThreadPoolExecutor(worker_count()) as pool:
        for done in pool.map(fit_chunk, range(0, count, _CHUNK)):
            report(done, count)
    return images


def _fit_one(picture: Pixels, frame: Frame) -> Pixels:
    return fit_image(Image.fromarray(picture[..., 0] if picture.shape[-1] == 1 else picture), frame)


def with_channels(images: Pixels, request: DataRequest) -> Pixels:
    """(N, H, W, 1 or 3) as (N, H, W, C): with auto, one channel where every picture has R = G = B."""
    if request.channels == "rgb":
        return images if images.shape[-1] == 3 else np.repeat(images, 3, axis=-1)
    if images.shape[-1] == 1:
        return images
    if request.channels == "auto":
        return np.ascontiguousarray(images[..., :1]) if _all_grey(images) else images
    grey = np.empty((*images.shape[:3], 1), np.uint8)
    for place, image in enumerate(images):
        grey[place, ..., 0] = np.rint(image @ _LUMA)
    return grey


def _all_grey(images: Pixels) -> bool:
    return all((image == image[..., :1]).all() for image in images)


def worker_count() -> int:
    """Processors that this process may use, at most MAX_WORKERS."""
    allowed = usable_processors()
    return min(allowed, MAX_WORKERS)
