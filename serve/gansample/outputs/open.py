"""From a form to what writes it."""

from pathlib import Path
from typing import Any

from gansample.outputs.base import Output
from gansample.outputs.forms import Form


def open_output(out: Path, form: Form) -> Output[Any]:
    """What writes this form. Nothing is touched before its `begin`."""
    overwrite = form.force
    match form.kind:
        case "png" | "webp" | "jpg":
            from gansample.outputs.sheet import Sheet

            return Sheet(out, form.kind, overwrite=overwrite, layout=form.grid, pad=form.pad)
        case "folder":
            from gansample.outputs.folder import Folder

            return Folder(out, overwrite=overwrite, resume=form.resume)
        case "tar":
            from gansample.outputs.tar import Tar

            return Tar(out, overwrite=overwrite, resume=form.resume, shard=form.shard)
        case "zip":
            from gansample.outputs.zip import Zip

            return Zip(out, overwrite=overwrite)
        case "npz" | "npy" | "rgb24":
            from gansample.outputs import arrays

            kinds: dict[str, type[arrays.Npz | arrays.Npy | arrays.Raw]]
            kinds = {"npz": arrays.Npz, "npy": arrays.Npy, "rgb24": arrays.Raw}
            return kinds[form.kind](out, overwrite=overwrite)
        case "gif":
            from gansample.outputs.video import Gif

            return Gif(out, overwrite=overwrite, fps=form.fps)
        case _:
            from gansample.outputs.video import Video

            return Video(out, form.kind, overwrite=overwrite, fps=form.fps)
