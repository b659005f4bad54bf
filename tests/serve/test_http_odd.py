"""Odd numbers, shapes and texts, wherever a request has room for them: 4xx in the envelope, never a 500."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from gansample.bundle.open import open_bundle
from gansample.http.app import create_app
from gansample.http.guard import Guard
from gansample.http.metrics import Metrics
from gansample.http.models import Models
from gansample.http.settings import Settings
from tests.support.run_service import code_of

LONG = "9" * 5_000  # Python reads 4,300 digits
HALF = "\ud800"  # of a surrogate pair: JSON can hold it, UTF-8 cannot
TYPE = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def app(tiny_classes_bundle: Path) -> Iterator[FastAPI]:
    settings = Settings()
    models = Models({"pets": open_bundle(tiny_classes_bundle)}, settings)
    yield create_app(models, settings)
    models.close()


def answer(app: FastAPI, call: Callable[[httpx.AsyncClient], Awaitable[httpx.Response]]) -> httpx.Response:
    async def scenario() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
            return await call(client)

    return asyncio.run(scenario())


def tensor(name: object, kind: object, shape: object, data: object) -> dict[str, object]:
    return {"name": name, "datatype": kind, "shape": shape, "data": data}


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (f"/v1/images/{LONG}.png", 422),
        (f"/v1/images?seeds={LONG}", 422),
        (f"/v1/images?seeds=1-{LONG}", 422),
        (f"/v1/images/1.png?class={LONG}", 422),
        (f"/v1/images/1.png?truncation={LONG}", 422),
        (f"/v1/images?grid={LONG}x1", 422),
        (f"/v1/images/1.png?model={LONG}", 404),
        (f"/v1/models/{LONG}", 404),
        ("/v1/images/1.png?class=%ed%a0%80", 422),
        ("/v1/models/%ed%a0%80", 404),
        ("/%00%ff", 404),
    ],
    ids=lambda value: str(value)[:24],
)
def test_addresses(app: FastAPI, path: str, status: int) -> None:
    refused = answer(app, lambda client: client.get(path))
    assert (refused.status_code, len(refused.text) < 1_000) == (status, True), refused.text
    code_of(refused)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (f'{{"n": {LONG}}}', 400),
        (f'{{"truncation": {LONG}}}', 400),
        (f'{{"seed": "{LONG}"}}', 422),
        (f'{{"seeds": "{LONG}"}}', 422),
        (f'{{"class": "{LONG}"}}', 422),
        (f'{{"class": {LONG[:4_000]}}}', 422),
        (f'{{"seed": 1, "n": {LONG[:4_000]}}}', 422),
        (json.dumps({"size": HALF}), 422),
        (json.dumps({"class": HALF}), 422),
        (json.dumps({"model": HALF}), 404),
        (json.dumps({HALF: 1}), 422),
        ('{"n": true}', 422),
        ('{"class": false}', 422),
    ],
    ids=lambda value: str(value)[:24],
)
def test_bodies(app: FastAPI, body: str | bytes, status: int) -> None:
    refused = answer(app, lambda client: client.post("/v1/images/generations", content=body, headers=TYPE))
    assert (refused.status_code, len(refused.text) < 1_000) == (status, True), refused.text
    assert "parsing the body" not in refused.text
    code_of(refused)


@pytest.mark.parametrize(
    ("inputs", "status"),
    [
        ([tensor("seed", [], [1, 1], [1])], 422),
        ([tensor("seed", {}, [1, 1], [1])], 422),
        ([tensor("seed", HALF, [1, 1], [1])], 422),
        ([tensor(HALF, "INT64", [1, 1], [1])], 422),
        ([tensor(HALF, "INT64", [1, 2], [1])], 422),
        ([tensor("seed", "INT64", [2**32, 2**32, 2], [1])], 422),
        ([tensor("seed", "INT64", [2**32, 2**32, 1, 1], [])], 422),
        ([tensor("seed", "INT64", [10**4_000, 1], [1])], 422),
        ([tensor("seed", "INT64", [1, 1], [2**63])], 422),
        ([tensor("seed", "INT64", [1, 1], [True])], 422),
        ([tensor("z", "FP32", [1, 6], ["1"] * 6), tensor("label", "INT64", [1, 1], [0])], 422),
        ([tensor("z", "FP32", [1, 6], [1e39] * 6), tensor("label", "INT64", [1, 1], [0])], 422),
        ([tensor("z", "FP32", [1, 6], [10**400] * 6), tensor("label", "INT64", [1, 1], [0])], 422),
        ([tensor("seed", "INT64", [1, 1], [1]), tensor("seed", "INT64", [1, 1], [2])], 422),
    ],
)
def test_tensors(app: FastAPI, inputs: list[object], status: int) -> None:
    body = json.dumps({"inputs": inputs})
    refused = answer(app, lambda client: client.post("/v2/models/pets/infer", content=body, headers=TYPE))
    assert (refused.status_code, len(refused.text) < 1_000) == (status, True), refused.text
    code_of(refused)


def test_a_shape_whose_product_wraps_to_the_number_of_values(app: FastAPI) -> None:
    """2⁶⁴ is 0 in 64 bits, and there are no values."""
    head = json.dumps(
        {"inputs": [{"name": "seed", "datatype": "INT64", "shape": [2**32, 2**32], "parameters": {"binary_data_size": 0}}]}
    )
    headers = {"Inference-Header-Content-Length": str(len(head)), "Content-Type": "application/octet-stream"}
    refused = answer(app, lambda client: client.post("/v2/models/pets/infer", content=head.encode(), headers=headers))
    assert refused.status_code == 422, refused.text


@pytest.mark.parametrize("length", [LONG, "0" * 5_000 + "2", "²", "+2"])
def test_a_header_length(app: FastAPI, length: str) -> None:
    headers = {b"Inference-Header-Content-Length": length.encode(), b"Content-Type": b"application/json"}
    refused = answer(app, lambda client: client.post("/v2/models/pets/infer", content=b"{}", headers=headers))
    assert (refused.status_code, len(refused.text) < 1_000) == (400, True), refused.text


def test_a_content_length_that_no_parser_checked(app: FastAPI) -> None:
    headers = {**TYPE, "Content-Length": LONG}
    refused = answer(app, lambda client: client.post("/v1/images/generations", content=b"{}", headers=headers))
    assert (refused.status_code, code_of(refused)) == (413, "too_large")


def test_an_id_comes_back_as_it_was_sent(app: FastAPI) -> None:
    body = json.dumps({"id": HALF, "inputs": [tensor("seed", "INT64", [1, 1], [1])]})
    given = answer(app, lambda client: client.post("/v2/models/pets/infer", content=body, headers=TYPE))
    assert (given.status_code, json.loads(given.content)["id"]) == (200, HALF)


@pytest.mark.parametrize("given", ["Bearer open sesame", "bearer open sesame", "BEARER  open sesame "])
def test_the_scheme_of_a_token_has_no_case(given: str) -> None:
    """RFC 9110, 11.1."""
    inner = FastAPI()
    guarded = Guard(inner, Settings(token="open sesame"), Metrics())  # type: ignore[arg-type]

    async def scenario() -> int:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(guarded), base_url="http://test") as client:
            return (await client.get("/openapi.json", headers={"Authorization": given})).status_code

    assert asyncio.run(scenario()) == 200


def test_a_websocket_is_refused_before_the_application_sees_it() -> None:
    sent: list[Any] = []

    async def application(*_: object) -> None:
        raise AssertionError("it was asked")

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    asyncio.run(Guard(application, Settings(), Metrics())({"type": "websocket"}, receive, send))
    assert sent == [{"type": "websocket.close", "code": 1008}]
