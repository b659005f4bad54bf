"""What arrives before there is a request, and what leaves after there was a response: limits over real sockets."""

import contextlib
import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI, Response

from gansample.http.guard import Guard
from gansample.http.metrics import Metrics
from gansample.http.protocol import MAX_PIPELINED
from gansample.http.server import listen, make_server
from gansample.http.settings import Settings
from tests.support.run_service import Service, running_service

START = b"GET /livez HTTP/1.1\r\nHost: x\r\n"
POST = b"POST /v1/images/generations HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"


@pytest.fixture(scope="module")
def service(tiny_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("protocol")
    (folder / "token").write_text("sesame")
    with running_service(folder, tiny_bundle, "--token-file", folder / "token") as running:
        yield running
        assert "Traceback" not in running.log.read_text()


def answer_to(service: Service, sent: bytes, seconds: float = 15) -> bytes:
    """All that comes back, until the service closes the connection or has nothing more to say."""
    with socket.create_connection(("127.0.0.1", service.port)) as connection:
        connection.settimeout(seconds)
        with contextlib.suppress(ConnectionError):
            connection.sendall(sent)
        received = b""
        with contextlib.suppress(ConnectionError, TimeoutError):
            while data := connection.recv(1 << 16):
                received += data
        return received


def envelope_in(received: bytes) -> tuple[int, str]:
    """Status and code of an error, which must be whole and must end the connection."""
    head, _, body = received.partition(b"\r\n\r\n")
    assert b"connection: close" in head.lower(), received[:500]
    error = json.loads(body)["error"]
    assert f"x-request-id: {error['request_id']}".encode() in head.lower()
    return int(head.split(b" ", 2)[1]), error["code"]


@pytest.mark.parametrize(
    "sent",
    [
        START + b"X-Large: " + b"a" * 100_000 + b"\r\n\r\n",
        START + b"X-Large: " + b"a" * (2 << 20) + b"\r\n\r\n",
        START + b"X-%d: a\r\n" % 1 * 20_000 + b"\r\n",
        b"GET /v1/images?seeds=" + b"1," * 50_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST /livez HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1;" + b"e" * (1 << 20),
        b"POST /livez HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX-Trailer: " + b"t" * (1 << 20),
    ],
    ids=["one", "huge", "many", "address", "chunk-extension", "trailer"],
)
def test_headers_have_a_limit(service: Service, sent: bytes) -> None:
    assert envelope_in(answer_to(service, sent)) == (431, "headers_too_large")
    assert service.said("is refused: the address and the headers have more than 65,536 bytes")


def test_headers_within_the_limit_pass(service: Service) -> None:
    sent = START + b"X-Large: " + b"a" * 60_000 + b"\r\nConnection: close\r\n\r\n"
    assert answer_to(service, sent).startswith(b"HTTP/1.1 200 ")


def test_a_body_of_tiny_chunks_is_no_header(service: Service) -> None:
    body = b'{"n": 1}' + b" " * 100_000
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in body) + b"0\r\n\r\n"
    head = POST + b"Authorization: Bearer sesame\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert answer_to(service, head + chunks).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("begin", [START + b"X-Endless: ", b"GET /", START + b"X: 1\r\nX-", b"\r\n"], ids=str)
def test_an_endless_stream_does_not_hold_up_others(service: Service, begin: bytes) -> None:
    """74 MB of it held up /livez for four seconds."""
    stop, sent = threading.Event(), 0

    def stream() -> None:
        nonlocal sent
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", service.port)) as connection:
            connection.sendall(begin)
            while not stop.is_set() and sent < 74 << 20:
                sent += connection.send(b"\r\n" * 32_768 if begin == b"\r\n" else b"a" * 65_536)

    streaming = threading.Thread(target=stream)
    streaming.start()
    slowest, end = 0.0, time.monotonic() + 1.5
    try:
        while time.monotonic() < end:
            begun = time.monotonic()
            assert httpx.get(f"{service.url}/livez", timeout=10).status_code == 200
            slowest = max(slowest, time.monotonic() - begun)
    finally:
        stop.set()
        streaming.join()
    assert slowest < 1
    assert sent < 30 << 20, "the connection was closed"


