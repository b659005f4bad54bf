"""Whatever is asked: no 5xx, no traceback that a stranger could fill the log with, and an answer that says what is wrong."""

import json
import socket
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from demo.bundle_store import BundleStore
from demo.model_card import read_card
from gansample.bundle.open import open_bundle
from tests.support.make_tiny_bundle import make_tiny_bundle
from tests.support.run_demo import Demo, serve_demo

REMOTE = """---
license: mit
---
# A card

![a picture](https://tracker.test/a.png) ![](//tracker.test/b.png "title") ![by reference][c]
<img src="https://tracker.test/d.png"> <IMG
 src='//tracker.test/e.png'/> <picture><source srcset="https://tracker.test/f.png"></picture>
<img alt=">" src=//tracker.test/g.png>
<video poster="https://tracker.test/h.png"></video> <svg><image href="https://tracker.test/i.png"/></svg>
<div style="background:url(https://tracker.test/j.png)">text</div> <style>@import "https://tracker.test/k.css"</style>

[c]: https://tracker.test/c.png
"""


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    bundle = make_tiny_bundle(tmp_path_factory.mktemp("odd") / "tiny")
    (bundle / "README.md").write_text(REMOTE)
    with serve_demo([bundle]) as demo:
        yield demo


@pytest.fixture(autouse=True)
def no_traceback(capfd: pytest.CaptureFixture[str]) -> Iterator[None]:
    yield
    output, errors = capfd.readouterr()
    assert "Traceback" not in output + errors


def ask(demo: Demo, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
    connection = HTTPConnection(demo.url.removeprefix("http://"), timeout=20)
    try:
        connection.request(method, path, body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def call(demo: Demo, name: str, *data: object) -> str:
    """The events that answer a call of the API."""
    status, answer = ask(demo, "POST", f"/gradio_api/call/{name}", json.dumps({"data": data}).encode())
    assert status == 200, answer
    return ask(demo, "GET", f"/gradio_api/call/{name}/{json.loads(answer)['event_id']}")[1].decode()


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(
    "path",
    [
        "/gradio_api/file=%00",
        "/gradio_api/file={pictures}/%00.png",
        "/gradio_api/file={pictures}/" + "a" * 300 + ".png",
        "/gradio_api/file={pictures}/loop.png",
        "/gradio_api/file={pictures}/" + "a/" * 5000 + "a.png",
        "/gradio_api/heartbeat/a%00",
        "/assets/%00",
        "/static/" + "a" * 300,
        "/svelte/%0a",
        "/gradio_api/call/generate/unknown",
        "/%ff%fe",
    ],
)
def test_odd_paths_are_not_there(demo: Demo, method: str, path: str) -> None:
    if not (loop := demo.pictures / "loop.png").is_symlink():
        loop.symlink_to(loop)
    assert ask(demo, method, path.format(pictures=demo.pictures))[0] in (404, 405, 200 if "call/" in path else 404)


@pytest.mark.parametrize(
    "body", [b"", b"{", b"\xff", b'{"data": [NaN]}', b'{"data": [1e999]}', b'{"data": ["\\ud800"]}', b"[" * 9000]
)
@pytest.mark.parametrize("route", ["call/generate", "call/v2/generate", "queue/join", "cancel", "reset"])
def test_what_is_not_json_is_refused(demo: Demo, route: str, body: bytes) -> None:
    assert ask(demo, "POST", f"/gradio_api/{route}", body) == (400, b"The request is not JSON")


@pytest.mark.parametrize(
    ("route", "body"),
    [
        ("queue/join", {"data": [], "fn_index": 99, "session_hash": "s"}),
        ("queue/join", {"data": [], "fn_index": -1, "session_hash": "s", "event_data": {"index": "x"}}),
        ("queue/join", {"data": [], "fn_index": 0}),
        ("call/v2/generate", {"data": ["tiny"]}),
        ("call/v2/generate", {"bundle": "tiny", "colour": 3}),
    ],
)
def test_what_a_request_names_in_vain_is_refused(demo: Demo, route: str, body: dict[str, object]) -> None:
    assert ask(demo, "POST", f"/gradio_api/{route}", json.dumps(body).encode())[0] == 400


@pytest.mark.parametrize(
    ("seed", "count", "words"),
    [
        (7.5, 1, "the seed is 7.5: type a whole number from 0 to 4294967295"),
        (-1, 1, "the seed is -1: type a whole number"),
        (2**32, 1, "the seed is 4294967296: type a whole number"),
        (None, 1, "there is no seed: type a whole number"),
        ("x", 1, "the seed is 'x': type"),
        (True, 1, "the seed is True: type"),
        ([1], 1, "the seed is [1]: type"),
        (1e300, 1, "the seed is 1e+300: type"),
        (7, 2.5, "2.5 pictures were asked for: ask for 1 to 64"),
    ],
)
def test_a_number_that_is_none_is_answered(demo: Demo, seed: object, count: object, words: str) -> None:
    assert words in call(demo, "generate", "tiny", "each in turn", seed, count, 0, "exact", 1)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("generate", ["nobody", "each in turn", 1, 1, 0, "exact", 1]),
        ("generate", [["tiny"], {}, 1, 1, "x", 3, "y"]),
        ("generate", []),
        ("generate", ["tiny", "each in turn", 1, 65, 0, "exact", 1]),
        ("surprise", ["tiny", "each in turn", 7.5, 0, 0, "exact", 1]),
        ("mix", ["tiny", {"path": "/etc/passwd", "meta": {"_type": "gradio.FileData"}}]),
        ("mix", ["tiny", "9" * 5000]),
        ("neighbours", ["tiny", 1, "near"]),
        ("film", ["tiny", 1, 2, "exe"]),
        ("scrub", ["tiny", None]),
        ("about", [3]),
    ],
)
def test_calls_with_odd_values_fail_in_one_line(demo: Demo, name: str, data: list[object]) -> None:
    assert "event: error" in call(demo, name, *data)


