"""An allow-list of routes in front of Gradio: a page that only draws needs few of them, and all others are 404.

By default Gradio accepts uploads from anybody and serves them back, fetches URLs on request, and answers `run` calls
past its own queue. An allow-list stays right when Gradio adds a route; a deny-list does not.
"""

import json
import logging
import re
from collections.abc import Set
from pathlib import Path

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gansample.http.body import BodyTooLarge, ClientDisconnected, read_body, replay_body

MAX_BODY_BYTES = 64 * 1024  # a request is a few names and numbers
# Bytes of a path, and of a name in it: more is an error of the file system, which Gradio answers by a 500.
MAX_PATH, MAX_NAME = 2048, 255

_READ = re.compile(
    r"""/ | /(config|theme\.css|favicon\.ico|robots\.txt|manifest\.json)/?
      | /(assets|static|svelte)/.+
      | /(login_check|logout|user|gradio_api/(user|login_check|app_id))/?
      | /gradio_api/(info|openapi\.json|theme\.css|startup-events|queue/(data|status))/?
      | /gradio_api/heartbeat/\w+
      | /gradio_api/call/(?P<name>\w+)/\w+
    """,
    re.VERBOSE,
)
_WRITE = re.compile(r"/login/? | /gradio_api/(queue/join|cancel|reset|call/(v2/)?(?P<name>\w+))/?", re.VERBOSE)
_FILE = "/gradio_api/file="
# The page may show nothing that comes from elsewhere, whatever a model card says: each visitor would be reported there.
_POLICY = (
    b"img-src 'self' data: blob:; media-src 'self' data: blob:; font-src 'self' data:; style-src 'self' 'unsafe-inline'; "
    b"object-src 'none'; frame-src 'none'; base-uri 'self'"
)

logger = logging.getLogger(__name__)


class Guard:
    """ASGI middleware: 404 for every route that neither the page nor `gradio_client` needs, 413 for a body over MAX_BODY_BYTES.

    pictures   files are served from under this folder only.
    endpoints  API names that may be called. Gradio hides private ones but still answers them.
    """

    def __init__(self, app: ASGIApp, pictures: Path, endpoints: Set[str]) -> None:
        self.app, self.pictures, self.endpoints = app, pictures.resolve(), endpoints

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008, "reason": "Not found"})
        elif scope["type"] != "http":
            await self.app(scope, receive, send)
        elif not self._is_open(scope["method"], scope["path"]):
            await _refuse(send, 404, b"Not found")
        elif scope["method"] == "POST":
            await self._post(scope, receive, send)
        else:
            await self._pass_on(scope, receive, send)

    async def _pass_on(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let Gradio answer. Where it fails, the log gets a line instead of the traceback that anybody could fill it with."""
        started = False

        async def watched(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                message = {**message, "headers": [*message["headers"], (b"content-security-policy", _POLICY)]}
            await send(message)

        try:
            await self.app(scope, receive, watched)
        except Exception as error:
            logger.warning("%s %.200r failed: %.200r", scope["method"], scope["path"], error)
            if started:
                await send({"type": "http.response.body", "body": b""})
            elif scope["method"] == "POST" and isinstance(error, (KeyError, TypeError, ValueError)):
                # Until an event is in the queue, Gradio only looks up what a request names, and fails on what there is not.
                await _refuse(send, 400, b"The request names what there is not, see /gradio_api/openapi.json")
            else:
                await _refuse(send, 500, b"Internal server error")

    async def _post(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            body = await read_body(receive, MAX_BODY_BYTES)
        except BodyTooLarge:
            await _refuse(send, 413, b"The request is too large")
        except ClientDisconnected:
            return
        else:
            if not scope["path"].startswith("/login") and not _is_json(body):
                await _refuse(send, 400, b"The request is not JSON")
            else:
                await self._pass_on(scope, replay_body(body, receive), send)

    def _is_open(self, method: str, path: str) -> bool:
        raw = path.encode(errors="replace")
        if not path.isprintable() or len(raw) > MAX_PATH or any(len(name) > MAX_NAME for name in raw.split(b"/")):
            return False
        if method == "POST":
            return self._matches(_WRITE, path)
        if method not in ("GET", "HEAD"):
            return False
        if path.startswith(_FILE):
            return self._is_picture(Path(path.removeprefix(_FILE)))
        return self._matches(_READ, path)

    def _is_picture(self, file: Path) -> bool:
        if file.suffix not in (".png", ".gif", ".mp4") or not file.is_absolute():
            return False
        try:
            return file.resolve().is_relative_to(self.pictures)
        except (OSError, RuntimeError):  # links in a circle, or names that the file system does not take
            return False

    def _matches(self, routes: re.Pattern[str], path: str) -> bool:
        found = routes.fullmatch(path)
        return found is not None and (found["name"] is None or found["name"] in self.endpoints)


def _is_json(body: bytes) -> bool:
    """Whether `body` is JSON that can be written again: Python also reads NaN and lone surrogates, and fails on them later."""
    try:
        json.dumps(json.loads(body), allow_nan=False, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return False
    return True


async def _refuse(send: Send, status: int, text: bytes) -> None:
    headers = [(b"content-type", b"text/plain"), (b"content-length", str(len(text)).encode()), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": text})
