"""POST /v1/images/generations: the shape of OpenAI's images API, with seeds."""

import asyncio
import base64
import secrets
import time
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Body, Request
from pydantic import BaseModel, ConfigDict, Field, JsonValue
from starlette.responses import JSONResponse, Response

from gansample.errors import UsageError
from gansample.http import encode
from gansample.http.draw_request import Wish
from gansample.http.models import Models
from gansample.http.refusals import Refusal
from gansample.http.routes.images import accepted
from gansample.http.settings import Settings
from gansample.latents import MIN_TRUNCATION, SEED_END, parse_seeds
from gansample.types import Images

EXAMPLE: dict[str, JsonValue] = {"model": "fashion", "n": 4, "seed": 42, "class": "sneaker"}


class Generation(BaseModel):
    """What is drawn. `prompt`, `user` and `quality` are taken from OpenAI's clients and mean nothing to a GAN."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True, json_schema_extra={"example": EXAMPLE})

    model: str | None = Field(None, description="Of /v1/models; the first one where none is named.")
    n: int = Field(1, ge=1, description="How many, from `seed` on.")
    seed: int | None = Field(
        None, ge=0, lt=SEED_END, description="Of the first picture; without it a random one, which the answer names."
    )
    seeds: str | list[Annotated[int, Field(ge=0, lt=SEED_END)]] | None = Field(
        None, description="Exactly these: [7, 42] or 0-35,40."
    )
    of_class: str | int | None = Field(
        None, alias="class", description="By name or number; several names take turns: bag,coat."
    )
    truncation: float | None = Field(None, ge=MIN_TRUNCATION, description="Redraw latent components beyond ±T.")
    format: Literal["png", "webp", "npz"] = "png"
    response_format: Literal["b64_json"] = "b64_json"
    size: str | None = Field(None, description="`auto`, or the size that the model draws.")
    prompt: str | None = None
    user: str | None = None
    quality: str | None = None


def router(models: Models, settings: Settings) -> APIRouter:
    routes = APIRouter(prefix="/v1", tags=["images"])

    @routes.post("/images/generations")
    async def generate(request: Request, wanted: Annotated[Generation, Body()]) -> Response:
        """Draw pictures. JSON with base64, or, where `Accept` asks for image/png or image/webp, one picture: a grid of several.

        With `"format": "npz"` the answer is a NumPy archive.
        """
        model = models.get(wanted.model)
        _check_size(wanted.size, f"{model.spec.width}x{model.spec.height}")
        of_class = str(wanted.of_class) if wanted.of_class is not None else None
        wish = Wish(model, _spans(wanted), settings, of_class=of_class, truncation=wanted.truncation)
        images = await wish.draw()
        request.scope["pictures"] = len(images)
        accept = request.headers.get("accept", "*/*")
        if wanted.format == "npz":
            return Response(await asyncio.to_thread(encode.npz, images, wish), media_type="application/octet-stream")
        if "image/" in accept and "json" not in accept:
            kind = accepted(request)
            if len(images) == 1:
                return Response(encode.singles(images, wish.texts(), kind)[0], media_type=encode.TYPES[kind])
            return Response(await asyncio.to_thread(encode.sheet, images, wish, "auto", kind), media_type=encode.TYPES[kind])
        return await asyncio.to_thread(_json, images, wish, wanted.format)

    return routes


def _spans(wanted: Generation) -> list[range]:
    """Raises Refusal 422 for two ways of asking at once, and for seeds past the last one."""
    if wanted.seeds is not None:
        if wanted.seed is not None or "n" in wanted.model_fields_set:
            raise Refusal(422, "seeds names every picture already: leave out n and seed", param="seeds")
        if isinstance(wanted.seeds, str):
            try:
                return parse_seeds(wanted.seeds, "seeds")
            except UsageError as error:
                raise Refusal(422, str(error), param="seeds") from None
        if not wanted.seeds:
            raise Refusal(422, "seeds is empty: name at least one", param="seeds")
        return [range(seed, seed + 1) for seed in wanted.seeds]
    first = wanted.seed if wanted.seed is not None else secrets.randbelow(max(1, SEED_END - wanted.n))
    if first + wanted.n > SEED_END:
        raise Refusal(422, f"{wanted.n:,} pictures from seed {first} run past the last seed, {SEED_END - 1}", param="n")
    return [range(first, first + wanted.n)]


def _check_size(asked: str | None, drawn: str) -> None:
    if asked not in (None, "auto", drawn):
        raise Refusal(422, f"size is {asked}, and this model draws {drawn}: leave it out", param="size")


def _json(images: Images, wish: Wish, kind: str) -> Response:
    files = encode.singles(images, wish.texts(), kind)
    data: list[dict[str, Any]] = []
    for position, (file, seed) in enumerate(zip(files, wish.seeds, strict=True)):
        entry: dict[str, Any] = {"b64_json": base64.b64encode(file).decode("ascii"), "seed": seed}
        if (name := wish.class_name(position)) is not None:
            entry["class"] = name
        data.append(entry)
    model = {"model": wish.model.name, "model_sha256": wish.model.bundle.sha256}
    return JSONResponse({"created": int(time.time()), "data": data, "output_format": kind, **model})
