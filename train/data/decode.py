"""Encoded files as pictures. Nothing in them is trusted: size first, then pixels, and every failure has a reason."""

import collections
import io
import warnings
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
from PIL import Image, UnidentifiedImageError

from train.data.fit import Frame, Unusable, apply_exif_orientation, fit_image, has_16_bits, to_grey_or_rgb, worker_count
from train.data.source import Pixels, ProgressCallback

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".bmp", ".gif", ".tif", ".tiff"})
KINDS = "PNG, JPEG, WebP, BMP, GIF or TIFF"
MAX_BYTES = 64 * 2**20  # of one encoded picture
MAX_PIXELS = 64_000_000  # 192 MB decoded; every camera of today stays below

# Only these parsers ever run: others start programs (EPS), follow paths, or have seen no fuzzer.
_FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF")
_MAX_QUEUED_BYTES = 256 * 2**20

Decoded = Pixels | Unusable


def decode(data: bytes, frame: Frame, peaks: list[int] | None = None) -> Pixels:
    """The picture in `data`, of an animation the first, as uint8 (size, size, 3). Raises Unusable with the reason.

    peaks  gets the largest value of a picture of 16 bits a pixel.
    """
    if not data:
        raise Unusable("empty")
    if len(data) > MAX_BYTES:
        raise Unusable(f"larger than {MAX_BYTES >> 20} MB")
    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
            if image.width * image.height > MAX_PIXELS:
                raise Unusable(f"{image.width}×{image.height} pixels, more than {MAX_PIXELS / 1e6:.0f} million")
            image.load()
            if peaks is not None and has_16_bits(image):
                peaks.append(int(np.asarray(image).max()))
            return fit_image(to_grey_or_rgb(apply_exif_orientation(image), frame.background, frame.white), frame)
    except (Unusable, MemoryError):
        raise
    except UnidentifiedImageError:
        raise Unusable(f"no {KINDS}") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise Unusable(f"more than {MAX_PIXELS / 1e6:.0f} million pixels") from None
    except Exception as error:  # fed with garbage, a decoder raises whatever its parser stumbled over
        raise Unusable(f"damaged ({' '.join(str(error).split()) or type(error).__name__})") from None


def decode_files(
    files: Iterable[tuple[str, bytes | Unusable]],
    names: list[str],
    frame: Frame,
    report: ProgressCallback,
    peaks: list[int] | None = None,
) -> tuple[Pixels, list[str], dict[str, str]]:
    """Pictures uint8 (n, size, size, 3) in the order of `names`, whatever the order of `files`; their names; and, by name,
    why the others could not be used. peaks: as for `decode`."""
    places = {name: place for place, name in enumerate(names)}
    images = np.empty((len(names), frame.size, frame.size, 3), np.uint8)
    good = np.zeros(len(names), bool)
    reasons = {}
    for done, (name, result) in enumerate(_decoded(files, frame, peaks), 1):
        if isinstance(result, Unusable):
            reasons[name] = str(result)
        else:
            images[places[name]], good[places[name]] = result, True
        report(done, len(names))
    kept = [name for name in names if good[places[name]]]
    return (images if good.all() else images[good]), kept, reasons


def _decoded(
    files: Iterable[tuple[str, bytes | Unusable]], frame: Frame, peaks: list[int] | None
) -> Iterable[tuple[str, Decoded]]:
    """Pillow decodes and resizes outside of Python's lock, so threads are enough."""

    def attempt(data: bytes | Unusable) -> Decoded:
        try:
            return data if isinstance(data, Unusable) else decode(data, frame, peaks)
        except Unusable as reason:
            return reason

    workers = worker_count()
    waiting: collections.deque[tuple[str, int, Future[Decoded]]] = collections.deque()
    queued = 0  # bytes of originals
    with warnings.catch_warnings(), ThreadPoolExecutor(workers) as pool:
        warnings.simplefilter("ignore")  # a strange EXIF block does not concern the user
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        for name, data in files:
            size = 0 if isinstance(data, Unusable) else len(data)
            waiting.append((name, size, pool.submit(attempt, data)))
            queued += size
            while len(waiting) >= 8 * workers or queued > _MAX_QUEUED_BYTES:
                name, size, future = waiting.popleft()
                queued -= size
                yield name, future.result()
        for name, _, future in waiting:
            yield name, future.result()
