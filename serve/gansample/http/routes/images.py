"""GET /v1/images/42.png and /v1/images?seeds=0-63: pictures as a browser or curl fetches them, cacheable."""

import asyncio
import hashlib
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

import gansample
from gansample.errors import UsageError
from gansample.http import encode
from gansample.http.draw_request import Wish
from gansample.http.models import Models
from gansample.http.refusals import Refusal
from gansample.http.settings import Settings
from gansample.latents import MIN_TRUNCATION, parse_seeds

FRESH = 3600  # seconds: a name may lead to another bundle tomorrow, and the ETag then says so

ModelName = Annotated[str | None, Query(description="Of /v1/models; the first one where none is named.", examples=["fashion"])]
ClassName = Annotated[
    str | None, Query(alias="class", description="By name or number, several take turns. Without it a seed's own.")
]
Truncation = Annotated[
    float | None, Query(description="Redraw latent components beyond ±T.", ge=MIN_TRUNCATION, examples=[1.5])
]
PICTURE = {200: {"content": {kind: {} for kind in encode.TYPES.values()}}, 304: {"description": "You have it already."}}


def router(models: Models, settings: Settings) -> APIRouter:
    routes = APIRouter(prefix="/v1", tags=["images"])

    @routes.get("/images/{name}", responses=PICTURE, response_class=Response)  # type: ignore[arg-type]
    async def one(
        request: Request, name: str, model: ModelName = None, of_class: ClassName = None, truncation: Truncation = None
    ) -> Response:
        """The picture of one seed: `curl host:8000/v1/images/42.png -o 42.png`."""
        stem, dot, kind = name.partition(".")
        if not dot or kind not in encode.TYPES or not (stem.isascii() and stem.isdigit()):
            raise Refusal(404, f"there is no picture {name!r}: ask for 42.png or 42.webp", param="seed")
        wish = _wish(models, settings, model, stem, of_class, truncation)
        if (known := _known(request, wish, kind)) is not None:
            return known
        images = await wish.draw()
        return _picture(request, wish, kind, encode.singles(images, wish.texts(), kind)[0])

    @routes.get("/images", responses=PICTURE, response_class=Response)  # type: ignore[arg-type]
    async def many(
        request: Request,
        seeds: Annotated[str, Query(description="Like 0-35,40.")] = "0-63",
        grid: Annotated[str, Query(description="Columns x rows, or auto.", examples=["8x8"])] = "auto",
        model: ModelName = None,
        of_class: ClassName = None,
        truncation: Truncation = None,
    ) -> Response:
        """A grid of seeds, as PNG, or WebP where `Accept` names only that: `curl 'host:8000/v1/images?seeds=0-63'`."""
        kind = accepted(request)
        wish = _wish(models, settings, model, seeds, of_class, truncation)
        if (known := _known(request, wish, kind, grid)) is not None:
            return known
        images = await wish.draw()
        return _picture(request, wish, kind, await asyncio.to_thread(encode.sheet, images, wish, grid, kind), grid)

    return routes


def accepted(request: Request) -> str:
    """png or webp, whichever `Accept` takes; png where it takes both. Raises Refusal 406."""
    accept = request.headers.get("accept", "*/*")
    for kind, media in encode.TYPES.items():
        if media in accept or "*/*" in accept or "image/*" in accept:
            return kind
    raise Refusal(406, f"Accept: {accept} takes none of {', '.join(encode.TYPES.values())}")


def _wish(
    models: Models, settings: Settings, model: str | None, seeds: str, of_class: str | None, truncation: float | None
) -> Wish:
    try:
        spans = parse_seeds(seeds, "seeds")
    except UsageError as error:
        raise Refusal(422, str(error), param="seeds") from None
    return Wish(models.get(model), spans, settings, of_class=of_class, truncation=truncation)


def _etag(wish: Wish, *form: str) -> str:
    """The picture is a function of all this; the model's name is not among it, its digest is."""
    facts = repr((gansample.__version__, wish.job.identity, form))
    return f'"{hashlib.sha256(facts.encode()).hexdigest()[:24]}"'


def _headers(request: Request, wish: Wish, *form: str) -> dict[str, str]:
    scope = "private" if "authorization" in request.headers else "public"
    return {"ETag": _etag(wish, *form), "Cache-Control": f"{scope}, max-age={FRESH}", "Vary": "Accept"}


def _known(request: Request, wish: Wish, *form: str) -> Response | None:
    """304 where the client has these very bytes, without drawing anything."""
    known = request.headers.get("if-none-match", "")
    if known and (known.strip() == "*" or _etag(wish, *form) in known):
        return Response(status_code=304, headers=_headers(request, wish, *form))
    return None


def _picture(request: Request, wish: Wish, kind: str, data: bytes, *form: str) -> Response:
    request.scope["pictures"] = len(wish.positions)
    return Response(data, media_type=encode.TYPES[kind], headers=_headers(request, wish, kind, *form))
