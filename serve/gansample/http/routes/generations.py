"""POST /v1/images/generations: the shape of OpenAI's images API, with seeds."""

import asyncio
import base64
import math
import secrets
import time
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Body, Depends, Request
from pydantic import BaseModel, ConfigDict, Field, JsonValue, field_validator
from pydantic_core import PydanticCustomError
from starlette.responses import JSONResponse, Response

from gansample.bundle.style_mapping import MAX_PSI
from gansample.http import encode
from gansample.http.draw_request import DrawRequest
from gansample.http.errors import ApiError, invalid_parameter
from gansample.http.known_parameters import check_query
from gansample.http.memory import NPZ, files_bytes
from gansample.http.models import Models
from gansample.http.routes.images import negotiate_format
from gansample.http.settings import Settings
from gansample.latents import MIN_TRUNCATION, SEED_END
from gansample.sampling.options import SelectionOptions
from gansample.types import Images

EXAMPLE: dict[str, JsonValue] = {"model": "fashion", "n": 4, "seed": 42, "class": "sneaker"}

OPENAI = "Accepted from OpenAI's clients; it means nothing to a GAN."


class Generation(BaseModel):
    """What is drawn."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True, json_schema_extra={"example": EXAMPLE})

    model: str | None = Field(None, description="A name from /v1/models; by default the first one.")
    n: int = Field(1, ge=1, description="How many, from `seed` on.")
    seed: int | None = Field(
        None, ge=0, lt=SEED_END, description="Of the first picture; by default a random one, which the response names."
    )
    seeds: str | list[Annotated[int, Field(ge=0, lt=SEED_END)]] | None = Field(
        None, description="Exactly these: [7, 42] or 0-35,40."
    )
    of_class: str | int | None = Field(
        None, alias="class", description="By name or number, or several in turn: bag,coat. By default each seed's own."
    )
    truncation: float | None = Field(None, ge=MIN_TRUNCATION, description="Redraw latent components beyond ±T.")
    psi: float | None = Field(
        None, ge=-MAX_PSI, le=MAX_PSI, description="Of a generator with a mapping: 1 its own pictures, 0 the mean picture."
    )
    format: Literal["png", "webp", "npz"] = "png"
    response_format: Literal["b64_json"] = "b64_json"
    size: str | None = Field(None, description="`auto`, or the size of the model's pictures.")
    prompt: str | None = Field(None, description=OPENAI)
    user: str | None = Field(None, description=OPENAI)
    quality: str | None = Field(None, description=OPENAI)

    @field_validator("n", "seed", "of_class", "truncation", "psi", mode="before")
    @classmethod
    def _no_truth_value(cls, value: object) -> object:
        """JSON's true would be read as 1."""
        if isinstance(value, bool):
            raise PydanticCustomError("bool", "true and false are no numbers")
        return value


def router(models: Models, settings: Settings) -> APIRouter:
    routes = APIRouter(prefix="/v1", tags=["images"], dependencies=[Depends(check_query)])

    @routes.post("/images/generations")
    async def generate(request: Request, body: Annotated[Generation, Body()]) -> Response:
        """Draw pictures: JSON with base64, or, if `Accept` asks for image/png or image/webp, one picture (several as a grid).

        With `"format": "npz"` the response is a NumPy archive.
        """
        model = models.get(body.model)
        _check_size(body.size, f"{model.spec.width}x{model.spec.height}")
        drawing = DrawRequest(model, _selection(body), settings)
        accept = request.headers.get("accept", "*/*")
        as_picture = body.format != "npz" and "image/" in accept and "json" not in accept
        kind = negotiate_format(request) if as_picture else body.format
        if as_picture and len(drawing.positions) > 1:
            memory = encode.check_grid(drawing, "auto", kind, settings)
        elif body.format == "npz":
            memory = len(drawing.positions) * math.prod(drawing.job.shape) * NPZ
        else:
            memory = files_bytes(len(drawing.positions), drawing.job.shape, kind)
        images = await drawing.run(request, memory)
        request.scope["pictures"] = len(images)
        if body.format == "npz":
            return Response(await asyncio.to_thread(encode.encode_npz, images, drawing), media_type="application/octet-stream")
        if as_picture:
            if len(images) == 1:
                data = encode.encode_each(images, drawing.metadata_texts(), kind)[0]
            else:
                data = await asyncio.to_thread(encode.encode_grid, images, drawing, "auto", kind)
            return Response(data, media_type=encode.TYPES[kind])
        return await asyncio.to_thread(_json, images, drawing, kind)

    return routes


def _selection(body: Generation) -> SelectionOptions:
    """What the body asks for; without seeds from a random one on. Raises ApiError 422 for contradictory fields."""
    seed, n = body.seed, body.n if body.seeds is None or "n" in body.model_fields_set else None
    seeds = ",".join(map(str, body.seeds)) if isinstance(body.seeds, list) else body.seeds
    if body.seeds == []:
        raise ApiError(422, "seeds is empty: name at least one", param="seeds")
    if seeds is None and seed is None:
        seed = secrets.randbelow(max(1, SEED_END - body.n))
    of_class = str(body.of_class) if body.of_class is not None else None
    with invalid_parameter("seeds"):
        return SelectionOptions(n=n, seed=seed, seeds=seeds, of_class=of_class, truncation=body.truncation, psi=body.psi)


def _check_size(requested: str | None, drawn: str) -> None:
    if requested not in (None, "auto", drawn):
        raise ApiError(422, f"size is {requested}, and this model draws {drawn}: leave it out", param="size")


def _json(images: Images, drawing: DrawRequest, kind: str) -> Response:
    files = encode.encode_each(images, drawing.metadata_texts(), kind)
    data: list[dict[str, Any]] = []
    for position, (file, seed) in enumerate(zip(files, drawing.seeds, strict=True)):
        entry: dict[str, Any] = {"b64_json": base64.b64encode(file).decode("ascii"), "seed": seed}
        if (name := drawing.class_name(position)) is not None:
            entry["class"] = name
        data.append(entry)
    model = {"model": drawing.model.name, "model_sha256": drawing.model.bundle.sha256}
    return JSONResponse({"created": int(time.time()), "data": data, "output_format": kind, **model})
