"""What every request passes, before any route: identity, token, limits, and a line in the log when it is over."""

import asyncio
import hmac
import json
import sys
import time
import uuid
from collections import Counter
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gansample.http.errors import ApiError, error_response
from gansample.http.metrics import Metrics
from gansample.http.settings import Settings

OPEN = ("/livez", "/readyz")  # probes bring no token, and are never refused for the load
KINDS = (b"application/json",)
V2_KINDS = (b"application/json", b"application/octet-stream", b"")  # Triton's client names none
MAX_ID = 64
MAX_DEPTH = 32  # of JSON: a parser that recurses dies of [[[[…


class Guard:
    """ASGI middleware. Refuses with the one envelope; what it lets through is counted, timed and logged."""

    def __init__(self, app: ASGIApp, settings: Settings, metrics: Metrics) -> None:
        self._app, self._settings, self._metrics = app, settings, metrics
        self._busy: Counter[str] = Counter()
        self._in_total = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        request_id = _request_id(headers)
        scope["request_id"] = request_id
        client = scope["client"][0] if scope.get("client") else "-"
        started = time.perf_counter()
        seen: dict[str, Any] = {"status": 500, "bytes": 0}

        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                seen["status"] = message["status"]
                message["headers"] = [*message["headers"], (b"x-request-id", request_id.encode())]
            else:
                seen["bytes"] += len(message.get("body", b""))
            await send(message)

        self._busy[client] += 1
        self._in_total += 1
        try:
            self._check(scope["path"], headers, client)
            body = await self._body(headers, receive, V2_KINDS if scope["path"].startswith("/v2/") else KINDS)
            # HEAD is GET whose body the server keeps to itself (RFC 9110, 9.3.2): `curl -I` on a picture shows its ETag.
            asked = {**scope, "method": "GET"} if scope["method"] == "HEAD" else scope
            await self._app(asked, _replayed(body, receive), counted)
        except ApiError as error:
            await error_response(error, request_id)(scope, receive, counted)
        except _Left:
            seen["status"] = 499  # nobody is there to hear it: nginx's number in the log
        finally:
            self._in_total -= 1
            self._busy[client] -= 1
            if not self._busy[client]:
                del self._busy[client]
            self._note(scope, client, seen, time.perf_counter() - started)

    def _check(self, path: str, headers: dict[bytes, bytes], client: str) -> None:
        limits = self._settings
        if path in OPEN:
            return
        if limits.token is not None:
            given = headers.get(b"authorization", b"")
            if not hmac.compare_digest(given, f"Bearer {limits.token}".encode()):
                raise ApiError(
                    401, "this service asks for a token: Authorization: Bearer …", headers={"WWW-Authenticate": "Bearer"}
                )
        if self._in_total > limits.in_total:
            raise ApiError(429, f"{limits.in_total} requests are being answered already", headers={"Retry-After": "1"})
        if self._busy[client] > limits.per_client:
            raise ApiError(
                429, f"{limits.per_client} requests of yours are being answered already", headers={"Retry-After": "1"}
            )

    async def _body(self, headers: dict[bytes, bytes], receive: Receive, kinds: tuple[bytes, ...]) -> bytes:
        """All of it, within the limits. Raises ApiError 408, 413, 415, or _Left."""
        limit = self._settings.max_body
        length = headers.get(b"content-length", b"")
        if not length and b"transfer-encoding" not in headers:
            return b""
        if length.isdigit() and int(length) > limit:
            raise ApiError(413, f"the body has {int(length):,} bytes, at most {limit:,}", headers={"Connection": "close"})
        body = bytearray()
        try:
            async with asyncio.timeout(self._settings.read_seconds):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise _Left
                    body += message.get("body", b"")
                    if len(body) > limit:
                        raise ApiError(413, f"the body has more than {limit:,} bytes", headers={"Connection": "close"})
                    if not message.get("more_body"):
                        break
        except TimeoutError:
            words = f"the body did not arrive within {self._settings.read_seconds:g} s"
            raise ApiError(408, words, headers={"Connection": "close"}) from None
        kind = headers.get(b"content-type", b"").split(b";")[0].strip().lower()
        if body and kind not in kinds:
            raise ApiError(415, f"Content-Type is {kind.decode('latin-1') or 'missing'}: send application/json")
        if kind == b"application/json" and _depth(body) > MAX_DEPTH:
            raise ApiError(400, f"the JSON is nested more than {MAX_DEPTH} deep")
        return bytes(body)

    def _note(self, scope: Scope, client: str, seen: dict[str, Any], seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "none")
        self._metrics.requests.labels(route, seen["status"]).inc()
        self._metrics.seconds.labels(route).observe(seconds)
        self._metrics.pictures.inc(scope.get("pictures", 0))
        if scope["path"] in OPEN and seen["status"] == 200:
            return  # probes would be most of the log
        line = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "id": scope["request_id"],
            "client": client,
            "method": scope["method"],
            "path": scope["path"],
            "query": scope["query_string"].decode("latin-1"),
            "status": seen["status"],
            "ms": round(1000 * seconds, 1),
            "bytes": seen["bytes"],
            "pictures": scope.get("pictures", 0),
        }
        print(json.dumps(line), file=sys.stderr)


class _Left(Exception):
    """The client closed the connection in the middle of its request."""


def _request_id(headers: dict[bytes, bytes]) -> str:
    """The client's own, where it is short and plain, else a new one."""
    given = headers.get(b"x-request-id", b"").decode("latin-1")
    plain = given.isascii() and given.replace("-", "").replace("_", "").isalnum() and len(given) <= MAX_ID
    return given if plain else uuid.uuid4().hex


def _replayed(body: bytes, receive: Receive) -> Receive:
    """A `receive` that gives the body once, and then whatever else happens, such as the client's leaving."""
    given = False

    async def replay() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay


def _depth(body: bytearray) -> int:
    """An upper bound of how deep JSON is nested: brackets inside of strings count as well."""
    depth = deepest = 0
    for byte in body:
        if byte in b"[{":
            depth += 1
            deepest = max(deepest, depth)
        elif byte in b"]}":
            depth -= 1
    return deepest
