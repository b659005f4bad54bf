"""GET /v1/images/42.png and /v1/images?seeds=0-63: cacheable pictures, for browsers and curl."""

import asyncio
import hashlib
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request
from starlette.responses import Response

import gansample
from gansample.bundle.style_mapping import MAX_PSI
from gansample.http import encode
from gansample.http.draw_request import DrawRequest
from gansample.http.errors import ApiError
from gansample.http.known_parameters import check_query
from gansample.http.memory import sheet_bytes
from gansample.http.models import Models
from gansample.http.settings import Settings
from gansample.latents import MIN_TRUNCATION
from gansample.sampling.options import SelectionOptions

MAX_AGE = 3600  # seconds: a name may lead to another bundle tomorrow, and then the ETag changes

ModelName = Annotated[str | None, Query(description="A name from /v1/models; by default the first one.", examples=["fashion"])]
ClassName = Annotated[
    str | None, Query(alias="class", description="By name or number, or several in turn: bag,coat. By default each seed's own.")
]
Truncation = Annotated[
    float | None, Query(description="Redraw latent components beyond ±T.", ge=MIN_TRUNCATION, examples=[1.5])
]
Psi = Annotated[
    float | None,
    Query(description="Of a generator with a mapping: 1 its own, 0 the mean picture.", ge=-MAX_PSI, le=MAX_PSI, examples=[0.7]),
]
PICTURE = {200: {"content": {kind: {} for kind in encode.TYPES.values()}}, 304: {"description": "The client has it already."}}


def router(models: Models, settings: Settings) -> APIRouter:
    routes = APIRouter(prefix="/v1", tags=["images"], dependencies=[Depends(check_query)])

    @routes.get("/images/{name}", responses=PICTURE, response_class=Response)  # type: ignore[arg-type]
    async def one(
        request: Request,
        name: Annotated[str, Path(description="A seed and a form, png or webp.", examples=["42.png"])],
        model: ModelName = None,
        of_class: ClassName = None,
        truncation: Truncation = None,
        psi: Psi = None,
    ) -> Response:
        """The picture of one seed: `curl host:8000/v1/images/42.png -o 42.png`."""
        stem, dot, kind = name.partition(".")
        if not dot or kind not in encode.TYPES or not (stem.isascii() and stem.isdigit()):
            raise ApiError(404, f"there is no picture {name!r}: request 42.png or 42.webp", param="seed")
        drawing = _request_for(models, settings, model, stem, of_class, truncation, psi)
        if (cached := _not_modified(request, drawing, kind)) is not None:
            return cached
        height, width, channels = drawing.job.shape
        images = await drawing.run(request, sheet_bytes(width, height, channels, kind))
        return _picture(request, drawing, kind, encode.encode_each(images, drawing.metadata_texts(), kind)[0])

    @routes.get("/images", responses=PICTURE, response_class=Response)  # type: ignore[arg-type]
    async def many(
        request: Request,
        seeds: Annotated[str, Query(description="Like 0-35,40.")] = "0-63",
        grid: Annotated[str, Query(description="Columns x rows, or auto.", examples=["8x8"])] = "auto",
        model: ModelName = None,
        of_class: ClassName = None,
        truncation: Truncation = None,
        psi: Psi = None,
    ) -> Response:
        """A grid of seeds, as PNG, or as WebP if `Accept` names only that: `curl 'host:8000/v1/images?seeds=0-63'`."""
        kind = negotiate_format(request)
        drawing = _request_for(models, settings, model, seeds, of_class, truncation, psi)
        memory = encode.check_grid(drawing, grid, kind, settings)
        if (cached := _not_modified(request, drawing, kind, grid)) is not None:
            return cached
        images = await drawing.run(request, memory)
        return _picture(request, drawing, kind, await asyncio.to_thread(encode.encode_grid, images, drawing, grid, kind), grid)

    return routes


def negotiate_format(request: Request) -> str:
    """png or webp, whichever `Accept` allows; png if both. Raises ApiError 406."""
    accept = request.headers.get("accept", "*/*")
    for kind, media in encode.TYPES.items():
        if media in accept or "*/*" in accept or "image/*" in accept:
            return kind
    raise ApiError(406, f"Accept: {accept} allows none of {', '.join(encode.TYPES.values())}")


def _request_for(
    models: Models,
    settings: Settings,
    model: str | None,
    seeds: str,
    of_class: str | None,
    truncation: float | None,
    psi: float | None,
) -> DrawRequest:
    options = SelectionOptions(seeds=seeds, of_class=of_class, truncation=truncation, psi=psi)
    return DrawRequest(models.get(model), options, settings)


def _etag(drawing: DrawRequest, *form: str) -> str:
    """Of everything that decides the bytes: the model's digest, not its name."""
    facts = repr((gansample.__version__, drawing.job.identity, form))
    return f'"{hashlib.sha256(facts.encode()).hexdigest()[:24]}"'


def _headers(request: Request, drawing: DrawRequest, *form: str) -> dict[str, str]:
    scope = "private" if "authorization" in request.headers else "public"
    return {"ETag": _etag(drawing, *form), "Cache-Control": f"{scope}, max-age={MAX_AGE}", "Vary": "Accept"}


def _not_modified(request: Request, drawing: DrawRequest, *form: str) -> Response | None:
    """304 if the client has these bytes already, without drawing; else None."""
    cached = request.headers.get("if-none-match", "")
    if cached and (cached.strip() == "*" or _etag(drawing, *form) in cached):
        return Response(status_code=304, headers=_headers(request, drawing, *form))
    return None


def _picture(request: Request, drawing: DrawRequest, kind: str, data: bytes, *form: str) -> Response:
    request.scope["pictures"] = len(drawing.positions)
    return Response(data, media_type=encode.TYPES[kind], headers=_headers(request, drawing, kind, *form))
