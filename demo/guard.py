"""An allow-list of routes in front of Gradio: a page that only draws needs few of them, and all others are 404.

By default Gradio accepts uploads from anybody and serves them back, fetches URLs on request, and answers `run` calls
past its own queue. An allow-list stays right when Gradio adds a route; a deny-list does not.
"""

import re
from collections.abc import Set
from pathlib import Path

from starlette.types import ASGIApp, Receive, Scope, Send

from gansample.http.body import BodyTooLarge, ClientDisconnected, read_body, replay_body

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
        elif scope["method"] == "POST":
            await self._post(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    async def _post(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            body = await read_body(receive, MAX_BODY_BYTES)
        except BodyTooLarge:
            await _refuse(send, 413, b"The request is too large")
        except ClientDisconnected:
            return
        else:
            await self.app(scope, replay_body(body, receive), send)

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


async def _refuse(send: Send, status: int, text: bytes) -> None:
    headers = [(b"content-type", b"text/plain"), (b"content-length", str(len(text)).encode()), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": text})
