"""A real `gan serve` in a process of its own, for tests that talk to it as a client does."""

import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.support.make_tiny_bundle import make_tiny_bundle

ENGINES = [
    pytest.param((), id="here"),
    pytest.param(("--ray", "--replicas", "1"), id="ray", marks=pytest.mark.slow),
]
"""Where the engines of a service run, and the options for it: the contract is the same."""


@dataclass
class Service:
    process: subprocess.Popen[str]
    url: str
    log: Path
    """stderr: the access log and the service's own messages."""

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def said(self, words: str, seconds: float = 20) -> bool:
        """Whether the log holds `words` by then."""
        end = time.monotonic() + seconds
        while words not in self.log.read_text():
            if time.monotonic() > end or self.process.poll() is not None:
                return words in self.log.read_text()
            time.sleep(0.05)
        return True


@contextmanager
def running_service(folder: Path, *arguments: object, environment: dict[str, str] | None = None) -> Iterator[Service]:
    """Serve until the block ends. `arguments` are those of `gan serve`; the port is a free one."""
    log = folder / "serve.log"
    command = [sys.executable, "-m", "gansample.cli.gan", "serve", *map(str, arguments), "--port", "0"]
    with log.open("w") as file:
        process = subprocess.Popen(command, cwd=folder, stderr=file, stdout=subprocess.DEVNULL, text=True, env=environment)
    service = Service(process, "", log)
    try:
        if not service.said("documentation at", 120 if "--ray" in arguments else 20):
            raise AssertionError(log.read_text())
        service.url = log.read_text().partition(" at ")[2].partition(",")[0]
        yield service
    finally:
        process.terminate()
        try:
            process.wait(40)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def etag(url: str) -> str:
    """The ETag of one picture."""
    answer = httpx.get(f"{url}/v1/images/1.png")
    assert answer.status_code == 200
    return answer.headers["etag"]


def export_over(bundle: Path, **options: object) -> None:
    """Replace a bundle as the exporter does: whole, by renaming."""
    fresh = make_tiny_bundle(bundle.parent / "fresh", **options)  # type: ignore[arg-type]
    bundle.rename(bundle.parent / "retired")
    fresh.rename(bundle)
    shutil.rmtree(bundle.parent / "retired")


def replace_under_load(service: Service, bundle: Path, seconds: float) -> None:
    """Replace the bundle under load: no request fails, and the newer one serves within `seconds`."""
    before = etag(service.url)
    wrong: list[int] = []
    stop = threading.Event()

    def ask() -> None:
        with httpx.Client(base_url=service.url, timeout=30) as client:
            while not stop.is_set():
                if (status := client.get("/v1/images/3.png").status_code) != 200:
                    wrong.append(status)

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        export_over(bundle, channels=1)
        assert service.said("serve: b is now", seconds)
        time.sleep(1)  # while the older one closes
    finally:
        stop.set()
        asking.join()
    assert wrong == []
    assert etag(service.url) != before
    assert httpx.get(f"{service.url}/v1/models/b").json()["image"]["channels"] == 1


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def code_of(answer: httpx.Response) -> str:
    """The code in the envelope of an error."""
    error = answer.json()["error"]
    assert error.keys() == {"code", "message", "param", "request_id"}
    assert error["request_id"] == answer.headers["x-request-id"]
    return str(error["code"])
