"""The HTTP service returns the pictures of the command line, and errors in one envelope."""

import asyncio
import base64
import io
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image

from gansample import open_sampler
from gansample.bundle.open import open_bundle
from gansample.http.app import create_app
from gansample.http.models import Models
from gansample.http.settings import Settings
from gansample.outputs.metadata import read_metadata
from gansample.sampling.options import EngineOptions
from gansample.types import Images
from tests.support.processes import Command
from tests.support.run_service import ENGINES, Service, code_of, running_service


@pytest.fixture(scope="module", params=ENGINES)
def service(
    request: pytest.FixtureRequest, tiny_bundle: Path, tiny_classes_bundle: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    with running_service(tmp_path_factory.mktemp("serve"), tiny_classes_bundle, tiny_bundle, *request.param) as running:
        yield running


@pytest.fixture(scope="module")
def client(service: Service) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=service.url, timeout=30) as client:
        yield client


@pytest.fixture(scope="module")
def pictures(tiny_classes_bundle: Path) -> Images:
    with open_sampler(tiny_classes_bundle) as sampler:
        return sampler.sample(range(64))


def decoded(data: bytes) -> Images:
    with Image.open(io.BytesIO(data)) as image:
        return np.array(image)


def test_a_picture_is_that_of_the_command_line(
    client: httpx.Client, gansample: Command, tiny_classes_bundle: Path, tmp_path: Path
) -> None:
    answer = client.get("/v1/images/42.png")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png")
    assert gansample("--seeds", 42, "--bundle", tiny_classes_bundle, "d").returncode == 0
    assert answer.content == (tmp_path / "d/seed0000042.png").read_bytes(), "to the byte"


def test_head_has_the_headers_of_get(client: httpx.Client) -> None:
    head, get = client.head("/v1/images/42.png"), client.get("/v1/images/42.png")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["etag"] == get.headers["etag"]
    assert head.headers["content-length"] == str(len(get.content))
    assert client.head("/v1/images/generations").status_code == client.get("/v1/images/generations").status_code


def test_webp_is_lossless_too(client: httpx.Client, pictures: Images) -> None:
    answer = client.get("/v1/images/7.webp")
    assert np.array_equal(decoded(answer.content), pictures[7])
    assert read_metadata(answer.content)["seeds"] == "7"


