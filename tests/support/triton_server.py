"""NVIDIA's own Triton server in a process of its own: the binary that comes inside of pytriton, with its Python backend.

It is Triton 2.51 (24.10). Its onnxruntime and TensorRT backends are in no package index, so models of theirs are read by it and
then refused for that reason alone.
"""

import os
import shutil
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.support.real_bindings import BINDINGS
from tests.support.repository import ROOT

HOME = BINDINGS / "triton" / "pytriton" / "tritonserver"
STUB = HOME / "python_backend_stubs" / f"{sys.version_info.major}.{sys.version_info.minor}" / "triton_python_backend_stub"


@dataclass
class Triton:
    http: str
    grpc: str
    log: Path


def need_triton() -> None:
    """Skip, with the reason, where Triton cannot run; in CI it must."""
    reason = None
    if not STUB.exists():
        reason = "NOT RUN: Triton is not installed for this Python, make bindings"
    elif not sysconfig.get_config_var("Py_ENABLE_SHARED"):
        reason = "NOT RUN: this Python has no shared library, which Triton's Python backend links"
    if reason and os.environ.get("CI") == "true":
        pytest.fail(reason)
    if reason:
        pytest.skip(reason)


def command(folder: Path, *repositories: Path) -> tuple[list[str], dict[str, str]]:
    """The server's command and environment, with its Python's packages gathered in `folder`, its working directory.

    Its Python ignores PYTHONPATH and looks where it stands, so the packages of this environment are linked there, with the
    NumPy that it understands.
    """
    backends = folder / "backends"
    shutil.copytree(HOME / "backends", backends)
    shutil.copy(STUB, backends / "python")
    for program in (backends / "python" / STUB.name, HOME / "bin" / "tritonserver"):
        program.chmod(0o755)
    for entry in (BINDINGS / "triton").glob("numpy*"):
        (folder / entry.name).symlink_to(entry)
    (folder / "gansample").symlink_to(ROOT / "serve" / "gansample")
    for entry in Path(sysconfig.get_paths()["purelib"]).iterdir():
        if not entry.name.startswith("numpy") and not (folder / entry.name).exists():
            (folder / entry.name).symlink_to(entry)
    libraries = [BINDINGS / "triton" / "nvidia_pytriton.libs", Path(sysconfig.get_config_var("LIBDIR"))]
    environment = {**os.environ, "LD_LIBRARY_PATH": ":".join(map(str, libraries))}
    words = [str(HOME / "bin" / "tritonserver"), f"--backend-directory={backends}", "--allow-gpu-metrics=false"]
    words += [f"--model-repository={repository}" for repository in repositories]
    return [*words, "--disable-auto-complete-config", "--strict-readiness=true", "--allow-metrics=false"], environment


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
