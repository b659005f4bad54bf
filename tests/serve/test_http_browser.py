"""Pages of other origins, and a path prefix: closed until the owner opens them."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from gansample.bundle.open import open_bundle
from gansample.errors import UsageError
from gansample.http.app import create_app
from gansample.http.browser import check_origin, check_root_path
from gansample.http.models import Models
from gansample.http.settings import Settings
from tests.support.run_service import running_service

PAGE = "http://localhost:3000"
PREFLIGHT = {
    "Origin": PAGE,
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "authorization,content-type",
}


def ask(bundle: Path, method: str, path: str, headers: dict[str, str] | None = None, **settings: object) -> httpx.Response:
    """One request to the whole service."""

    async def scenario() -> httpx.Response:
        chosen = Settings(**settings)  # type: ignore[arg-type]
        app = create_app(Models({"tiny": open_bundle(bundle)}, chosen), chosen)
        transport = httpx.ASGITransport(app)
        async with app.router.lifespan_context(app), httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.request(method, path, headers=headers)

    return asyncio.run(scenario())


def cors(answer: httpx.Response) -> dict[str, str]:
    return {name: value for name, value in answer.headers.items() if name.startswith("access-control-")}


def test_closed_by_default(tiny_bundle: Path) -> None:
    assert ask(tiny_bundle, "OPTIONS", "/v1/images/generations", PREFLIGHT).status_code == 405
    assert cors(ask(tiny_bundle, "GET", "/v1/images/1.png", {"Origin": PAGE})) == {}


def test_an_allowed_page_asks_beforehand_without_a_token(tiny_bundle: Path) -> None:
    answer = ask(tiny_bundle, "OPTIONS", "/v1/images/generations", PREFLIGHT, allow_origins=(PAGE,), token="secret")
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, PAGE)
    assert "POST" in answer.headers["access-control-allow-methods"]
    assert {"authorization", "content-type"} <= set(answer.headers["access-control-allow-headers"].lower().split(", "))
    assert "access-control-allow-credentials" not in answer.headers


def test_an_allowed_page_reads_pictures_and_refusals(tiny_bundle: Path) -> None:
    drawn = ask(tiny_bundle, "GET", "/v1/images/1.png", {"Origin": PAGE}, allow_origins=("https://example.org", PAGE))
    assert (drawn.status_code, drawn.headers["access-control-allow-origin"]) == (200, PAGE)
    assert {"ETag", "X-Request-Id"} <= set(drawn.headers["access-control-expose-headers"].split(", "))
    assert {"accept", "origin"} <= {each.strip().lower() for each in drawn.headers["vary"].split(",")}
    refused = ask(tiny_bundle, "GET", "/v1/images/1.png", {"Origin": PAGE}, allow_origins=(PAGE,), token="secret")
    assert (refused.status_code, refused.headers["access-control-allow-origin"]) == (401, PAGE)


def test_another_page_is_not_let_in(tiny_bundle: Path) -> None:
    other = PREFLIGHT | {"Origin": "https://other.example"}
    assert ask(tiny_bundle, "OPTIONS", "/v1/images/generations", other, allow_origins=(PAGE,)).status_code == 400
    answer = ask(tiny_bundle, "GET", "/v1/images/1.png", {"Origin": "https://other.example"}, allow_origins=(PAGE,))
    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize("prefix", ["", "/gan"], ids=["taken-away", "kept"])
def test_under_a_path_prefix(prefix: str, tiny_bundle: Path) -> None:
    """Proxies either take the prefix away or leave it."""
    docs = ask(tiny_bundle, "GET", f"{prefix}/docs", root_path="/gan")
    assert "/gan/openapi.json" in docs.text
    schema = ask(tiny_bundle, "GET", f"{prefix}/openapi.json", root_path="/gan").json()
    assert schema["servers"] == [{"url": "/gan"}]
    assert ask(tiny_bundle, "GET", f"{prefix}/v1/images/1.png", root_path="/gan").status_code == 200
    assert ask(tiny_bundle, "GET", f"{prefix}/livez", root_path="/gan", token="secret").status_code == 200
    assert ask(tiny_bundle, "GET", f"{prefix}/v1/models", root_path="/gan", token="secret").status_code == 401


@pytest.fixture(scope="module")
def client(tiny_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    options = ("--allow-origin", PAGE, "--allow-origin", "HTTPS://Example.org:443/", "--root-path", "/gan/")
    with (
        running_service(tmp_path_factory.mktemp("serve"), tiny_bundle, *options) as service,
        httpx.Client(base_url=service.url) as client,
    ):
        yield client


@pytest.mark.parametrize("origin", [PAGE, "https://example.org"])
def test_the_options_reach_the_service(client: httpx.Client, origin: str) -> None:
    answer = client.get("/gan/v1/images/1.png", headers={"Origin": origin})
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, origin)


@pytest.mark.parametrize(
    "options",
    [
        ("--allow-origin", "example.org"),
        ("--allow-origin", "https://example.org/page"),
        ("--allow-origin", "ftp://example.org"),
        ("--allow-origin", "http://[::1"),
        ("--root-path", "gan"),
        ("--root-path", "/a b"),
        ("--root-path", "//evil.example"),
    ],
)
def test_what_is_no_origin_and_no_path_is_refused(options: tuple[str, str]) -> None:
    check = {"--allow-origin": check_origin, "--root-path": check_root_path}[options[0]]
    with pytest.raises(UsageError, match=options[0]):
        check(options[1])


def test_origins_are_written_as_browsers_send_them() -> None:
    assert check_origin("HTTP://LocalHost:3000/") == PAGE
    assert check_origin("http://[::1]:80") == "http://[::1]"
    assert (check_origin("*"), check_root_path("/"), check_root_path("/a/b/")) == ("*", "", "/a/b")
