"""The pages at / and /docs, for people with a browser: they ask this service and nobody else, so they work without a network.

They are the same for every service and say nothing about it: what they show they request like any client, with the token
where one is asked for. So they themselves need none, which a browser could not send with an address that somebody types.
"""

import mimetypes
from pathlib import Path

from fastapi import APIRouter
from starlette.responses import Response

from gansample.http.errors import ApiError
from gansample.http.settings import Settings

FOLDER = Path(__file__).parent.parent / "pages"
NAMES = {"/": "index.html", "/docs": "docs.html", "/favicon.ico": "favicon.ico"}
TITLES = {"index.html": "gansample", "docs.html": "gansample: requests"}  # bodies, which stand in frame.html
PREFIX = "/pages/"
HEADERS = {
    # What a page may do: its own scripts and styles, requests to this service, pictures from it. No frames around it.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' blob:; base-uri 'self'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}
_TYPES = {".js": "text/javascript", ".ico": "image/x-icon"}  # which some systems' tables have otherwise


def is_page(path: str) -> bool:
    """Whether it is a page, or a part of one, which needs no token."""
    return path in NAMES or path.startswith(PREFIX)


def router(settings: Settings) -> APIRouter:
    routes = APIRouter(include_in_schema=False)
    files = {path.name: path.read_bytes() for path in FOLDER.iterdir() if path.is_file()}
    frame = files.pop("frame.html")
    for name, title in TITLES.items():
        head = frame.replace(b"{title}", title.encode()).replace(b"{script}", name.replace(".html", ".js").encode())
        page = head.replace(b"{body}", files[name])
        # Every address in them is absolute; the scripts' are relative to <base>.
        files[name] = page.replace(b'="/', f'="{settings.root_path}/'.encode())

    def response(name: str) -> Response:
        kind = _TYPES.get(Path(name).suffix) or mimetypes.guess_type(name)[0] or "application/octet-stream"
        return Response(files[name], media_type=kind, headers=HEADERS)

    @routes.get("/")
    async def index() -> Response:
        return response("index.html")

    @routes.get("/docs")
    async def docs() -> Response:
        return response("docs.html")

    @routes.get("/favicon.ico")
    async def icon() -> Response:
        return response("favicon.ico")

    @routes.get("/pages/{name}")
    async def part(name: str) -> Response:
        if name not in files or name in NAMES.values():
            raise ApiError(404, f"there is no page {name!r}")
        return response(name)

    return routes
