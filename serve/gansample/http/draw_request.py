"""What one request asks for, checked against its model and the limits before anything is drawn."""

import asyncio

from starlette.requests import Request

from gansample.bundle.spec import Spec, require_mapping
from gansample.http.errors import ApiError, invalid_parameter
from gansample.http.memory import room_for
from gansample.http.models import Model
from gansample.http.settings import Settings
from gansample.outputs.job import PictureInputs, job_from_options
from gansample.outputs.options import DrawOptions
from gansample.sampling.options import SelectionOptions, TooManyPictures
from gansample.types import Images, Labels

INLINE = 16  # pictures: the latents of so few are made sooner than a thread takes over


def check_size(count: int, spec: Spec, settings: Settings, *, param: str) -> None:
    """Raises ApiError 413 for more pictures, or larger ones, than one request may ask for."""
    if count > settings.max_pictures:
        raise ApiError(413, f"{count:,} pictures in one request, at most {settings.max_pictures:,}", param=param)
    if (pixels := count * spec.height * spec.width) > settings.max_pixels:
        raise ApiError(413, f"{pixels:,} pixels in one request, at most {settings.max_pixels:,}", param=param)


class DrawRequest:
    """Pictures of one model: the same job as on the command line, so the same pictures. Raises ApiError 413 or 422."""

    def __init__(self, model: Model, options: SelectionOptions, settings: Settings) -> None:
        self.model, spec, self._deadline = model, model.spec, settings.deadline
        with invalid_parameter("truncation"):
            space = spec.latent_space(options.truncation)
        if options.psi is not None:
            with invalid_parameter("psi"):
                require_mapping(spec)
        with invalid_parameter("seeds" if options.seeds is not None else "n"):
            try:
                selection = options.selection(space, spec.mapping.layers if spec.mapping is not None else None)
            except TooManyPictures:
                raise ApiError(413, f"at most {settings.max_pictures:,} pictures in one request", param="n") from None
        count = len(selection)
        check_size(count, spec, settings, param="n")
        with invalid_parameter("class"):
            self.job = job_from_options(DrawOptions(selection=options), model.bundle, model.engine, selection=selection)
        self.positions = range(count)
        # Truncation redraws components, hundreds of times where it is small; a mapping is a network.
        self._slow_inputs = options.truncation is not None or model.mapping is not None
        self.labels: Labels | None = self.job.labels(self.positions)

    @property
    def seeds(self) -> list[int]:
        return self.job.selection.seeds(self.positions)

    def label(self, position: int) -> int | None:
        return int(self.labels[position]) if self.labels is not None else None

    def class_name(self, position: int) -> str | None:
        label = self.label(position)
        return self.model.spec.classes[label] if label is not None and self.model.spec.classes is not None else None

    def metadata_texts(self) -> list[str]:
        """Each picture's metadata, as JSON."""
        return [self.job.picture_json(position, self.label(position)) for position in self.positions]

    async def run(self, request: Request, memory: int) -> Images:
        """Pictures uint8 (N, H, W, C), once there is room for `memory` bytes. Raises ApiError as `room_for` and `infer` do."""
        async with room_for(request, memory, self._deadline):
            in_thread = len(self.positions) > INLINE or self._slow_inputs
            inputs = await asyncio.to_thread(self._inputs) if in_thread else self._inputs()
            return await self.model.inference_engine.infer(inputs.rows, inputs.label)

    def _inputs(self) -> PictureInputs:
        return self.job.inputs(self.positions, self.model.mapping)
