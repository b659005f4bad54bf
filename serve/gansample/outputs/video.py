"""Moving pictures: .mp4 (H.264), .webm (VP9) through PyAV, .gif through Pillow."""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

from gansample.errors import BackendUnavailable, UsageError
from gansample.outputs.arrays import rgb
from gansample.outputs.job import Batch, Job
from gansample.outputs.sizes import check_size
from gansample.outputs.target import WholeFile
from gansample.types import Images

CODECS: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "mp4": ("libx264", {"crf": "14", "preset": "medium"}),  # H.264 in 4:2:0 is what every player opens
    "webm": ("libvpx-vp9", {"crf": "18", "b": "0", "row-mt": "0"}),
}
MAX_GIF_FRAMES = 5_000  # they are kept in memory until the end


def _even_size(job: Job) -> tuple[int, int]:
    """(height, width) of a frame: twice the picture's where one of them is odd."""
    height, width, _ = job.shape
    return (2 * height, 2 * width) if height % 2 or width % 2 else (height, width)


class Video(WholeFile):
    """Frames are doubled to even sizes where need be, which 4:2:0 wants."""

    def __init__(self, path: Path, form: str, *, overwrite: bool, fps: int) -> None:
        super().__init__(path, overwrite=overwrite)
        self._form, self._fps = form, fps

    def check(self, job: Job) -> None:
        try:
            import av
        except ImportError:
            raise BackendUnavailable(
                f"no encoder for .{self._form} is installed", "pip install 'gansample[video]', or write a .gif"
            ) from None
        self._av = av
        height, width = _even_size(job)
        check_size(self._form, width, height)

    def open(self, job: Job) -> Sequence[int]:
        height, width = _even_size(job)
        self._double = height // job.shape[0]
        codec, options = CODECS[self._form]
        self._container: Any = self._av.open(self._target.open(), "w", format=self._form)
        if job.with_metadata:
            self._container.metadata["comment"] = job.job_json(fps=self._fps)
        stream: Any = self._container.add_stream(codec, rate=Fraction(self._fps), options=dict(options))
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        self._stream = stream
        return range(len(job))

    def encode(self, batch: Batch) -> Images:
        frames = rgb(batch.images)
        return frames.repeat(2, axis=1).repeat(2, axis=2) if self._double == 2 else frames

    def write(self, encoded: Images) -> None:
        for image in encoded:
            self._container.mux(self._stream.encode(self._av.VideoFrame.from_ndarray(image, format="rgb24")))

    def finish(self) -> None:
        self._container.mux(self._stream.encode(None))
        self._container.close()
        self._target.commit()


class Gif(WholeFile):
    """256 colours a frame, chosen for that frame."""

    def __init__(self, path: Path, *, overwrite: bool, fps: int) -> None:
        super().__init__(path, overwrite=overwrite)
        self._fps = fps
        self._frames: list[Any] = []

    def check(self, job: Job) -> None:
        if len(job) > MAX_GIF_FRAMES:
            raise UsageError(
                f"{len(job):,} frames are too many for a .gif", f"draw at most {MAX_GIF_FRAMES:,}, or write an .mp4"
            )
        check_size("gif", job.shape[1], job.shape[0])

    def open(self, job: Job) -> Sequence[int]:
        self._job = job
        self._target.open()
        return range(len(job))

    def encode(self, batch: Batch) -> list[Any]:
        from PIL import Image

        return [Image.fromarray(image).quantize(256) for image in rgb(batch.images)]

    def write(self, encoded: list[Any]) -> None:
        self._frames += encoded

    def finish(self) -> None:
        first, *rest = self._frames
        about = {"comment": self._job.job_json(fps=self._fps).encode()} if self._job.with_metadata else {}
        first.save(
            self._target.file, "GIF", save_all=True, append_images=rest, duration=round(100 / self._fps) * 10, loop=0, **about
        )
        self._target.commit()
