"""What every request passes before it is routed: request id, token, limits, and afterwards a line in the access log."""

import asyncio
import contextlib
import hmac
import json
import sys
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gansample.errors import shorten
from gansample.http.body import BodyTooLarge, ClientDisconnected, read_body, replay_body
from gansample.http.browser import without_prefix
from gansample.http.errors import ApiError, error_response
from gansample.http.memory import Memory, Share
from gansample.http.metrics import Metrics
from gansample.http.routes.pages import is_page
from gansample.http.settings import Settings
from gansample.system.numbers import MAX_DIGITS

PROBES = ("/livez", "/readyz")  # they need no token and are never refused for load
CONTENT_TYPES = (b"application/json",)
V2_CONTENT_TYPES = (b"application/json", b"application/octet-stream", b"")  # Triton's client sends none
MAX_ID = 64
MAX_DEPTH = 32  # of JSON: recursive parsers overflow on [[[[…
PIECE = 1 << 18  # bytes of a response that the server takes at once
CHUNK = 1 << 16  # bytes of a body that are scanned in one go
CLIENT_CLOSED_REQUEST = 499  # nginx's status for the log; nobody is there to receive it

_DEPTH_STEPS = np.zeros(256, np.int8)
_DEPTH_STEPS[list(b"[{")], _DEPTH_STEPS[list(b"]}")] = 1, -1


@dataclass
class ResponseStats:
    """What was sent, for the log and the metrics."""

    status: int = 500
    body_bytes: int = 0