def test_a_websocket_is_refused(demo: Demo) -> None:
    host, port = demo.url.removeprefix("http://").split(":")
    head = (
        "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13"
    )
    for path in ("/", "/gradio_api/queue/join"):
        with socket.create_connection((host, int(port)), timeout=20) as connection:
            connection.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n{head}\r\n\r\n".encode())
            assert connection.recv(4096).split()[1] == b"403"


def test_a_card_loads_nothing(tmp_path: Path) -> None:
    bundle = make_tiny_bundle(tmp_path / "tiny")
    (bundle / "README.md").write_text(REMOTE)
    card = read_card(open_bundle(bundle), "tiny")
    assert "license: mit" not in card
    assert "[a picture](https://tracker.test/a.png) [picture](//tracker.test/b.png" in card
    assert "![" not in card
    assert not any(tag in card.lower() for tag in ("<img", "<source", "<video", "<svg", "<style"))
    (bundle / "README.md").unlink()
    assert read_card(open_bundle(bundle), "tiny") == "# tiny"


@pytest.mark.parametrize("heading", ["In this folder:\n\n", ""], ids=["today's", "0.1.0's"])
def test_a_cards_commands_are_for_where_the_visitor_types(heading: str, tmp_path: Path) -> None:
    bundle = make_tiny_bundle(tmp_path / "tiny")
    files = "`report.html` shows the pictures side by side. `bundle.json` holds the digests.\n"
    commands = "    gansample --bundle . --n 64 out.png\n    gan verify .\n"
    (bundle / "README.md").write_text(f"# tiny\n\n{heading}{commands}\n{files}", encoding="utf-8")
    card = read_card(open_bundle(bundle), "tiny")
    assert card.strip() == "# tiny\n\n    gansample --bundle tiny --n 64 out.png\n    gan verify tiny"


def test_a_bundle_goes_by_its_name_only_where_that_finds_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for folder in ("artifacts/one", "elsewhere/two"):
        make_tiny_bundle(tmp_path / folder)
    store = BundleStore([open_bundle("one"), open_bundle(tmp_path / "elsewhere" / "two")])
    assert [store.argument(name) for name in store.names] == ["one", "path/to/two"], "no folder of this machine"


@pytest.mark.browser
def test_nobody_else_hears_of_a_visitor_who_reads_a_card(browser: Any, demo: Demo) -> None:
    page = browser.new_page()
    foreign: list[tuple[str, str]] = []
    page.on("requestfailed", lambda request: foreign.append((request.url, request.failure)))
    page.on("requestfinished", lambda request: request.url.startswith(demo.url) or foreign.append((request.url, "sent")))
    page.goto(demo.url)
    page.get_by_role("tab", name="About").click()
    page.get_by_text("A card", exact=True).wait_for()
    page.evaluate("document.body.append(Object.assign(new Image(), {src: 'https://tracker.test/z.png'}))")  # the policy's part
    page.wait_for_timeout(300)
    page.close()
    assert {url.rpartition("/")[2]: why for url, why in foreign if "tracker.test" in url} == {"j.png": "csp", "z.png": "csp"}
