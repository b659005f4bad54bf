"""An allow-list of routes in front of Gradio: a page that only draws needs few of them, and all others are 404.

By default Gradio accepts uploads from anybody and serves them back, fetches URLs on request, and answers `run` calls
past its own queue. An allow-list stays right when Gradio adds a route; a deny-list does not.
"""

import re
from collections.abc import Set
from pathlib import Path

from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_BODY_BYTES = 64 * 1024  # a request is a few names and numbers

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


class Guard:
    """ASGI middleware: 404 for every route that neither the page nor `gradio_client` needs, 413 for a body over MAX_BODY_BYTES.

    pictures   files are served from under this folder only.
    endpoints  API names that may be called. Gradio hides private ones but still answers them.
    """

    def __init__(self, app: ASGIApp, pictures: Path, endpoints: Set[str]) -> None:
        self.app, self.pictures, self.endpoints = app, pictures.resolve(), endpoints

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
        elif scope["type"] != "http" or not self._is_open(scope["method"], scope["path"]):
            await _refuse(send, 404, b"Not found")
        elif (body := await _read_body(receive) if scope["method"] == "POST" else b"") is None:
            await _refuse(send, 413, b"The request is too large")
        else:
            await self.app(scope, _replay(body, receive) if scope["method"] == "POST" else receive, send)

    def _is_open(self, method: str, path: str) -> bool:
        if method == "POST":
            return self._matches(_WRITE, path)
        if method not in ("GET", "HEAD"):
            return False
        if path.startswith(_FILE):
            file = Path(path.removeprefix(_FILE))
            return (
                file.suffix in (".png", ".gif", ".mp4") and file.is_absolute() and file.resolve().is_relative_to(self.pictures)
            )
        return self._matches(_READ, path)

    def _matches(self, routes: re.Pattern[str], path: str) -> bool:
        found = routes.fullmatch(path)
        return found is not None and (found["name"] is None or found["name"] in self.endpoints)


async def _read_body(receive: Receive) -> bytes | None:
    """The whole body, or None as soon as it is longer than MAX_BODY_BYTES, declared or not."""
    body = b""
    while True:
        message = await receive()
        body += bytes(message.get("body", b""))
        if len(body) > MAX_BODY_BYTES:
            return None
        if not message.get("more_body", False):
            return body


def _replay(body: bytes, receive: Receive) -> Receive:
    """The body once more for the application, then whatever the connection still says (that the client left)."""
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replayed() -> Message:
        return waiting.pop() if waiting else await receive()

    return replayed


async def _refuse(send: Send, status: int, text: bytes) -> None:
    headers = [(b"content-type", b"text/plain"), (b"content-length", str(len(text)).encode()), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": text})
