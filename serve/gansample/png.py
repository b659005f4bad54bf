"""PNG bytes that remember how they were made: a text chunk `gansample` holds the seeds, the model's digest and the version."""

import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import gansample
from gansample.errors import ArtefactError
from gansample.latents import format_seeds
from gansample.sampler import Sampler

CHUNK = "gansample"
_MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}


def encode_png(image: npt.NDArray[np.uint8], metadata: Mapping[str, Any] | None = None) -> bytes:
    """A PNG file of one picture uint8 (H, W, C), C = 1 grey, 2 grey + alpha, 3 RGB, 4 RGBA."""
    from PIL import Image, PngImagePlugin

    pixels = image[..., 0] if image.shape[-1] == 1 else image
    info = PngImagePlugin.PngInfo()
    if metadata is not None:
        info.add_itxt(CHUNK, json.dumps(metadata, ensure_ascii=False))
    buffer = io.BytesIO()
    Image.frombuffer(_MODES[image.shape[-1]], image.shape[1::-1], np.ascontiguousarray(pixels).tobytes(), "raw").save(
        buffer, "PNG", pnginfo=info, compress_level=6
    )
    return buffer.getvalue()


def read_metadata(source: Path | bytes) -> dict[str, Any]:
    """What `encode_png` was told. Raises ArtefactError for a file that is no picture, or not one of ours."""
    from PIL import Image, UnidentifiedImageError

    name = "the picture" if isinstance(source, bytes) else str(source)
    try:
        with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source) as image:
            metadata = json.loads(image.info[CHUNK])
    except FileNotFoundError:
        raise ArtefactError(f"{name} is missing") from None
    except (UnidentifiedImageError, OSError, SyntaxError) as error:
        raise ArtefactError(f"{name} is no readable picture ({error})") from None
    except (KeyError, ValueError):
        raise ArtefactError(f"{name} says nothing about its seeds", "it was not drawn by gansample, or was re-saved") from None
    if not isinstance(metadata, dict):
        raise ArtefactError(f"{name} says nothing about its seeds", "it was not drawn by gansample, or was re-saved")
    return metadata


def picture_metadata(sampler: Sampler, seeds: Sequence[int], **drawn_with: Any) -> dict[str, Any]:
    """Everything needed to draw the same picture again. `drawn_with`: class, truncation, grid … where they were given."""
    return {
        "seeds": format_seeds(seeds),
        **{key: value for key, value in drawn_with.items() if value is not None},
        "model": sampler.spec.name,
        "model_sha256": sampler.bundle.sha256,
        "backend": sampler.runner.backend,
        "variant": sampler.runner.variant,
        "version": gansample.__version__,
    }
