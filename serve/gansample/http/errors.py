"""Every error leaves as one JSON envelope: {"error": {"code", "message", "param", "request_id"}}."""

import logging
import math
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from gansample.errors import ArtefactError, BackendUnavailable, GansampleError, UsageError, shorten, suggest

logger = logging.getLogger(__name__)

_CODES = {
    400: "bad_request", 401: "unauthorized", 404: "not_found", 405: "method_not_allowed", 406: "not_acceptable",
    408: "too_slow", 413: "too_large", 415: "unsupported_media_type", 422: "invalid", 429: "too_many_requests",
    431: "headers_too_large", 500: "internal", 503: "unavailable", 504: "deadline_exceeded",
}  # fmt: skip


class ApiError(Exception):
    """A request that is answered with an error status.

    param  the name of the parameter at fault, if it is one.
    """

    def __init__(
        self, status: int, message: str, *, param: str | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.param, self.headers = status, message, param, dict(headers or {})


def queue_full(waiting: int, limit: int, rate: float) -> ApiError:
    """rate: pictures per second, from which Retry-After is estimated."""
    seconds = max(1, math.ceil(waiting / rate))
    words = f"the queue is full: {waiting:,} pictures are waiting, at most {limit:,}"
    return ApiError(429, words, headers={"Retry-After": str(seconds)})


def deadline_exceeded(deadline: float) -> ApiError:
    return ApiError(504, f"not drawn within {deadline:g} s", headers={"Retry-After": "1"})


def shutting_down() -> ApiError:
    return ApiError(503, "this model is shutting down, try again", headers={"Retry-After": "1"})


def not_json() -> ApiError:
    return ApiError(400, "the body is not JSON, or holds a number of more than 4,300 digits")


@contextmanager
def invalid_parameter(name: str) -> Iterator[None]:
    """Turn a UsageError into ApiError 422 for this parameter."""
    try:
        yield
    except UsageError as error:
        raise ApiError(422, _without_dashes(error), param=name) from None


def _without_dashes(error: UsageError) -> str:
    """The library names options as the command line does, `--seeds`; here they are `seeds`."""
    return re.sub(r"(?<!\S)--(?=[a-z])", "", str(error))


def error_response(error: ApiError, request_id: str) -> JSONResponse:
    body = {
        "code": _CODES.get(error.status, "error"),
        "message": _quotable(error.message),
        "param": _quotable(error.param) if error.param is not None else None,
        "request_id": request_id,
    }
    return JSONResponse({"error": body}, error.status, error.headers)


def _quotable(text: str) -> str:
    """What a client sent, as UTF-8 can write it (JSON may hold half of a surrogate pair), and not all of it."""
    return shorten(text.encode(errors="backslashreplace").decode())


def from_library(error: GansampleError) -> ApiError:
    """A UsageError is the client's fault, anything else the service's.

    The messages of the latter may name folders of this machine, so they go to the log only.
    """
    if isinstance(error, UsageError):
        return ApiError(422, _without_dashes(error))
    logger.error("%s", error)
    if isinstance(error, BackendUnavailable | ArtefactError):
        return ApiError(503, "this model is unavailable at the moment; the service's log has the reason")
    return ApiError(500, "drawing failed; the service's log has the reason")


def _body_fields(request: Request) -> list[str]:
    """The fields that the JSON body of this route may have."""
    models = [each.field_info.annotation for each in request.scope["route"].dependant.body_params]
    return [field.alias or name for model in models for name, field in getattr(model, "model_fields", {}).items()]


def install_handlers(app: FastAPI) -> None:
    """Turn whatever a route, the framework or the library raises into the envelope."""

    def id_of(request: Request) -> str:
        return str(request.scope.get("request_id", ""))

    @app.exception_handler(ApiError)
    async def api_error(request: Request, error: ApiError) -> JSONResponse:
        return error_response(error, id_of(request))

    @app.exception_handler(GansampleError)
    async def library_error(request: Request, error: GansampleError) -> JSONResponse:
        return error_response(from_library(error), id_of(request))

    @app.exception_handler(RequestValidationError)
    async def validation_error(request: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        location = [str(part) for part in first["loc"] if part not in ("body", "query", "path")]
        if first["type"] == "json_invalid":
            return error_response(not_json(), id_of(request))
        words = f"{'.'.join(location) or 'the body'}: {first['msg']}"
        if first["type"] == "extra_forbidden":
            words = f"there is no field {location[-1]!r}: {suggest(location[-1], _body_fields(request))}"
        return error_response(ApiError(422, words, param=location[0] if location else None), id_of(request))

    @app.exception_handler(HTTPException)
    async def framework_error(request: Request, error: HTTPException) -> JSONResponse:
        if error.status_code == 400 and request.method == "POST":  # the framework could not parse it, and does not say why
            return error_response(not_json(), id_of(request))
        words = {404: f"there is nothing at {request.url.path}", 405: f"{request.method} is not allowed here"}
        message = words.get(error.status_code, str(error.detail))
        return error_response(ApiError(error.status_code, message, headers=error.headers), id_of(request))

    @app.exception_handler(Exception)
    async def unexpected_error(request: Request, error: Exception) -> JSONResponse:
        logger.error("%s %s failed", request.method, request.url.path, exc_info=error)
        return error_response(ApiError(500, "something went wrong; the log has it under this request_id"), id_of(request))
