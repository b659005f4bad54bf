"""NVIDIA's own Triton server in a process of its own, as `benchmarks.triton` starts it.

Its onnxruntime and TensorRT backends are in no package index: it reads models of theirs and then refuses them for that reason.
"""

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from benchmarks.triton import command, not_runnable


@dataclass
class Triton:
    http: str
    grpc: str
    log: Path


def need_triton() -> None:
    """Skip, with the reason, where Triton cannot run; in CI it must."""
    if (reason := not_runnable()) is None:
        return
    if os.environ.get("CI") == "true":
        pytest.fail(f"NOT RUN: {reason}")
    pytest.skip(f"NOT RUN: {reason}")


@contextmanager
def running_triton(folder: Path, http: int, grpc: int, *repositories: Path) -> Iterator[Triton]:
    """Serve until the block ends; ready when it begins."""
    words, environment = command(folder, *repositories)
    words += ["--http-address=127.0.0.1", f"--http-port={http}", "--grpc-address=127.0.0.1", f"--grpc-port={grpc}"]
    log = folder / "triton.log"
    with log.open("w") as file:
        process = subprocess.Popen(words, cwd=folder, env=environment, stdout=file, stderr=subprocess.STDOUT)
    try:
        end = time.monotonic() + 60
        while not _ready(http):
            if process.poll() is not None or time.monotonic() > end:
                raise AssertionError(log.read_text())
            time.sleep(0.1)
        yield Triton(f"127.0.0.1:{http}", f"127.0.0.1:{grpc}", log)
    finally:
        process.terminate()
        process.wait(60)


def _ready(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/v2/health/ready").status_code == 200
    except httpx.TransportError:
        return False
