"""Requests to a running `gan serve`: odd addresses, headers, JSON and tensors, and bytes that are hardly HTTP.

It answers each within 10 seconds, never with 5xx, every refusal in the envelope, without a traceback in its log, within 1 GB.
"""

import json
import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, quote_from_bytes

import pytest
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from tests.fuzz.explore import Explore, Figures
from tests.fuzz.programs import BYTES, SECONDS
from tests.support.run_service import Service, running_service

PLACE = "\N{SNOWMAN}"  # in JSON, where a number goes that Python cannot write
MODELS = ["pets", "tiny"]
NUMBERS = [0, 1, -1, 3, 256, 2**31, 2**32 - 1, 2**32, 2**63, 2**64, 10**400, 0.5, 1e999, -1e308, 1e-320, True, None]
WORDS = [
    "0-3",
    "3-0",
    "1,,2",
    "0-4294967295",
    "ant",
    "bee,0",
    "auto",
    "2x2",
    "480x480",
    "999999x999999",
    "1" * 5000,
    "x" * 5000,
]
WORDS += [
    "png",
    "42.png",
    "7.webp",
    "0" * 300 + "7.png",
    "NaN",
    "\ud800",
    "\0",
    "\r\nX: y",
    "..",
    "%",
    "٣",
    "",
    *MODELS,
    *map(str, NUMBERS),
]

words = st.one_of(st.sampled_from(WORDS), st.text(st.characters(), max_size=8))
scalars = st.one_of(st.sampled_from(NUMBERS), words, st.integers(), st.floats(), st.just(PLACE))
values = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(words, inner, max_size=3)),
    max_leaves=8,
)


def fields(names: list[str], value: SearchStrategy[object] = values) -> SearchStrategy[dict[str, object]]:
    """Some of `names`, and now and then one that is not known."""
    return st.dictionaries(st.one_of(st.sampled_from(names), st.sampled_from(names), words), value, max_size=4)


generations = fields(["model", "n", "seed", "seeds", "class", "truncation", "format", "response_format", "size", "prompt"])
shapes = st.one_of(
    values, st.lists(st.sampled_from([*NUMBERS, 6]), max_size=5), st.sampled_from([[1, 1], [2, 1], [1, 6], [1, 6, 1, 1]])
)
data = st.one_of(values, st.lists(scalars, max_size=12), st.sampled_from([[1], [1, 2], [0.5] * 6, [[0.5] * 6]]))
VALID = [
    {"name": "seed", "datatype": "INT64", "shape": [2, 1], "data": [1, 2]},
    {"name": "z", "datatype": "FP32", "shape": [1, 6], "data": [0.5] * 6},
    {"name": "label", "datatype": "INT64", "shape": [1, 1], "data": [2]},
]
ODD = {
    "name": st.one_of(st.sampled_from(["seed", "z", "label"]), values),
    "datatype": st.one_of(st.sampled_from(["INT64", "FP32", "BYTES"]), values),
    "shape": shapes,
    "data": data,
    "parameters": st.one_of(values, st.fixed_dictionaries({"binary_data_size": st.sampled_from([*NUMBERS, 8, 24])})),
}
valid = st.sampled_from(VALID)
tensors = st.one_of(
    valid,
    st.builds(lambda given, odd: {**given, **odd}, valid, st.one_of(*(st.fixed_dictionaries({key: ODD[key]}) for key in ODD))),
    st.fixed_dictionaries({}, optional=ODD),
)
inference = st.fixed_dictionaries(
    {"inputs": st.one_of(st.lists(tensors, min_size=1, max_size=2), st.just(VALID[1:]), values)},
    optional={"id": values, "outputs": values, "parameters": st.one_of(values, st.just({"binary_data_output": True}))},
)
parts = st.one_of(
    words.map(lambda text: quote(text.encode(errors="surrogatepass"), safe="")), st.binary(max_size=6).map(quote_from_bytes)
)
paths = st.one_of(
    st.builds("/v1/images/{}.{}".format, parts, st.sampled_from(["png", "webp", "gif", ""])),
    st.sampled_from(
        ["/v1/images", "/v1/models", "/metrics", "/", "/docs", "/openapi.json", "/v1/images/generations", "*", "//"]
    ),
    st.builds(
        "/{}/{}/{}".format,
        st.sampled_from(["v1/models", "v2/models", "pages", "v1"]),
        parts,
        st.sampled_from(["infer", "ready", ""]),
    ),
)
queries = st.lists(st.tuples(st.sampled_from(["seeds", "grid", "model", "class", "truncation", "x"]), parts), max_size=4)
HEADERS = [
    b"Accept",
    b"Authorization",
    b"If-None-Match",
    b"X-Request-Id",
    b"Content-Type",
    b"Content-Encoding",
    b"Origin",
    b"Range",
]
HEADERS += [b"Expect", b"Upgrade", b"Connection", b"Host", b"Cookie", b"Inference-Header-Content-Length", b"Transfer-Encoding"]
CONTENTS = [
    b"image/webp",
    b"image/png",
    b"*",
    b"*/*;q=0",
    b"application/json",
    b"application/octet-stream",
    b"bearer x",
    b"websocket",
    b"upgrade",
]
CONTENTS += [b"100-continue", b"gzip", b"chunked", b"2", b"9" * 5000, b"a" * 60_000, b"a" * 70_000, b"\xff", b""]
headers = st.just([]) | st.lists(
    st.tuples(st.sampled_from(HEADERS), st.one_of(st.sampled_from(CONTENTS), st.binary(max_size=8))), max_size=4
)


