"""What one request asks for, checked against its model and the limits before anything is drawn."""

import asyncio
from collections.abc import Sequence
from typing import Any

from gansample.errors import UsageError
from gansample.http.errors import ApiError
from gansample.http.models import Model
from gansample.http.settings import Settings
from gansample.outputs.base import Job
from gansample.sampling.classes import parse_classes
from gansample.sampling.selection import Seeds
from gansample.types import Images, Labels, Latents

INLINE = 16  # pictures: the latents of so few are made sooner than a thread takes over


class DrawRequest:
    """Pictures of seeds from one model: the same job as on the command line, so the same pictures."""

    def __init__(
        self, model: Model, spans: Sequence[range], settings: Settings, *, of_class: str | None, truncation: float | None
    ) -> None:
        self.model, spec = model, model.spec
        count = sum(map(len, spans))
        if count > settings.max_pictures:
            raise ApiError(413, f"{count:,} pictures in one request, at most {settings.max_pictures:,}", param="n")
        if (pixels := count * spec.height * spec.width) > settings.max_pixels:
            raise ApiError(413, f"{pixels:,} pixels in one request, at most {settings.max_pixels:,}", param="n")
        space = _checked("truncation", lambda: spec.latent_space(truncation))
        wanted = _checked("class", lambda: parse_classes(of_class, spec.classes)) if of_class is not None else None
        self.job = Job(Seeds(spans, space), spec, wanted, 1, model.about(truncation))
        self.positions = range(count)
        self._slow_latents = truncation is not None  # redraws components, hundreds of times where the truncation is small
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

    async def run(self) -> Images:
        """Pictures uint8 (N, H, W, C). Raises ApiError as `InferenceEngine.infer` does."""
        in_thread = len(self.positions) > INLINE or self._slow_latents
        z = await asyncio.to_thread(self._latents) if in_thread else self._latents()
        return await self.model.inference_engine.infer(z, self.labels)

    def _latents(self) -> Latents:
        return self.job.selection.latents(self.positions)


def _checked(param: str, make: Any) -> Any:
    try:
        return make()
    except UsageError as error:
        raise ApiError(422, str(error), param=param) from None
