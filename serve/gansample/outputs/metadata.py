"""The metadata of a picture: seeds, model digest, engine and version, in every format that has room for a text.

PNG: an iTXt chunk `gansample`. JPEG: the comment. WebP: the EXIF field ImageDescription. GIF: the comment.
"""

import io
import json
import struct
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gansample
from gansample.errors import ArtefactError
from gansample.outputs.png import CHUNK

if TYPE_CHECKING:
    from PIL import Image

    from gansample.bundle.open import Bundle
    from gansample.sampling.sampler import Engine

EXIF_DESCRIPTION = 0x010E
FORMATS = ("PNG", "WEBP", "JPEG", "GIF")  # what is drawn here: no other decoder sees the file


def picture_metadata(bundle: "Bundle", engine: "Engine", drawn_with: Mapping[str, Any]) -> dict[str, Any]:
    """Everything needed to draw the same again.

    drawn_with  the options that say what was drawn, by their names on the command line (seeds, class, truncation, grid …);
                those that are None were not given.
    """
    return {
        **{name: value for name, value in drawn_with.items() if value is not None},
        "model": bundle.spec.name,
        "model_sha256": bundle.sha256,
        "backend": engine.backend,
        "variant": engine.variant,
        **({"device": engine.device} if engine.device is not None else {}),
        "version": gansample.__version__,
    }


def read_metadata(source: Path | bytes) -> dict[str, Any]:
    """The metadata of a picture. Raises ArtefactError for a file that is no picture, or has no metadata of gansample."""
    from PIL import Image, UnidentifiedImageError

    name = "the picture" if isinstance(source, bytes) else str(source)
    if isinstance(source, Path) and source.exists() and not source.is_file():
        raise ArtefactError(f"{name} is no regular file", "pass a picture")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # no pixel is decoded here
            with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source, formats=FORMATS) as image:
                metadata = json.loads(_text_of(image))
    except FileNotFoundError:
        raise ArtefactError(f"{name} is missing") from None
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, SyntaxError, struct.error, EOFError) as error:
        raise ArtefactError(f"{name} is no readable picture ({error})") from None
    except (KeyError, ValueError, TypeError, RecursionError):
        metadata = None
    if not isinstance(metadata, dict):
        raise ArtefactError(
            f"{name} has no metadata of gansample", "it was drawn by something else, with --no-metadata, or was re-saved"
        )
    return metadata


def _text_of(image: "Image.Image") -> str | bytes:
    if CHUNK in image.info:
        text: str | bytes = image.info[CHUNK]
        return text
    if (description := image.getexif().get(EXIF_DESCRIPTION)) is not None:
        return str(description)
    text = image.info["comment"]
    return text