def as_json(value: object) -> bytes:
    return json.dumps(value).replace(json.dumps(PLACE), "9" * 5000).encode(errors="surrogatepass")


def joined(method: bytes, target: str, given: list[tuple[bytes, bytes]], body: bytes, framing: str) -> bytes:
    if framing == "chunked":
        given = [*given, (b"Transfer-Encoding", b"chunked")]
        body = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:5], body[5:]) if part) + b"0\r\n\r\n"
    elif body:
        length = len(body) - (3 if framing == "short" else 0)
        given = [(b"Content-Type", b"application/json"), (b"Content-Length", b"%d" % max(0, length)), *given]
    lines = b"".join(b"%s: %s\r\n" % header for header in [(b"Host", b"x"), *given, (b"Connection", b"close")])
    return b"%s %s HTTP/1.1\r\n%s\r\n%s" % (method, target.encode(), lines, body)


framings = st.sampled_from(["whole", "whole", "chunked", "short"])
gets = st.builds(
    lambda method, path, query, given: joined(method, path + "?" + "&".join(map("=".join, query)), given, b"", "whole"),
    st.sampled_from([b"GET", b"GET", b"HEAD", b"OPTIONS", b"DELETE"]), paths, queries, headers,
)  # fmt: skip
posts = st.builds(
    lambda target, body, given, framing: joined(b"POST", target, given, body, framing),
    *(st.just("/v1/images/generations"), st.one_of(generations, values).map(as_json), headers, framings),
)


def inference_with_tensors(model: str, body: bytes, tail: bytes, given: list[tuple[bytes, bytes]], framing: str) -> bytes:
    """`tail`: raw tensors after the JSON."""
    length = [(b"Inference-Header-Content-Length", b"%d" % len(body))] if tail else []
    return joined(b"POST", f"/v2/models/{model}/infer", [*length, *given], body + tail, framing)


infers = st.builds(
    inference_with_tensors, st.sampled_from(MODELS), inference.map(as_json), st.binary(max_size=40), headers, framings
)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A request with some bytes changed, left out or put in, or one after the other."""
    raw = bytearray(draw(st.one_of(gets, posts)))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(raw)))
        raw[start : start + draw(st.integers(0, 3))] = draw(
            st.one_of(st.binary(max_size=3), st.sampled_from([b"\r\n", b"\0", b":", b" "]))
        )
    return bytes(raw) * draw(st.sampled_from([1, 1, 3]))


@pytest.fixture
def service(tiny_classes_bundle: Path, tiny_bundle: Path, tmp_path: Path) -> Iterator[Service]:
    with running_service(tmp_path, tiny_classes_bundle, tiny_bundle) as running:
        yield running


class Client:
    """Sends bytes, and looks at what comes back and at the service."""

    def __init__(self, service: Service, figures: Figures) -> None:
        self.service, self.figures, self.read = service, figures, 0

    def __call__(self, raw: bytes) -> None:
        started = time.monotonic()
        answer = exchange(self.service.port, raw)
        seconds = time.monotonic() - started
        self.figures.calls += 1
        self.figures.slowest = max(self.figures.slowest, seconds)
        self.look_at_service()
        assert seconds < SECONDS, "a hang"
        if answer:  # whoever sends no request gets none
            check_answer(answer, raw.startswith(b"HEAD"))

    def look_at_service(self) -> None:
        assert self.service.process.poll() is None, self.service.log.read_text()[-2000:]
        with self.service.log.open() as log:
            log.seek(self.read)
            said = log.read()
            self.read = log.tell()
        assert "Traceback" not in said, said[-4000:]
        status = Path(f"/proc/{self.service.process.pid}/status").read_text(encoding="utf-8")
        peak = int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0]) << 10
        self.figures.largest = max(self.figures.largest, peak)
        assert peak < BYTES, "too much memory"


def exchange(port: int, raw: bytes) -> bytes:
    """The first response. Half of a request is ended after a moment, as by a client that leaves."""
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.settimeout(0.3)
        received = b""
        try:
            connection.sendall(raw)
            while first_body(received) is None and not (raw.startswith(b"HEAD") and b"\r\n\r\n" in received):
                try:
                    data = connection.recv(1 << 16)
                except TimeoutError:
                    connection.settimeout(SECONDS + 2)
                    connection.shutdown(socket.SHUT_WR)
                    continue
                if not data:
                    break
                received = (received + data).removeprefix(b"HTTP/1.1 100 Continue\r\n\r\n")
        except OSError:
            pass
        return received


def first_body(received: bytes) -> bytes | None:
    """The body of the first response, once it is whole; another one may follow."""
    head, end, body = received.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
    return body[: int(length[1])] if end and length is not None and len(body) >= int(length[1]) else None


def check_answer(answer: bytes, is_head: bool) -> None:
    status, body = int(answer.split(b" ", 2)[1]), first_body(answer)
    assert status < 500, answer[:2000]
    if status >= 400 and not is_head and body is not None:
        assert body.startswith(b"{"), answer[:2000]
        error = json.loads(body)["error"]
        assert error.keys() == {"code", "message", "param", "request_id"}
        assert len(body) < 4000, "what is refused is quoted, but not all of it"


def test_http_requests(fuzz: Explore, figures: Figures, service: Service) -> None:
    fuzz(Client(service, figures), st.one_of(gets, posts, infers, infers))


def test_http_bytes(fuzz: Explore, figures: Figures, service: Service) -> None:
    fuzz(Client(service, figures), damaged())
