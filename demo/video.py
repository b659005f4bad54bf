"""A selection as a moving picture to keep: H.264 where an encoder is installed, GIF anywhere."""

import secrets
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from demo.bundle_store import Shelf
from demo.drawing import Select, Wish, job_of
from demo.image_store import Album
from gansample.errors import UsageError
from gansample.outputs.base import Batch
from gansample.outputs.video import Gif, Video
from gansample.system.atomic import cannot_write

FRAMES = 48  # from one seed to the next
FRAMES_PER_SECOND = 20
SIDE = 256  # pixels, about: small pictures are enlarged by a whole number

_MAKERS: Mapping[str, Any] = {
    "mp4": lambda path: Video(path, "mp4", overwrite=False, fps=FRAMES_PER_SECOND),
    "gif": lambda path: Gif(path, overwrite=False, fps=FRAMES_PER_SECOND),
}
FORMS = [form for form in _MAKERS if form == "gif" or find_spec("av") is not None]


def film(wish: Wish, select: Select, form: str, shelf: Shelf, album: Album) -> Path:
    """The whole selection as `form`, one of FORMS. Raises as `draw` does."""
    if form not in FORMS:
        raise UsageError(f"there is no film as {form!r}", f"choose one of {', '.join(FORMS)}")
    sampler = shelf.sampler(wish.bundle, wish.precision)
    side = max(1, SIDE // max(sampler.spec.width, sampler.spec.height))
    job = job_of(wish, select, sampler, upscale=side)
    positions, labels = range(len(job)), job.labels(range(len(job)))
    images = sampler.draw(job.selection.latents(positions), labels)
    draft = album.folder.parent / f"{secrets.token_hex(8)}.{form}"  # where nothing is served from
    writer = _MAKERS[form](draft)
    try:
        writer.begin(job)
        writer.write(writer.encode(Batch(positions, images.repeat(side, axis=1).repeat(side, axis=2), labels)))
        writer.finish()
        return album.keep({f"walk.{form}": draft.read_bytes()})[0]
    except OSError as error:
        raise cannot_write(draft, error) from error
    finally:
        writer.abandon()
        draft.unlink(missing_ok=True)
