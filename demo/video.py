"""A selection as a video: H.264 if an encoder is installed, GIF in any case."""

import secrets
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from demo.bundle_store import BundleStore
from demo.drawing import DrawSettings, Select, make_job
from demo.image_store import ImageStore
from gansample.errors import UsageError
from gansample.outputs.base import Batch
from gansample.outputs.video import Gif, Video
from gansample.system.atomic import cannot_write

FRAMES = 48  # from one seed to the next
FRAMES_PER_SECOND = 20
SIDE = 256  # pixels: small pictures are enlarged by the largest whole number that stays within it

_WRITERS: Mapping[str, Any] = {
    "mp4": lambda path: Video(path, "mp4", overwrite=False, fps=FRAMES_PER_SECOND),
    "gif": lambda path: Gif(path, overwrite=False, fps=FRAMES_PER_SECOND),
}
FORMATS = [form for form in _WRITERS if form == "gif" or find_spec("av") is not None]


def render_video(settings: DrawSettings, select: Select, form: str, bundle_store: BundleStore, image_store: ImageStore) -> Path:
    """Draw the whole selection into a file of `form`, one of FORMATS. Raises as `draw_images` does."""
    if form not in FORMATS:
        raise UsageError(f"unknown video format {form!r}", f"choose one of {', '.join(FORMATS)}")
    sampler = bundle_store.sampler(settings.bundle, settings.precision)
    upscale = max(1, SIDE // max(sampler.spec.width, sampler.spec.height))
    job = make_job(settings, select, sampler, upscale=upscale)
    positions, labels = range(len(job)), job.labels(range(len(job)))
    images = sampler.draw(job.selection.latents(positions), labels)
    draft = image_store.folder.parent / f"{secrets.token_hex(8)}.{form}"  # outside the folder that is served
    writer = _WRITERS[form](draft)
    try:
        writer.open(job)
        writer.write(writer.encode(Batch(positions, images.repeat(upscale, axis=1).repeat(upscale, axis=2), labels)))
        writer.finish()
        return image_store.keep({f"walk.{form}": draft.read_bytes()})[0]
    except OSError as error:
        raise cannot_write(draft, error) from error
    finally:
        writer.abort()
        draft.unlink(missing_ok=True)