class Guard:
    """ASGI middleware. Refuses with the error envelope; what it lets through is counted, timed and logged."""

    def __init__(self, app: ASGIApp, settings: Settings, metrics: Metrics) -> None:
        self._app, self._settings, self._metrics = app, settings, metrics
        self._by_client: Counter[str] = Counter()
        self._in_total = 0
        self._body_bytes = 0
        self._memory = Memory(settings.max_memory)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":  # no route has one: refused here, before anything is asked of the application
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers, method = dict(scope["headers"]), scope["method"]
        request_id = _request_id(headers)
        scope["request_id"] = request_id
        scope["root_path"] = self._settings.root_path  # what /docs and the schema put in front of their addresses
        if method == "HEAD":
            # HEAD is GET whose body the server does not send (RFC 9110, 9.3.2): `curl -I` on a picture shows its ETag.
            scope = {**scope, "method": "GET"}
        client = scope["client"][0] if scope.get("client") else "-"
        started = time.perf_counter()
        response, share = ResponseStats(), Share(self._memory)
        scope["memory"] = share

        async def send_counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                response.status = message["status"]
                message["headers"] = [*message["headers"], (b"x-request-id", request_id.encode())]
                await send(message)
                return
            body = message.get("body", b"")
            response.body_bytes += len(body)
            for start in range(0, len(body) or 1, PIECE):  # between them the server waits for a client that reads slowly
                more = start + PIECE < len(body) or message.get("more_body", False)
                await send({"type": "http.response.body", "body": body[start : start + PIECE], "more_body": more})

        self._by_client[client] += 1
        self._in_total += 1
        try:
            path = without_prefix(scope["path"], self._settings.root_path)
            self._check(path, headers, client)
            with self._room_for_body(headers):
                body = await self._body(path, headers, receive)
                await self._app(scope, replay_body(body, receive), send_counted)
        except ApiError as error:
            await error_response(error, request_id)(scope, receive, send_counted)
        except ClientDisconnected:
            response.status = CLIENT_CLOSED_REQUEST
        finally:
            share.give_back()
            self._in_total -= 1
            self._by_client[client] -= 1
            if not self._by_client[client]:
                del self._by_client[client]
            self._record(scope, method, client, response, time.perf_counter() - started)

    def _check(self, path: str, headers: dict[bytes, bytes], client: str) -> None:
        """Raises ApiError 401 or 429."""
        limits = self._settings
        if path in PROBES:
            return
        if limits.token is not None and not is_page(path):
            scheme, _, given = headers.get(b"authorization", b"").partition(b" ")
            if scheme.lower() != b"bearer" or not hmac.compare_digest(given.strip(b" "), limits.token.encode()):
                words = "this service needs a token: send Authorization: Bearer …"
                raise ApiError(401, words, headers={"WWW-Authenticate": "Bearer"})
        if self._in_total > limits.in_total:
            words = f"the service is handling {limits.in_total} requests already"
            raise ApiError(429, words, headers={"Retry-After": "1"})
        if self._by_client[client] > limits.per_client:
            words = f"{limits.per_client} of your requests are being handled already"
            raise ApiError(429, words, headers={"Retry-After": "1"})

    @contextlib.contextmanager
    def _room_for_body(self, headers: dict[bytes, bytes]) -> Iterator[None]:
        """Raises ApiError 413 for a body that is too large, or 429 where the bodies of all requests together are."""
        limit = self._settings.max_body
        length = headers.get(b"content-length", b"")
        if length.isdigit() and (len(length) > MAX_DIGITS or int(length) > limit):
            words = f"the body has {length.decode()} bytes, at most {limit:,}"
            raise ApiError(413, words, headers={"Connection": "close"})
        size = int(length) if length.isdigit() else limit if b"transfer-encoding" in headers else 0
        if self._body_bytes + size > self._settings.max_bodies:
            words = "the bodies of other requests fill the memory for them"
            raise ApiError(429, words, headers={"Retry-After": "1", "Connection": "close"})
        self._body_bytes += size
        try:
            yield
        finally:
            self._body_bytes -= size

    async def _body(self, path: str, headers: dict[bytes, bytes], receive: Receive) -> bytes:
        """All of it, within the limits. Raises ApiError 400, 408, 413 or 415, or ClientDisconnected."""
        limit, seconds = self._settings.max_body, self._settings.read_seconds
        length = headers.get(b"content-length", b"")
        if not length and b"transfer-encoding" not in headers:
            return b""
        try:
            async with asyncio.timeout(seconds):
                body = await read_body(receive, limit)
        except BodyTooLarge:
            raise ApiError(413, f"the body has more than {limit:,} bytes", headers={"Connection": "close"}) from None
        except TimeoutError:
            raise ApiError(408, f"the body did not arrive within {seconds:g} s", headers={"Connection": "close"}) from None
        content_type = headers.get(b"content-type", b"").split(b";")[0].strip().lower()
        if body and content_type not in (V2_CONTENT_TYPES if path.startswith("/v2/") else CONTENT_TYPES):
            raise ApiError(415, f"Content-Type is {content_type.decode('latin-1') or 'missing'}: send application/json")
        if content_type == b"application/json":
            large = len(body) > CHUNK
            depth = await asyncio.to_thread(json_depth, body) if large else json_depth(body)
            if depth > MAX_DEPTH:
                raise ApiError(400, f"the JSON is nested more than {MAX_DEPTH} deep")
        return body

    def _record(self, scope: Scope, method: str, client: str, response: ResponseStats, seconds: float) -> None:
        """Metrics and the access log. method: as the client sent it."""
        route = getattr(scope.get("route"), "path", "none")
        self._metrics.requests.labels(route, response.status).inc()
        self._metrics.seconds.labels(route).observe(seconds)
        self._metrics.pictures.inc(scope.get("pictures", 0))
        if without_prefix(scope["path"], self._settings.root_path) in PROBES and response.status == 200:
            return  # probes would be most of the log
        line = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "id": scope["request_id"],
            "client": client,
            "method": method,
            "path": shorten(scope["path"]),
            "query": shorten(scope["query_string"].decode("latin-1")),
            "status": response.status,
            "ms": round(1000 * seconds, 1),
            "bytes": response.body_bytes,
            "pictures": scope.get("pictures", 0),
        }
        print(json.dumps(line), file=sys.stderr)


def _request_id(headers: dict[bytes, bytes]) -> str:
    """The client's own, where it is short and plain, else a new one."""
    given = headers.get(b"x-request-id", b"").decode("latin-1")
    plain = given.isascii() and given.replace("-", "").replace("_", "").isalnum() and len(given) <= MAX_ID
    return given if plain else new_request_id()


def new_request_id() -> str:
    return uuid.uuid4().hex


def json_depth(body: bytes) -> int:
    """An upper bound of how deep JSON is nested: brackets inside strings count as well. NumPy frees the interpreter's lock."""
    depth = deepest = 0
    for start in range(0, len(body), CHUNK):
        chunk = np.frombuffer(body, np.uint8, min(CHUNK, len(body) - start), start)
        depths = np.cumsum(_DEPTH_STEPS[chunk], dtype=np.int32)
        deepest = max(deepest, depth + int(depths.max()))
        depth += int(depths[-1])
    return deepest
