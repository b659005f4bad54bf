"""What every request passes before it is routed, without an engine behind it."""

import asyncio
import time

import httpx
import pytest
from fastapi import FastAPI, Request, Response
from hypothesis import given, settings
from hypothesis import strategies as st

from gansample.http.guard import CHUNK, MAX_DEPTH, Guard, json_depth
from gansample.http.metrics import Metrics
from gansample.http.settings import Settings

LARGE = 16 << 20  # bytes


def client_of(app: FastAPI, metrics: Metrics, **limits: int) -> httpx.AsyncClient:
    guarded = Guard(app, Settings(**limits), metrics)  # type: ignore[arg-type]
    return httpx.AsyncClient(transport=httpx.ASGITransport(guarded), base_url="http://test")


def test_head_counts_under_its_route_with_its_pictures(capsys: pytest.CaptureFixture[str]) -> None:
    app, metrics = FastAPI(), Metrics()

    @app.get("/v1/images/{name}")
    async def picture(name: str, request: Request) -> Response:
        request.scope["pictures"] = 3
        return Response(b"picture")

    async def scenario() -> None:
        async with client_of(app, metrics) as client:
            assert (await client.head("/v1/images/1.png")).status_code == 200

    asyncio.run(scenario())
    value = metrics.registry.get_sample_value
    route = "/v1/images/{name}"
    assert value("gansample_requests_total", {"route": route, "status": "200"}) == 1
    assert value("gansample_request_seconds_count", {"route": route}) == 1
    assert value("gansample_pictures_total") == 3
    line = capsys.readouterr().err
    assert '"method": "HEAD"' in line
    assert '"pictures": 3' in line


def depth_by_hand(body: bytes) -> int:
    depth = deepest = 0
    for byte in body:
        depth += (byte in b"[{") - (byte in b"]}")
        deepest = max(deepest, depth)
    return deepest


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(st.sampled_from("[]{}a"), st.sampled_from([1, 2, 3, CHUNK])), max_size=10))
def test_the_depth_of_json(runs: list[tuple[str, int]]) -> None:
    body = "".join(character * count for character, count in runs).encode()
    assert json_depth(body) == depth_by_hand(body)


@pytest.mark.parametrize(
    "body", [b"[]" * (LARGE // 2), b'{"prompt": "' + b"a" * LARGE + b'"}', b"[" * LARGE], ids=["flat", "text", "deep"]
)
def test_a_large_body_does_not_hold_up_other_requests(body: bytes) -> None:
    """Scanning it byte by byte in Python would take two seconds, in which nobody else is answered."""
    app = FastAPI()

    @app.post("/large")
    async def large() -> Response:
        return Response()

    @app.get("/small")
    async def small() -> Response:
        return Response()

    async def scenario() -> tuple[int, float]:
        slowest, headers = 0.0, {"Content-Type": "application/json"}
        async with client_of(app, Metrics(), max_body=2 * LARGE) as client:
            posting = asyncio.create_task(client.post("/large", content=body, headers=headers))
            while not posting.done():
                await asyncio.sleep(0)  # the transport has no network, so nothing else gives way to the other request
                started = time.perf_counter()
                assert (await client.get("/small")).status_code == 200
                slowest = max(slowest, time.perf_counter() - started)
            return posting.result().status_code, slowest

    status, slowest = asyncio.run(scenario())
    assert status == (400 if json_depth(body[: MAX_DEPTH + 1]) > MAX_DEPTH else 200)
    assert slowest < 1
