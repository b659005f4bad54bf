"""From options to what writes them."""

from typing import Any

from gansample.outputs.base import Output
from gansample.outputs.options import DEFAULT_FPS, DrawOptions


def open_output(options: DrawOptions) -> Output[Any]:
    """What writes this form of output. Nothing is touched before its `open`."""
    output, form = options.output, options.form
    out, overwrite, fps = output.path, output.force, output.fps or DEFAULT_FPS
    match form:
        case "png" | "webp" | "jpg":
            from gansample.outputs.sheet import Sheet

            return Sheet(out, form, overwrite=overwrite, grid=output.grid, pad=output.pad)
        case "folder":
            from gansample.outputs.folder import Folder

            return Folder(out, overwrite=overwrite, resume=output.resume)
        case "tar":
            from gansample.outputs.tar import Tar

            return Tar(out, overwrite=overwrite, resume=output.resume, shard=output.shard)
        case "zip":
            from gansample.outputs.zip import Zip

            return Zip(out, overwrite=overwrite)
        case "npz" | "npy" | "rgb24":
            from gansample.outputs import arrays

            kinds: dict[str, type[arrays.Npz | arrays.Npy | arrays.Raw]]
            kinds = {"npz": arrays.Npz, "npy": arrays.Npy, "rgb24": arrays.Raw}
            return kinds[form](out, overwrite=overwrite)
        case "gif":
            from gansample.outputs.video import Gif

            return Gif(out, overwrite=overwrite, fps=fps)
        case _:
            from gansample.outputs.video import Video

            return Video(out, form, overwrite=overwrite, fps=fps)
