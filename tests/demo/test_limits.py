"""Nobody keeps the others from drawing: rates, queue and connections are limited for each client and for all together."""

import json
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from demo.limits import REMEMBERED, Buckets, Limits, Rate
from tests.support.run_demo import PLENTY, Demo, serve_demo

REQUEST = json.dumps({"data": ["tiny", "each in turn", 1, 64, 0, "exact", 1]}).encode()
STRICT = Limits(
    draws=Rate(burst=20, per_second=0.01),
    all_draws=Rate(burst=30, per_second=0.01),
    sign_ins=Rate(burst=3, per_second=0.01),
    waiting=1000,
)


def post(demo: Demo, path: str, body: bytes, client: str = "203.0.113.1", kind: str = "application/json") -> tuple[int, Any]:
    """Status and body, or the Retry-After of a 429. As the tunnel does, it says on whose behalf it asks."""
    connection = HTTPConnection(demo.url.removeprefix("http://"), timeout=60)
    try:
        connection.request("POST", path, body, {"Content-Type": kind, "X-Forwarded-For": client})
        response = connection.getresponse()
        text = response.read()
        return response.status, response.headers["Retry-After"] if response.status == 429 else text
    finally:
        connection.close()


def draw(demo: Demo, client: str = "203.0.113.1") -> int:
    return post(demo, "/gradio_api/call/generate", REQUEST, client)[0]


def is_alive(demo: Demo) -> bool:
    """It still answers; whether it also draws for somebody else, the tests ask by `draw`."""
    connection = HTTPConnection(demo.url.removeprefix("http://"), timeout=60)
    try:
        connection.request("GET", "/config")
        return connection.getresponse().status == 200
    finally:
        connection.close()


@pytest.fixture
def strict(tiny_bundle: Path) -> Iterator[Demo]:
    with serve_demo([tiny_bundle], limits=STRICT, behind_proxy=True) as demo:
        yield demo


def test_a_bucket_fills_with_time_and_forgets_the_silent() -> None:
    now = 0.0
    buckets = Buckets(Rate(burst=2, per_second=0.5), clock=lambda: now)
    assert [buckets.take("a") for _ in range(3)] == [0, 0, 2]
    assert buckets.take("b") == 0
    now = 1.0
    assert buckets.take("a") == 1
    now = 2.0
    assert buckets.take("a") == 0
    now = 1000.0
    assert [buckets.take("a") for _ in range(3)] == [0, 0, 2], "no more than the burst, however long it was silent"
    for stranger in range(REMEMBERED + 5):
        buckets.take(f"stranger {stranger}")
    assert len(buckets) == REMEMBERED


@pytest.mark.parametrize("limits", [Limits(), Limits(waiting=1000)], ids=["as shipped", "the rate alone"])
def test_200_parallel_calls_are_answered_or_told_to_wait(tiny_bundle: Path, limits: Limits) -> None:
    with serve_demo([tiny_bundle], limits=limits, behind_proxy=True) as demo:
        started = time.monotonic()
        with ThreadPoolExecutor(200) as crowd:
            statuses = Counter(crowd.map(lambda _: draw(demo), range(200)))
        refilled = limits.draws.per_second * (time.monotonic() - started)
        assert set(statuses) <= {200, 429}, statuses
        assert 1 <= statuses[200] <= min(40, limits.draws.burst + refilled), statuses
        assert is_alive(demo)
        assert draw(demo, "198.51.100.7") == 200, "another visitor is not kept waiting"


def test_200_visitors_at_once_find_a_full_queue_and_a_live_page(tiny_bundle: Path) -> None:
    with serve_demo([tiny_bundle], limits=Limits(all_draws=PLENTY), behind_proxy=True) as demo:
        with ThreadPoolExecutor(200) as crowd:
            statuses = Counter(crowd.map(lambda k: draw(demo, f"198.51.100.{k}"), range(200)))
        assert set(statuses) <= {200, 503}, statuses  # 503 is Gradio's own: the queue is full
        assert statuses[200] >= 32
        assert is_alive(demo)
        for _ in range(100):
            if draw(demo) == 200:
                break
            time.sleep(0.1)
        else:
            pytest.fail("the queue stays full")


def test_each_client_has_its_own_rate_below_the_one_of_all(strict: Demo) -> None:
    assert [draw(strict) for _ in range(12)] == [200] * 12
    mine = [draw(strict) for _ in range(12)]
    assert mine == [200] * 8 + [429] * 4
    theirs = Counter(draw(strict, f"198.51.100.{k}") for k in range(30))
    assert theirs == {200: 10, 429: 20}, "20 were mine, all together may have 30"
    status, seconds = post(strict, "/gradio_api/call/generate", REQUEST)
    assert (status, seconds) == (429, "100")
    assert is_alive(strict)


def test_without_a_proxy_nobody_is_somebody_else_by_writing_so(tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORWARDED_ALLOW_IPS", "*")  # uvicorn's own, which is not ours to be opened by
    with serve_demo([tiny_bundle], limits=STRICT) as demo:
        assert [draw(demo, f"203.0.113.{k}") for k in range(24)] == [200] * 20 + [429] * 4


def test_draws_of_one_client_do_not_fill_the_queue(tiny_bundle: Path) -> None:
    with serve_demo([tiny_bundle], limits=Limits(draws=PLENTY, all_draws=PLENTY, waiting=2), behind_proxy=True) as demo:
        with ThreadPoolExecutor(16) as crowd:
            statuses = Counter(crowd.map(lambda _: draw(demo), range(64)))
        assert set(statuses) == {200, 429}, statuses
        assert draw(demo, "198.51.100.7") == 200


def test_guessing_the_password_is_slowed_down(tiny_bundle: Path) -> None:
    form = "application/x-www-form-urlencoded"
    with serve_demo([tiny_bundle], password="one-time", limits=STRICT, behind_proxy=True) as demo:
        guesses = [post(demo, "/login", b"username=guest&password=%d" % guess, kind=form)[0] for guess in range(6)]
        assert guesses == [400] * 3 + [429] * 3
        assert post(demo, "/login/", b"username=guest&password=one-time", kind=form)[0] == 429, "not by another spelling"
        assert post(demo, "/login", b"username=guest&password=one-time", "198.51.100.7", form)[0] == 200


def test_connections_are_counted_and_given_back(tiny_bundle: Path) -> None:
    with serve_demo([tiny_bundle], limits=Limits(connections=3, draws=PLENTY, all_draws=PLENTY), behind_proxy=True) as demo:
        streams = []
        for number in range(3):
            stream = HTTPConnection(demo.url.removeprefix("http://"), timeout=60)
            stream.request("GET", f"/gradio_api/heartbeat/visitor{number}", headers={"X-Forwarded-For": "203.0.113.1"})
            assert stream.getresponse().status == 200
            streams.append(stream)
        assert draw(demo) == 429
        assert draw(demo, "198.51.100.7") == 200
        for stream in streams:
            stream.sock.close()
            stream.close()
        for _ in range(100):
            if draw(demo) == 200:
                break
            time.sleep(0.1)
        else:
            pytest.fail("closed connections still count")
