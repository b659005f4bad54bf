"""Requests that are too large, too slow or without the token are refused, and others are not affected."""

import asyncio
import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.run_service import ENGINES, Service, code_of, running_service


@pytest.fixture(scope="module", params=ENGINES)
def service(request: pytest.FixtureRequest, tiny_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """With a small queue and a token, so that tests reach the limits."""
    folder = tmp_path_factory.mktemp("limits")
    (folder / "token").write_text("open sesame\n")
    limits = ("--max-waiting", 300, "--per-client", 40, "--token-file", folder / "token")
    with running_service(folder, tiny_bundle, *limits, *request.param) as running:
        yield running


HEADERS = {"Authorization": "Bearer open sesame"}


def post(service: Service, content: bytes, kind: str = "application/json", **more: str) -> httpx.Response:
    headers = {**HEADERS, "Content-Type": kind, **more}
    return httpx.post(f"{service.url}/v1/images/generations", content=content, headers=headers, timeout=30)


@pytest.mark.parametrize("given", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": "open sesame"}])
def test_without_the_token_nothing_is_drawn(service: Service, given: dict[str, str]) -> None:
    answer = httpx.get(f"{service.url}/v1/images/1.png", headers=given)
    assert (answer.status_code, code_of(answer)) == (401, "unauthorized")
    assert httpx.get(f"{service.url}/livez", headers=given).status_code == 200, "probes need no token"
    private = httpx.get(f"{service.url}/v1/images/1.png", headers=HEADERS)
    assert private.headers["cache-control"].startswith("private"), "a shared cache must not store it"


@pytest.mark.parametrize(
    ("content", "kind", "status", "code"),
    [
        (b'{"n": ', "application/json", 400, "bad_request"),
        (b"\xff\xfe\x00", "application/json", 400, "bad_request"),
        (b"[" * 100_000, "application/json", 400, "bad_request"),
        (b'{"a":' * 5_000 + b"1" + b"}" * 5_000, "application/json", 400, "bad_request"),
        (b'{"n": 1}', "text/plain", 415, "unsupported_media_type"),
        (b"n=1", "application/x-www-form-urlencoded", 415, "unsupported_media_type"),
        (b" " * (2 << 20), "application/json", 413, "too_large"),
        (b'{"n": NaN}', "application/json", 422, "invalid"),
    ],
)
def test_refused_bodies(service: Service, content: bytes, kind: str, status: int, code: str) -> None:
    answer = post(service, content, kind)
    assert (answer.status_code, code_of(answer)) == (status, code), answer.text


def test_a_body_without_a_length_has_the_same_limit(service: Service) -> None:
    def endless() -> Iterator[bytes]:
        for _ in range(64):
            yield b" " * (64 << 10)

    headers = {**HEADERS, "Content-Type": "application/json"}
    try:
        answer = httpx.post(f"{service.url}/v1/images/generations", content=endless(), headers=headers, timeout=30)
        assert answer.status_code == 413
    except httpx.WriteError:  # the connection was closed while it was still sending
        pass
    assert httpx.get(f"{service.url}/livez").status_code == 200


def test_two_hundred_concurrent_requests_are_answered_or_refused(service: Service) -> None:
    async def scenario() -> list[httpx.Response]:
        limits = httpx.Limits(max_connections=200)
        async with httpx.AsyncClient(base_url=service.url, headers=HEADERS, limits=limits, timeout=60) as client:
            ask = [client.post("/v1/images/generations", json={"n": 64, "seed": 64 * i}) for i in range(200)]
            return await asyncio.gather(*ask)

    answers = asyncio.run(scenario())
    statuses = [answer.status_code for answer in answers]
    assert set(statuses) <= {200, 429}, statuses
    assert statuses.count(200) >= 4
    assert 429 in statuses
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert code_of(refused) == "too_many_requests"
    assert int(refused.headers["retry-after"]) >= 1
    assert httpx.get(f"{service.url}/v1/images/1.png", headers=HEADERS).status_code == 200


def test_slow_clients_are_disconnected_and_others_are_served(tiny_bundle: Path, tmp_path: Path) -> None:
    """Slow headers, slow bodies, and connections that send nothing, thirty of each; the timeout is 10 seconds."""
    with running_service(tmp_path, tiny_bundle) as service:
        address = ("127.0.0.1", service.port)
        silent = [socket.create_connection(address) for _ in range(30)]
        headers = [socket.create_connection(address) for _ in range(30)]
        bodies = [socket.create_connection(address) for _ in range(30)]
        for connection in headers:
            connection.sendall(b"GET /v1/images/1.png HTTP/1.1\r\nHost: x\r\nX-")
        start = (
            b"POST /v1/images/generations HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
        )
        for connection in bodies:
            connection.sendall(start)
        begun = time.monotonic()
        assert httpx.get(f"{service.url}/v1/images/1.png", timeout=5).status_code == 200
        for connection in [*silent, *headers]:
            connection.settimeout(15)
            assert connection.recv(1000) == b""
            connection.close()
        for connection in bodies:
            connection.settimeout(15)
            assert b" 408 " in connection.recv(1000)
            connection.close()
        assert time.monotonic() - begun < 14


def test_the_log_is_json_without_the_token(service: Service) -> None:
    httpx.get(f"{service.url}/v1/images/77.png", headers={**HEADERS, "X-Request-ID": "logged"})
    assert service.said('"id": "logged"')
    lines = [json.loads(line) for line in service.log.read_text().splitlines() if line.startswith("{")]
    (line,) = [line for line in lines if line["id"] == "logged"]
    assert (line["method"], line["path"], line["status"], line["pictures"]) == ("GET", "/v1/images/77.png", 200, 1)
    assert "sesame" not in service.log.read_text()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("nowhere",), "no bundle at nowhere"),
        (("--token-file", "absent"), "cannot read absent"),
        (("--host", "256.0.0.1"), "cannot listen on 256.0.0.1"),
        (("--backend", "abacus"), "unknown backend"),
        (("fashion", "fashion"), "have the same name"),
    ],
)
def test_what_cannot_be_served_is_one_line(arguments: tuple[str, ...], words: str, tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=words), running_service(tmp_path, *arguments):
        pass


def test_a_taken_port_is_one_line(service: Service, tmp_path: Path) -> None:
    import subprocess
    import sys

    command = [sys.executable, "-m", "gansample.cli.gan", "serve", "--port", str(service.port)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 4
    assert done.stderr.count("\n") == 1
    assert f"another program has port {service.port}" in done.stderr
    assert "choose another port: --port" in done.stderr
