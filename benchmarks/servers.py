"""Servers under load, one at a time on one port: started, asked from a process of its own, weighed, and ended."""

import json
import os
import signal
import statistics
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PORT = 18_000
CLIENTS = 16
PEERS = Path(__file__).parent / "peers"
START_SECONDS = 120.0
STOP_SECONDS = 40.0
WARM_UP_SECONDS = 2.0


@dataclass(frozen=True)
class Server:
    """A contestant.

    kind   the request that `benchmarks.load` sends for one picture.
    ready  a path that answers 200 once it serves, and what to post there; None: a GET.
    stop   a command that ends what has left its process group.
    """

    name: str
    kind: str
    command: Sequence[str]
    ready: tuple[str, bytes | None] = ("/readyz", None)
    folder: Path | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    stop: Sequence[str] = ()


def gan_serve(bundle: Path, *options: str) -> list[str]:
    return [sys.executable, "-m", "gansample.cli.gan", "serve", str(bundle), "--port", str(PORT), *options]


@contextmanager
def running(server: Server) -> Iterator[int]:
    """The server's process id, from when it answers; its whole process group is ended afterwards."""
    process = subprocess.Popen(
        server.command,
        cwd=server.folder,
        env={**os.environ, **server.environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        end = time.monotonic() + START_SECONDS
        while not _answers(*server.ready):
            if time.monotonic() > end or process.poll() is not None:
                raise SystemExit(f"{server.name} does not answer: {' '.join(server.command)}")
            time.sleep(0.2)
        yield process.pid
    finally:
        _end(process)
        if server.stop:
            subprocess.run(server.stop, capture_output=True, check=False)


def _end(process: subprocess.Popen[bytes]) -> None:
    try:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(STOP_SECONDS)
    except ProcessLookupError:
        process.wait()
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _answers(path: str, body: bytes | None) -> bool:
    asked = urllib.request.Request(f"http://127.0.0.1:{PORT}{path}", body, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(asked, timeout=10) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def load(mode: str, kind: str, amount: float, seconds: float) -> dict[str, Any]:
    """What `benchmarks.load` saw: `amount` is clients for a closed loop, requests a second for an open one."""
    command = [sys.executable, "-m", "benchmarks.load", mode, str(PORT), kind, str(amount), str(seconds)]
    seen: dict[str, Any] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return seen


def take_turns(servers: Sequence[Server], rounds: int, seconds: float) -> list[dict[str, Any]]:
    """A row of medians for each server: each is started, warmed up, asked by the clients and ended, `rounds` times."""
    runs: list[list[dict[str, Any]]] = [[] for _ in servers]
    for _ in range(rounds):
        for server, kept in zip(servers, runs, strict=True):
            with running(server) as pid:
                load("closed", server.kind, CLIENTS, WARM_UP_SECONDS)
                kept.append({**load("closed", server.kind, CLIENTS, seconds), "mib": memory(pid)})
    return [_row(server, kept) for server, kept in zip(servers, runs, strict=True)]


def _row(server: Server, runs: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "name": server.name,
        "kind": server.kind,
        "per_second": statistics.median(run["per_second"] for run in runs),
        "p50": statistics.median(run["milliseconds"]["p50"] for run in runs),
        "p99": statistics.median(run["milliseconds"]["p99"] for run in runs),
        "mib": statistics.median(run["mib"] for run in runs),
        "statuses": sorted({status for run in runs for status in run["statuses"]}),
        "all": [run["per_second"] for run in runs],
    }


def cells(row: Mapping[str, Any]) -> str:
    return f"{row['per_second']:,.0f} | {row['p50']:.0f} ms | {row['p99']:.0f} ms | {row['mib']:,.0f} MiB |"


def memory(pid: int) -> float:
    """MiB of a process and everything that it started: each page counted once (PSS)."""
    session, total = os.getsid(pid), 0
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if os.getsid(int(folder.name)) == session or _is_ray(folder):
                lines = (folder / "smaps_rollup").read_text(encoding="utf-8").splitlines()
                total += int(next(line for line in lines if line.startswith("Pss:")).split()[1])
        except (OSError, StopIteration):
            continue
    return round(total / 1024, 1)


def _is_ray(folder: Path) -> bool:
    """Ray's daemons leave the session of whoever started them."""
    command = (folder / "cmdline").read_bytes()
    return b"ray::" in command or b"/ray/" in command
