"""What the page does not need does not exist on the network: uploads, direct runs, other files, large bodies."""

import json
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path

import pytest

from demo.app import build_page
from demo.bundle_store import BundleStore
from demo.guard import MAX_BODY_BYTES
from demo.image_store import private_image_store
from demo.launch import public_endpoints
from gansample.bundle.open import open_bundle
from tests.support.run_demo import Demo, collected_event_loops, serve_demo

JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def demo(tiny_bundle: Path) -> Iterator[Demo]:
    with serve_demo([tiny_bundle]) as demo:
        yield demo


def ask(demo: Demo, method: str, path: str, body: object = None, **headers: str) -> tuple[int, bytes]:
    """Status and body; http.client sends the path as it is, dots and all. An iterable body goes out in chunks."""
    connection = HTTPConnection(demo.url.removeprefix("http://"), timeout=20)
    try:
        connection.request(method, path, body=body, headers=headers)  # type: ignore[arg-type]
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


@pytest.mark.parametrize("path", ["/", "/config", "/gradio_api/info", "/gradio_api/openapi.json", "/robots.txt"])
def test_what_the_page_and_its_clients_need_is_open(demo: Demo, path: str) -> None:
    assert ask(demo, "GET", path)[0] == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/gradio_api/upload"),
        ("POST", "/gradio_api/upload/"),
        ("POST", "//gradio_api/upload"),
        ("POST", "/gradio_api/./upload"),
        ("POST", "/gradio_api/%75pload"),
        ("GET", "/gradio_api/upload_progress?upload_id=1"),
        ("POST", "/gradio_api/run/generate"),
        ("POST", "/gradio_api/api/generate"),
        ("POST", "/gradio_api/component_server"),
        ("POST", "/gradio_api/process_recording"),
        ("POST", "/gradio_api/vibe-edit"),
        ("GET", "/gradio_api/vibe-code"),
        ("GET", "/gradio_api/deep_link?session_hash=a"),
        ("GET", "/gradio_api/proxy=https://example.org/"),
        ("GET", "/gradio_api/file=https://example.org/a.png"),
        ("GET", "/gradio_api/stream/a/b/1/playlist.m3u8"),
        ("GET", "/gradio_api/runs"),
        ("GET", "/monitoring"),
        ("GET", "/monitoring/summary"),
        ("GET", "/docs"),
        ("GET", "/openapi.json"),
        ("PUT", "/"),
        ("OPTIONS", "/gradio_api/upload"),
    ],
)
def test_every_other_route_is_not_there(demo: Demo, method: str, path: str) -> None:
    assert ask(demo, method, path, b"{}" if method == "POST" else None) == (404, b"Not found")


def test_only_drawn_pictures_are_served(demo: Demo, tmp_path: Path) -> None:
    drawn, beside, secret = demo.pictures / "draw.png", demo.pictures.parent / "beside.png", tmp_path / "secret.png"
    for path in (drawn, beside, secret):
        path.write_bytes(b"picture")
    (demo.pictures / "link.png").symlink_to(secret)
    (demo.pictures / "note.txt").write_text("text")
    assert ask(demo, "GET", f"/gradio_api/file={drawn}") == (200, b"picture")
    for closed in (
        beside,
        secret,
        "/etc/passwd",
        f"{demo.pictures}/../beside.png",
        f"{demo.pictures}/%2e%2e/beside.png",
        f"{demo.pictures}/link.png",
        f"{demo.pictures}/note.txt",
        "README.md",
        "draw.png",
    ):
        assert ask(demo, "GET", f"/gradio_api/file={closed}")[0] == 404, closed


def test_a_body_past_the_limit_is_refused_declared_or_not(demo: Demo) -> None:
    large = b" " * (MAX_BODY_BYTES + 1)
    assert ask(demo, "POST", "/gradio_api/queue/join", large)[0] == 413
    assert ask(demo, "POST", "/gradio_api/queue/join", iter([large[:9000]] * 8))[0] == 413
    assert ask(demo, "POST", "/gradio_api/call/generate", large)[0] == 413
    request = json.dumps({"data": ["tiny", "each in turn", 1, 1, 0, "exact", 1]}).encode()
    status, answer = ask(demo, "POST", "/gradio_api/call/generate", request, **JSON)
    assert (status, list(json.loads(answer))) == (200, ["event_id"])


@pytest.mark.parametrize("name", ["pick", "use", "generate_1", "pick_1", "lambda", "absent"])
@pytest.mark.parametrize("route", ["call", "call/v2"])
def test_what_is_private_cannot_be_called_by_name(demo: Demo, route: str, name: str) -> None:
    assert ask(demo, "POST", f"/gradio_api/{route}/{name}", b'{"data": []}', **JSON) == (404, b"Not found")
    assert ask(demo, "GET", f"/gradio_api/call/{name}/0")[0] == 404


def test_every_private_function_is_closed(tiny_bundle: Path) -> None:
    with private_image_store() as image_store, collected_event_loops():
        page = build_page(BundleStore([open_bundle(tiny_bundle)]), image_store)
        private = {fn.api_name for fn in page.fns.values() if fn.api_visibility != "public"}
        assert private
        assert not private & public_endpoints(page)


def test_a_password_keeps_strangers_out(tiny_bundle: Path) -> None:
    with serve_demo([tiny_bundle], password="one-time") as demo:
        assert ask(demo, "GET", "/config")[0] == 401
        assert ask(demo, "GET", f"/gradio_api/file={demo.pictures}/a.png")[0] == 401
        assert ask(demo, "POST", "/gradio_api/call/generate", b'{"data": []}')[0] == 401
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        assert ask(demo, "POST", "/login", b"username=guest&password=wrong", **form)[0] == 400
        assert ask(demo, "POST", "/login", b"username=guest&password=one-time", **form)[0] == 200
