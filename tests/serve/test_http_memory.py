"""What requests allocate is counted before anything is drawn, over all of them, until each response is with its client."""

import asyncio
import json
import re
import threading
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request, Response
from hypothesis import given, settings
from hypothesis import strategies as st

from gansample.bundle.open import open_bundle
from gansample.http.app import create_app
from gansample.http.errors import ApiError
from gansample.http.guard import PIECE, Guard
from gansample.http.memory import Memory
from gansample.http.metrics import Metrics
from gansample.http.models import Models
from gansample.http.settings import Settings
from tests.support.make_tiny_bundle import make_tiny_bundle
from tests.support.run_service import Service, code_of, running_service

MIB = 1 << 20


def peak_mib(service: Service) -> float:
    """The most memory that the service has held so far."""
    return (
        int(re.findall(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{service.process.pid}/status").read_text(encoding="utf-8"))[0]) / 1024
    )


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("memory")
    with running_service(folder, make_tiny_bundle(folder / "b"), "--max-memory", "64", "--max-pictures", "4000") as running:
        yield running


def test_a_sheet_is_refused_for_its_pixels(service: Service) -> None:
    """Two pictures, on a sheet of 23 million pixels that would be empty but for them."""
    before = peak_mib(service)
    answer = httpx.get(f"{service.url}/v1/images", params={"seeds": "0-1", "grid": "480x480"}, timeout=60)
    assert (answer.status_code, code_of(answer), answer.json()["error"]["param"]) == (413, "too_large", "grid")
    assert "23,059,204 pixels, at most 16,777,216" in answer.json()["error"]["message"]
    assert peak_mib(service) - before < 16


def test_a_response_that_never_fits_is_refused(service: Service) -> None:
    params, accept = {"seeds": "0-1", "grid": "150x150"}, {"Accept": "image/webp"}
    refused = httpx.get(f"{service.url}/v1/images", params=params, headers=accept, timeout=60)
    assert (refused.status_code, code_of(refused)) == (413, "too_large")
    assert "another format" in refused.json()["error"]["message"]
    assert httpx.get(f"{service.url}/v1/images", params=params, timeout=60).status_code == 200, "as a PNG it fits"


def test_many_at_once_share_the_memory(service: Service) -> None:
    """Each takes 60 MiB at its peak: without the limit, twelve took half a GiB more."""
    before = peak_mib(service)

    async def scenario() -> list[int]:
        async with httpx.AsyncClient(base_url=service.url, timeout=120) as client:
            asked = [client.get("/v1/images", params={"seeds": f"{seed}-{seed + 1}", "grid": "200x200"}) for seed in range(12)]
            return [answer.status_code for answer in await asyncio.gather(*asked)]

    assert asyncio.run(scenario()) == [200] * 12, "they wait for each other"
    assert peak_mib(service) - before < 160


def test_pictures_as_json_numbers(service: Service) -> None:
    n = 2_000
    inputs = [{"name": "seed", "datatype": "INT64", "shape": [n, 1], "data": list(range(n))}]
    answer = httpx.post(f"{service.url}/v2/models/b/infer", json={"inputs": inputs, "id": "é"}, timeout=60)
    (output,) = answer.json()["outputs"]
    assert (answer.json()["id"], output["shape"], len(output["data"])) == ("é", [n, 8, 8, 3], n * 192)


def run(scenario: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(scenario())


def test_first_come_first_served() -> None:
    async def scenario() -> None:
        memory, order = Memory(10), []

        async def use(name: str, amount: int) -> None:
            await memory.take(amount)
            order.append(name)
            await asyncio.sleep(0.01)
            memory.give_back(amount)

        await asyncio.gather(use("a", 6), use("large", 10), use("b", 4), use("c", 6))
        assert order == ["a", "large", "b", "c"], "a large one is not overtaken for ever"
        assert memory.held == 0

    run(scenario)


def test_whoever_stops_waiting_leaves_no_trace() -> None:
    async def scenario() -> None:
        memory = Memory(10)
        await memory.take(8)
        waiting = asyncio.create_task(memory.take(5))
        behind = asyncio.create_task(memory.take(2))
        await asyncio.sleep(0)
        waiting.cancel()
        await behind
        assert memory.held == 10
        granted = asyncio.create_task(memory.take(3))
        await asyncio.sleep(0)
        memory.give_back(8)  # grants it, and in the same moment it is cancelled
        granted.cancel()
        await asyncio.gather(waiting, granted, return_exceptions=True)
        assert memory.held == 2

    run(scenario)


def test_more_than_there_is() -> None:
    async def scenario() -> None:
        with pytest.raises(ApiError, match="about 2 MiB of memory") as refused:
            await Memory(MIB).take(MIB + 1)
        assert refused.value.status == 413

    run(scenario)


@settings(deadline=None, max_examples=100)
@given(st.lists(st.tuples(st.integers(0, 12), st.booleans()), max_size=30))
def test_the_limit_holds_whatever_happens(requests: list[tuple[int, bool]]) -> None:
    async def scenario() -> None:
        memory, most = Memory(10), 0

        async def use(amount: int) -> None:
            nonlocal most
            await memory.take(amount)
            try:
                most = max(most, memory.held)
                await asyncio.sleep(0)
            finally:
                memory.give_back(amount)

        tasks = [asyncio.create_task(use(amount)) for amount, _ in requests]
        for task, (_, stop) in zip(tasks, requests, strict=True):
            await asyncio.sleep(0)
            if stop:
                task.cancel()
        async with asyncio.timeout(5):
            await asyncio.gather(*tasks, return_exceptions=True)
        assert most <= 10
        assert memory.held == 0

    run(scenario)


def test_whoever_finds_no_room_in_time_is_told(tiny_bundle: Path) -> None:
    async def scenario() -> None:
        chosen = Settings(max_memory=MIB, deadline=0.2)
        models = Models({"tiny": open_bundle(tiny_bundle)}, chosen)
        app = create_app(models, chosen)
        held = threading.Event()

        async def never_read(message: Any) -> None:
            """A client that does not read, as the server lets the application feel it."""
            if message["type"] == "http.response.body":
                held.set()
                await asyncio.sleep(60)

        async def receive() -> Any:
            await asyncio.sleep(60)

        scope = {"type": "http", "method": "GET", "path": "/v1/images", "query_string": b"seeds=0-1&grid=24x24", "headers": []}
        slow = asyncio.create_task(app(scope, receive, never_read))
        while not held.is_set():
            await asyncio.sleep(0.01)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
            late = await client.get("/v1/images?seeds=1-2&grid=24x24")
            assert (late.status_code, code_of(late)) == (504, "deadline_exceeded")
            assert (await client.get("/v1/images/1.png")).status_code == 200, "a small one still fits"
            slow.cancel()
            await asyncio.gather(slow, return_exceptions=True)
            assert (await client.get("/v1/images?seeds=1-2&grid=24x24")).status_code == 200
        models.close()

    run(scenario)


@pytest.mark.parametrize("size", [0, 1, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE + 7])
def test_large_responses_go_in_pieces(size: int) -> None:
    app = FastAPI()
    content = bytes(range(256)) * (size // 256 + 1)

    @app.get("/")
    async def root() -> Response:
        return Response(content[:size])

    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "http.disconnect"}

    scope = {"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": []}
    run(lambda: Guard(app, Settings(), Metrics())(scope, receive, send))
    bodies = [message for message in sent if message["type"] == "http.response.body"]
    assert b"".join(message["body"] for message in bodies) == content[:size]
    assert max(len(message["body"]) for message in bodies) <= PIECE
    assert [message["more_body"] for message in bodies] == [True] * (len(bodies) - 1) + [False]


def test_the_bodies_of_all_requests_have_a_limit_too() -> None:
    app = FastAPI()
    entered, leave = asyncio.Event(), asyncio.Event()

    @app.post("/")
    async def root(request: Request) -> Response:
        entered.set()
        await leave.wait()
        return Response()

    async def scenario() -> None:
        guarded = Guard(app, Settings(max_body=100, max_bodies=150), Metrics())
        body, headers = json.dumps("x" * 80), {"Content-Type": "application/json"}
        async with httpx.AsyncClient(transport=httpx.ASGITransport(guarded), base_url="http://test") as client:
            first = asyncio.create_task(client.post("/", content=body, headers=headers))
            await entered.wait()
            refused = await client.post("/", content=body, headers=headers)
            assert (refused.status_code, refused.headers["connection"]) == (429, "close")
            leave.set()
            assert (await first).status_code == 200
            assert (await client.post("/", content=body, headers=headers)).status_code == 200

    run(scenario)