def test_what_is_refused_unread_is_not_read_for_ever(service: Service) -> None:
    sent = POST + b"Content-Length: 100000000\r\n\r\n" + b"a" * 50_000_000
    received = answer_to(service, sent)
    assert received == b"" or b" 401 " in received[:20]


@pytest.mark.parametrize("sent", [b"nonsense\r\n\r\n", b"GET /\x00 HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\x00\x01"], ids=str)
def test_what_is_no_http_is_refused_in_the_envelope(service: Service, sent: bytes) -> None:
    assert envelope_in(answer_to(service, sent)) == (400, "bad_request")


def test_a_body_that_is_no_http_is_refused_once(service: Service) -> None:
    sent = POST + b"Authorization: Bearer sesame\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\nzz\r\n"
    assert envelope_in(answer_to(service, sent)) == (400, "bad_request")


@pytest.mark.parametrize("path", ["/", "/docs", "/v1/images/1.png", "/nowhere"])
def test_a_websocket_handshake_is_an_ordinary_request(service: Service, path: str) -> None:
    """The token is asked for, the access log has it, and no connection is upgraded."""
    key = b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGVzdGtleTEyMw==\r\n"
    received = answer_to(service, b"GET %s HTTP/1.1\r\nHost: x\r\n%s\r\n" % (path.encode(), key))
    plain = answer_to(service, b"GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" % path.encode())
    assert received.split(b"\r\n")[0] == plain.split(b"\r\n")[0]
    assert b" 101 " not in received


def test_pipelined_requests(service: Service) -> None:
    few = answer_to(service, (START + b"\r\n") * 8 + START + b"Connection: close\r\n\r\n")
    assert few.count(b"HTTP/1.1 200 ") == 9
    many = answer_to(service, (START + b"\r\n") * 5_000)
    assert many.count(b"HTTP/1.1") <= MAX_PIPELINED + 1
    assert httpx.get(f"{service.url}/livez").status_code == 200


def test_clients_that_do_not_read_are_disconnected() -> None:
    """What was held for them is given back, and one that reads, if slowly, gets all of it."""
    settings = Settings(write_seconds=0.5)
    app, ended = FastAPI(), threading.Event()

    @app.get("/large")
    async def large() -> Response:
        return Response(b"a" * (32 << 20))

    async def noticing(scope: dict[str, object], receive: object, send: object) -> None:
        await guarded(scope, receive, send)  # type: ignore[arg-type]
        if scope["type"] == "http":
            ended.set()

    guarded = Guard(app, settings, Metrics())
    listener = listen("127.0.0.1", 0)
    server = make_server(noticing, settings)  # type: ignore[arg-type]
    serving = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    serving.start()
    try:
        with socket.create_connection(listener.getsockname()) as connection:
            connection.sendall(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
            assert ended.wait(10), "nobody waits for it"
        ended.clear()
        with socket.create_connection(listener.getsockname()) as connection:
            connection.sendall(b"GET /large HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            received = 0
            while data := connection.recv(1 << 20):
                received += len(data)
                time.sleep(0.02)
            assert received > 32 << 20
    finally:
        server.should_exit = True
        serving.join()
        listener.close()


def test_a_connection_that_ends_under_an_answer_is_no_error(service: Service) -> None:
    """The transport raises for what is written to it after it was closed."""
    asked = POST + b'Authorization: Bearer sesame\r\nContent-Length: 8\r\n\r\n{"n": 0}'
    for _ in range(20):
        assert answer_to(service, asked + b"nonsense\r\n\r\n").count(b"HTTP/1.1") <= 1
    assert "Traceback" not in service.log.read_text()


def test_a_client_cannot_give_itself_another_address(service: Service) -> None:
    """The limit for each client goes by it."""
    headers = {"X-Forwarded-For": "203.0.113.9", "X-Request-Id": "elsewhere", "Authorization": "Bearer sesame"}
    assert httpx.get(f"{service.url}/v1/models", headers=headers).status_code == 200
    assert service.said('"id": "elsewhere"')
    (line,) = [line for line in service.log.read_text().splitlines() if '"id": "elsewhere"' in line]
    assert json.loads(line)["client"] == "127.0.0.1"
