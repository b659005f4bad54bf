"""One file's bytes as one picture. Nothing in them is trusted: size first, then pixels, and every failure is a reason."""

import io

from PIL import Image, UnidentifiedImageError

from train.data.collection import Pixels
from train.data.fit import Frame, Unusable, fitted, flat, upright

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".bmp", ".gif"})
MAX_BYTES = 64 * 2**20  # of one encoded picture
MAX_PIXELS = 64_000_000  # 192 MB decoded; every camera of today stays below

# Only these parsers ever run: others start programs (EPS), follow paths, or have seen no fuzzer.
_FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF")


def decode(data: bytes, frame: Frame) -> Pixels:
    """The picture in `data`, of an animation the first, as uint8 (size, size, 3). Raises Unusable with the reason."""
    if not data:
        raise Unusable("empty")
    if len(data) > MAX_BYTES:
        raise Unusable(f"larger than {MAX_BYTES >> 20} MB")
    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
            if image.width * image.height > MAX_PIXELS:
                raise Unusable(f"{image.width}×{image.height} pixels, more than {MAX_PIXELS / 1e6:.0f} million")
            image.load()
            return fitted(flat(upright(image), frame.background), frame)
    except (Unusable, MemoryError):
        raise
    except UnidentifiedImageError:
        raise Unusable("no PNG, JPEG, WebP, BMP or GIF") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise Unusable(f"more than {MAX_PIXELS / 1e6:.0f} million pixels") from None
    except Exception as error:  # fed with garbage, a decoder raises whatever its parser stumbled over
        raise Unusable(f"damaged ({' '.join(str(error).split()) or type(error).__name__})") from None