def test_a_cached_picture_is_not_sent_again(client: httpx.Client) -> None:
    first = client.get("/v1/images/42.png")
    assert "max-age" in first.headers["cache-control"]
    again = client.get("/v1/images/42.png", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", first.headers["etag"])
    others = (
        "/v1/images/43.png",
        "/v1/images/42.webp",
        "/v1/images/42.png?class=ant",
        "/v1/images/42.png?truncation=1",
        "/v1/images/42.png?model=tiny",
    )
    assert len({client.get(url).headers["etag"] for url in others} | {first.headers["etag"]}) == len(others) + 1


def test_a_grid_is_that_of_the_command_line(
    client: httpx.Client, gansample: Command, tiny_classes_bundle: Path, tmp_path: Path
) -> None:
    answer = client.get("/v1/images", params={"seeds": "0-7,40", "class": "bee", "truncation": 1.5, "grid": "3x3"})
    options = ["--seeds", "0-7,40", "--class", "bee", "--truncation", "1.5", "--grid", "3x3", "--upscale", "1"]
    assert gansample(*options, "--bundle", tiny_classes_bundle, "grid.png").returncode == 0
    assert answer.content == (tmp_path / "grid.png").read_bytes()
    for seeds in ("0-11", "5"):  # every column holds one class; one picture alone has no frame
        answer = client.get("/v1/images", params={"seeds": seeds})
        options = ["--seeds", seeds, "--upscale", "1", "--bundle", tiny_classes_bundle, "--force"]
        assert gansample(*options, "grid.png").returncode == 0
        assert answer.content == (tmp_path / "grid.png").read_bytes()
    webp = client.get("/v1/images?seeds=0-3", headers={"Accept": "image/webp"})
    assert webp.headers["content-type"] == "image/webp"


def test_generations_have_openais_shape(client: httpx.Client, pictures: Images) -> None:
    answer = client.post("/v1/images/generations", json={"n": 3, "seed": 5, "class": None}).json()
    assert [entry["seed"] for entry in answer["data"]] == [5, 6, 7]
    assert [entry["class"] for entry in answer["data"]] == ["cat", "ant", "bee"]
    drawn = [decoded(base64.b64decode(entry["b64_json"])) for entry in answer["data"]]
    assert np.array_equal(drawn, pictures[5:8])
    assert answer["model"] == "pets"


def test_without_a_seed_every_response_has_another_one(client: httpx.Client) -> None:
    seeds = {client.post("/v1/images/generations", json={}).json()["data"][0]["seed"] for _ in range(4)}
    assert len(seeds) == 4


def test_generations_as_an_archive_and_as_pictures(client: httpx.Client, pictures: Images) -> None:
    answer = client.post("/v1/images/generations", json={"seeds": [3, 1], "format": "npz"})
    with np.load(io.BytesIO(answer.content)) as arrays:
        assert np.array_equal(arrays["images"], pictures[[3, 1]])
        assert arrays["seeds"].tolist() == [3, 1]
        assert arrays["labels"].tolist() == [0, 1]
    one = client.post("/v1/images/generations", json={"seed": 3}, headers={"Accept": "image/png"})
    assert np.array_equal(decoded(one.content), pictures[3])
    grid = client.post("/v1/images/generations", json={"seeds": "0-3"}, headers={"Accept": "image/webp"})
    assert decoded(grid.content).shape == (22, 32, 3), "a column for each class"


def test_the_official_openai_client(service: Service, pictures: Images) -> None:
    openai = pytest.importorskip("openai")
    with openai.OpenAI(base_url=f"{service.url}/v1", api_key="none", max_retries=0) as client:
        answer = client.images.generate(model="pets", prompt="", n=2, response_format="b64_json", extra_body={"seed": 9})
        assert np.array_equal([decoded(base64.b64decode(entry.b64_json)) for entry in answer.data], pictures[9:11])
        assert [model.id for model in client.models.list()] == ["pets", "tiny"]
        with pytest.raises(openai.NotFoundError, match="choose pets, tiny"):
            client.images.generate(model="dall-e-3", prompt="a cat")
        with pytest.raises(openai.UnprocessableEntityError):
            client.images.generate(model="pets", prompt="", size="1024x1024")


def test_models_say_what_runs_and_why(client: httpx.Client) -> None:
    about = client.get("/v1/models/pets").json()
    assert (about["classes"], about["image"]["height"]) == (["ant", "bee", "cat"], 8)
    assert about["engine"] == {
        "backend": "onnxruntime-cpu",
        "variant": "onnx-fp32",
        "why": "the bundle's only exact variant that runs here",
    }


def test_the_reason_for_an_engine_changes_neither_bytes_nor_etag(tiny_bundle: Path) -> None:
    """The engine is the same whether it was chosen or named."""

    async def fetched(backend: str) -> tuple[str, list[tuple[str, bytes]]]:
        settings = Settings(engine=EngineOptions(backend=backend))
        models = Models({"tiny": open_bundle(tiny_bundle)}, settings)
        transport = httpx.ASGITransport(create_app(models, settings))
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            why = (await client.get("/v1/models/tiny")).json()["engine"]["why"]
            paths = ("/v1/images/7.png", "/v1/images/7.webp", "/v1/images?seeds=0-3")
            answers = [await client.get(path) for path in paths]
        models.close()
        return why, [(answer.headers["etag"], answer.content) for answer in answers]

    chosen, named = asyncio.run(fetched("auto")), asyncio.run(fetched("onnxruntime"))
    assert chosen[0] != named[0]
    assert chosen[1] == named[1]


def test_health_and_metrics(client: httpx.Client) -> None:
    assert client.get("/livez").json() == {"status": "alive"}
    assert client.get("/readyz").json() == {"status": "ready"}
    client.get("/v1/images/1.png")
    text = client.get("/metrics").text
    assert 'gansample_requests_total{route="/v1/images/{name}",status="200"}' in text
    assert "gansample_ready 1.0" in text
    assert 'gansample_drawn_pictures{model="pets"}' in text


ERRORS = [
    # method, path, body, status, code, param
    ("GET", "/nowhere", None, 404, "not_found", None),
    ("DELETE", "/v1/images/42.png", None, 405, "method_not_allowed", None),
    ("GET", "/v1/images/42.gif", None, 404, "not_found", "seed"),
    ("GET", "/v1/images/-1.png", None, 404, "not_found", "seed"),
    ("GET", "/v1/images/4294967296.png", None, 422, "invalid", "seeds"),
    ("GET", "/v1/images/1.png?model=nobody", None, 404, "not_found", "model"),
    ("GET", "/v1/images/1.png?class=dog", None, 422, "invalid", "class"),
    ("GET", "/v1/images/1.png?model=tiny&class=ant", None, 422, "invalid", "class"),
    ("GET", "/v1/images/1.png?truncation=0", None, 422, "invalid", "truncation"),
    ("GET", "/v1/images/1.png?truncation=1e-300", None, 422, "invalid", "truncation"),
    ("GET", "/v1/images/1.png?truncation=nan", None, 422, "invalid", "truncation"),
    ("GET", "/v1/images?seeds=3-1", None, 422, "invalid", "seeds"),
    ("GET", "/v1/images?seeds=0-4294967295", None, 413, "too_large", "n"),
    ("GET", "/v1/images?seeds=0-8&grid=2x2", None, 422, "invalid", None),
    ("GET", "/v1/images/1.png?format=webp", None, 422, "invalid", "format"),
    ("GET", "/v1/images/1.png?class=ant&class=bee", None, 422, "invalid", "class"),
    ("GET", "/v1/images?sed=3", None, 422, "invalid", "sed"),
    ("GET", "/v1/models?name=pets", None, 422, "invalid", "name"),
    ("GET", "/v1/models/pets?full=1", None, 422, "invalid", "full"),
    ("POST", "/v1/images/generations?n=4", {"n": 1}, 422, "invalid", "n"),
    ("GET", "/v2/models/pets?version=1", None, 422, "invalid", "version"),
    ("POST", "/v1/images/generations", {"n": 0}, 422, "invalid", "n"),
    ("POST", "/v1/images/generations", {"n": 10_000}, 413, "too_large", "n"),
    ("POST", "/v1/images/generations", {"n": 10**40}, 422, "invalid", "n"),
    ("POST", "/v1/images/generations", {"seed": 4294967295, "n": 2}, 422, "invalid", "n"),
    ("POST", "/v1/images/generations", {"seeds": []}, 422, "invalid", "seeds"),
    ("POST", "/v1/images/generations", {"seeds": [1], "n": 3}, 422, "invalid", "seeds"),
    ("POST", "/v1/images/generations", {"seeds": [-1]}, 422, "invalid", "seeds"),
    ("POST", "/v1/images/generations", {"size": "512x512"}, 422, "invalid", "size"),
    ("POST", "/v1/images/generations", {"response_format": "url"}, 422, "invalid", "response_format"),
    ("POST", "/v1/images/generations", {"sed": 1}, 422, "invalid", "sed"),
    ("POST", "/v1/images/generations", [], 422, "invalid", None),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path", "body", "status", "code", "param"), ERRORS)
def test_errors(client: httpx.Client, method: str, path: str, body: object, status: int, code: str, param: str | None) -> None:
    answer = client.request(method, path, **({} if body is None else {"json": body}))  # type: ignore[arg-type]
    assert (answer.status_code, code_of(answer)) == (status, code), answer.text
    assert answer.json()["error"]["param"] == param


@pytest.mark.parametrize(
    ("path", "body", "words"),
    [
        ("/v1/images/1.png?clas=ant", None, "there is no parameter 'clas' here: did you mean class?"),
        ("/v1/images?n=16", None, "/v1/images?seeds=0-15 is sixteen pictures"),
        ("/v1/images/1.png?format=webp", None, "as in /v1/images/42.webp"),
        ("/v1/images/generations?n=4", {}, "stands in the JSON body"),
        ("/v1/images?format=webp", None, "Accept: image/webp"),
        ("/v1/models?page=2", None, "leave it out, this address takes none"),
        ("/v1/images/generations", {"clas": "ant"}, "there is no field 'clas': did you mean class?"),
        ("/v1/images/1.png?model=pet", None, "there is no model 'pet': did you mean pets?"),
    ],
)
def test_what_nobody_reads_is_refused_with_the_name_that_was_meant(client: httpx.Client, path: str, body, words: str) -> None:
    answer = client.get(path) if body is None else client.post(path, json=body)
    assert words in answer.json()["error"]["message"]


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/metrics", "/", "/docs", "/v2/health/ready"])
def test_probes_and_pages_take_any_query(client: httpx.Client, path: str) -> None:
    assert client.get(f"{path}?seen=1").status_code == 200


@pytest.mark.parametrize("query", ["model=tiny&class=ant", "seeds=0-8&grid=2x2", "seeds=3-1"])
def test_messages_name_parameters_and_not_command_line_options(client: httpx.Client, query: str) -> None:
    message = client.get(f"/v1/images?{query}").json()["error"]["message"]
    assert "--" not in message
    assert query.rpartition("&")[2].partition("=")[0] in message


def test_a_sheet_that_webp_cannot_hold_is_refused(tiny_bundle: Path, tmp_path: Path) -> None:
    """2,000 pictures of 8 pixels in a row; undrawn, so the same with any engine."""
    with (
        running_service(tmp_path, tiny_bundle, "--max-pictures", "2000") as service,
        httpx.Client(base_url=service.url) as client,
    ):
        query = {"seeds": "0-1999", "grid": "2000x1"}
        refused = client.get("/v1/images", params=query, headers={"Accept": "image/webp"})
        assert (refused.status_code, refused.json()["error"]["param"]) == (400, "grid")
        assert "holds 16,383 a side: write a .png" in refused.json()["error"]["message"]
        assert client.get("/v1/images", params=query, headers={"Accept": "image/png"}, timeout=60).status_code == 200


def test_an_accept_header_that_nothing_satisfies(client: httpx.Client) -> None:
    answer = client.get("/v1/images?seeds=1", headers={"Accept": "image/avif"})
    assert (answer.status_code, code_of(answer)) == (406, "not_acceptable")


def test_a_request_keeps_its_own_id(client: httpx.Client, service: Service) -> None:
    assert client.get("/v1/models", headers={"X-Request-ID": "mine-1"}).headers["x-request-id"] == "mine-1"
    assert service.said('"id": "mine-1"')
    evil = client.get("/v1/models", headers={"X-Request-ID": 'x", "forged": "1'})
    assert "forged" not in evil.headers["x-request-id"]
