"""Whatever goes wrong leaves as one envelope: {"error": {"code", "message", "param", "request_id"}}."""

import math
import sys
import traceback
from collections.abc import Mapping

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from gansample.errors import ArtefactError, BackendUnavailable, GansampleError, UsageError

_CODES = {
    400: "bad_request", 401: "unauthorized", 404: "not_found", 405: "method_not_allowed", 406: "not_acceptable",
    408: "too_slow", 413: "too_large", 415: "unsupported_media_type", 422: "invalid", 429: "too_many_requests",
    500: "internal", 503: "unavailable", 504: "deadline_exceeded",
}  # fmt: skip


class Refusal(Exception):
    """A request that will not be answered as asked."""

    def __init__(
        self, status: int, message: str, *, param: str | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.param, self.headers = status, message, param, dict(headers or {})


def full(waiting: int, room: int, rate: float) -> Refusal:
    """The queue has no place. rate: pictures per second, which tells how soon it is worth asking again."""
    seconds = max(1, math.ceil(waiting / rate))
    return Refusal(429, f"{waiting:,} pictures are waiting, and {room:,} have room", headers={"Retry-After": str(seconds)})


def too_late(deadline: float) -> Refusal:
    return Refusal(504, f"not drawn within {deadline:g} s", headers={"Retry-After": "1"})


def leaving() -> Refusal:
    return Refusal(503, "this model is leaving, ask again", headers={"Retry-After": "1"})


def answer(refusal: Refusal, request_id: str) -> JSONResponse:
    error = {
        "code": _CODES.get(refusal.status, "error"),
        "message": refusal.message,
        "param": refusal.param,
        "request_id": request_id,
    }
    return JSONResponse({"error": error}, refusal.status, refusal.headers)


def from_error(error: GansampleError) -> Refusal:
    """What the library refuses is the request's fault where it is about its words, and the service's where it is not.

    The words of everything but a UsageError may name folders of this machine: they go to the log only.
    """
    if isinstance(error, UsageError):
        return Refusal(422, str(error))
    print(f"serve: {error}", file=sys.stderr)
    if isinstance(error, BackendUnavailable | ArtefactError):
        return Refusal(503, "this model cannot draw just now; whoever runs the service can read why in its log")
    return Refusal(500, "drawing failed; whoever runs the service can read why in its log")


def install(app: FastAPI) -> None:
    """Everything that a route, the framework or the library raises."""

    def identity(request: Request) -> str:
        return str(request.scope.get("request_id", ""))

    @app.exception_handler(Refusal)
    async def refused(request: Request, refusal: Refusal) -> JSONResponse:
        return answer(refusal, identity(request))

    @app.exception_handler(GansampleError)
    async def failed(request: Request, error: GansampleError) -> JSONResponse:
        return answer(from_error(error), identity(request))

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        place = [str(part) for part in first["loc"] if part not in ("body", "query", "path")]
        malformed = first["type"] == "json_invalid"
        words = "the body is not JSON" if malformed else f"{'.'.join(place) or 'the body'}: {first['msg']}"
        return answer(
            Refusal(400 if malformed else 422, words, param=place[0] if place and not malformed else None), identity(request)
        )

    @app.exception_handler(HTTPException)
    async def framework(request: Request, error: HTTPException) -> JSONResponse:
        words = {404: f"there is nothing at {request.url.path}", 405: f"{request.method} is not answered here"}
        message = words.get(error.status_code, str(error.detail))
        return answer(Refusal(error.status_code, message, headers=error.headers), identity(request))

    @app.exception_handler(Exception)
    async def unexpected(request: Request, error: Exception) -> JSONResponse:
        traceback.print_exception(error, file=sys.stderr)
        return answer(Refusal(500, "something went wrong; the log has it under this request_id"), identity(request))
