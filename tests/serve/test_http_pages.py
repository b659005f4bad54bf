"""The pages at / and /docs draw in a browser that reaches nobody but the service, with and without a token."""

import asyncio
import io
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from gansample.bundle.open import open_bundle
from gansample.http.app import create_app
from gansample.http.models import Models
from gansample.http.routes.pages import FOLDER, NAMES
from gansample.http.settings import Settings
from tests.support.repository import ROOT
from tests.support.run_service import Service, running_service


def fetch(bundle: Path, paths: list[str], **settings: Any) -> list[httpx.Response]:
    async def scenario() -> list[httpx.Response]:
        chosen = Settings(**settings)
        models = Models({"tiny": open_bundle(bundle)}, chosen)
        transport = httpx.ASGITransport(create_app(models, chosen))
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            answers = [await client.get(path) for path in paths]
        models.close()
        return answers

    return asyncio.run(scenario())


def test_everything_that_a_page_loads_is_here(tiny_bundle: Path) -> None:
    parts = [f"/pages/{path.name}" for path in FOLDER.iterdir() if path.name not in (*NAMES.values(), "frame.html")]
    answers = fetch(tiny_bundle, [*NAMES, *parts])
    for answer in answers:
        assert answer.status_code == 200
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        if answer.headers["content-type"].startswith(("text/html", "text/javascript", "text/css")):
            assert not re.search(r"""://|["'(]//""", answer.text), "no other host"
            for name in re.findall(r'(?:href|src|from)[= ]"(?:\./)?([^"#]+\.(?:js|css|ico))"', answer.text):
                assert (FOLDER / Path(name).name).is_file()
    with Image.open(io.BytesIO(answers[list(NAMES).index("/favicon.ico")].content)) as icon:
        assert icon.size == (32, 32)


def test_they_are_in_the_wheel() -> None:
    data = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]["package-data"]
    assert "http/pages/*" in data["gansample"]
    assert not [path for path in FOLDER.iterdir() if path.is_dir()], "which the pattern would leave out"


@pytest.mark.parametrize("root_path", ["", "/gan"])
def test_pages_need_no_token_and_show_nothing_without_it(root_path: str, tiny_bundle: Path) -> None:
    pages = [f"{root_path}{path}" for path in (*NAMES, "/pages/page.css")]
    guarded = [f"{root_path}{path}" for path in ("/v1/models", "/openapi.json", "/v1/images/1.png", "/pagesx", "/pages")]
    answers = fetch(tiny_bundle, pages + guarded, token="sesame", root_path=root_path)
    assert [answer.status_code for answer in answers] == [200] * len(pages) + [401] * len(guarded)
    assert not any(b"tiny" in answer.content for answer in answers)


def test_every_address_has_the_prefix(tiny_bundle: Path) -> None:
    index, docs, redirect = fetch(tiny_bundle, ["/gan/", "/docs", "/gan"], token="sesame", root_path="/gan")
    for page in (index, docs):
        addresses = re.findall(r"""(?:href|src)=["']([^"']+)["']""", page.text)
        assert len(addresses) > 5
        assert [address for address in addresses if not address.startswith("/gan/")] == []
    assert redirect.headers["location"].endswith("/gan/")


@pytest.mark.parametrize("name", ["nothing", "..", "%2e%2e%2fapp.py", "__init__.py", "docs.html"])
def test_no_other_file_is_a_page(name: str, tiny_bundle: Path) -> None:
    (answer,) = fetch(tiny_bundle, [f"/pages/{name}"])
    assert answer.status_code in (404, 405) or "<!doctype" in answer.text


@pytest.fixture(scope="module", params=[False, True], ids=["open", "token"])
def service(
    request: pytest.FixtureRequest, tiny_bundle: Path, tiny_classes_bundle: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("pages")
    (folder / "token").write_text("sesame")
    options = ("--token-file", folder / "token") if request.param else ()
    with running_service(folder, tiny_classes_bundle, tiny_bundle, *options) as running:
        yield running


@pytest.fixture
def page(browser: Any, service: Service) -> Iterator[Any]:
    """A tab that may reach the service alone; what its console says is an error."""
    page = browser.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text) if "status of 4" not in message.text else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    page.route("**/*", lambda route: route.continue_() if route.request.url.startswith(service.url) else route.abort())
    page.on("requestfailed", lambda request: said.append(request.url))
    yield page
    page.close()
    assert said == []


def unlock(page: Any, service: Service, button: str) -> None:
    if "token" in (service.process.args[-3] if isinstance(service.process.args, list) else ""):
        page.wait_for_selector("#token-field:not([hidden])")
        assert page.inner_text("#problem") == "This service asks for a token."
        page.fill("#token", "sesame")
        page.click(button)


@pytest.mark.browser
def test_the_first_page_draws(page: Any, service: Service) -> None:
    page.goto(f"{service.url}/")
    unlock(page, service, "#draw")
    page.wait_for_selector("#picture:not([hidden])")
    assert page.evaluate("document.getElementById('picture').naturalWidth") == 6 * 10 + 2, "columns of one class"
    assert page.inner_text("#facts") == "Colour, 8×8 pixels, 3 classes, latents of 6 numbers."
    page.fill("#seeds", "7")
    page.select_option("#class", label="bee")
    page.locator("#command", has_text="seeds=7&model=pets&class=1").wait_for()
    page.fill("#seeds", "9" * 5_000)
    page.click("#draw")
    page.wait_for_selector("#problem:not(:empty)")
    assert "has 5,000 digits" in page.inner_text("#problem")
    assert page.is_hidden("#picture"), "no picture of another request"
    page.fill("#seeds", "0-3")
    page.select_option("#model", "tiny")
    page.wait_for_selector("#picture:not([hidden])")
    assert page.is_hidden("#class"), "it has none"


@pytest.mark.browser
def test_the_documentation_sends_every_request(page: Any, service: Service) -> None:
    page.goto(f"{service.url}/docs")
    unlock(page, service, "#token-field button")
    page.wait_for_selector("details")
    requests = page.query_selector_all("details")
    assert len(requests) >= 12
    for request in requests:
        if request.get_attribute("open") is None:
            request.query_selector("summary").click()
        request.query_selector("button").click()
        request.wait_for_selector("img:not([hidden]), pre:not([hidden])")
        assert request.query_selector(".problem").inner_text() == ""
    first = requests[0]
    first.query_selector("input").fill("42.gif")
    first.query_selector("button").click()
    first.wait_for_selector(".problem:not(:empty)")
    assert "request 42.png" in first.query_selector(".problem").inner_text()
