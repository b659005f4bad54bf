"""A selection as a video: H.264 if an encoder is installed, GIF in any case."""

import secrets
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

from demo.bundle_store import BundleStore
from demo.drawing import DrawSettings
from demo.image_store import ImageStore
from gansample.errors import UsageError
from gansample.outputs.job import job_from_options
from gansample.outputs.open import open_output
from gansample.outputs.options import OutputOptions
from gansample.outputs.pipeline import draw_into
from gansample.sampling.options import SelectionOptions

FRAMES = 48  # from one seed to the next
FRAMES_PER_SECOND = 20
SIDE = 256  # pixels: small pictures are enlarged by the largest whole number that stays within it
FORMATS = ["mp4", "gif"] if find_spec("av") is not None else ["gif"]


def render_video(
    settings: DrawSettings, selection: SelectionOptions, form: str, bundle_store: BundleStore, image_store: ImageStore
) -> Path:
    """Draw the whole selection into a file of `form`, one of FORMATS. Raises as `draw_images` does."""
    if form not in FORMATS:
        raise UsageError(f"unknown video format {form!r}", f"choose one of {', '.join(FORMATS)}")
    sampler = bundle_store.sampler(settings.bundle, settings.precision)
    upscale = max(1, SIDE // max(sampler.spec.width, sampler.spec.height))
    draft = image_store.folder.parent / f"{secrets.token_hex(8)}.{form}"  # outside the folder that is served
    output = OutputOptions(out=str(draft), fps=FRAMES_PER_SECOND, upscale=upscale)
    options = replace(settings.options(selection, sampler.spec.classes or ()), output=output)
    job = job_from_options(options, sampler.bundle, sampler.engine, upscale=upscale)
    try:
        draw_into(open_output(options), job, sampler, batch=options.engine.batch)
        return image_store.keep({f"walk.{form}": draft.read_bytes()})[0]
    finally:
        draft.unlink(missing_ok=True)
