"""Nobody is called: no library reports to its makers, and none leaves an identifier in the home folder."""

import ast
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from gansample.system.telemetry import disable_telemetry
from tests.support.repository import ROOT

HERE = ("serve", "export", "train", "demo", "benchmarks")
DOOR = "serve/gansample/runtimes/onnxruntime_module.py"
PEERS = "benchmarks/peers/"  # run without gansample, in the environment that benchmarks/__init__.py has set


def imports_onnxruntime(path: Path) -> bool:
    for node in ast.walk(ast.parse(path.read_bytes())):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and not node.level:
            names = [node.module or ""]
        if any(name.partition(".")[0] == "onnxruntime" for name in names):
            return True
    return False


def test_onnxruntime_is_imported_in_one_place() -> None:
    files = [path for folder in HERE for path in (ROOT / folder).rglob("*.py")]
    importing = {path.relative_to(ROOT).as_posix() for path in files if imports_onnxruntime(path)}
    assert {path for path in importing if not path.startswith(PEERS)} == {DOOR}


@pytest.mark.parametrize("package", ["export", "demo", "benchmarks"])
def test_the_programs_turn_reports_off_before_they_import_anything(package: str) -> None:
    statements = ast.parse((ROOT / package / "__init__.py").read_bytes()).body[1:3]
    assert [ast.unparse(statement) for statement in statements] == [
        "from gansample.system.telemetry import disable_telemetry",
        "disable_telemetry()",
    ]


def test_a_users_own_setting_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "1")
    disable_telemetry()
    assert os.environ["RAY_USAGE_STATS_ENABLED"] == "1"


@pytest.fixture
def asked(tmp_path: Path) -> Iterator[list[str]]:
    """What was asked of the proxy that `run_alone` names; the proxy's address is the first entry."""
    lines: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        lines.append(f"http://127.0.0.1:{server.getsockname()[1]}")

        def listen() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    lines.append(connection.recv(400).decode("latin-1").partition("\r\n")[0])
                    connection.sendall(b"HTTP/1.1 502 no\r\n\r\n")

        threading.Thread(target=listen, daemon=True).start()
        yield lines
        server.shutdown(socket.SHUT_RDWR)


DRAW = "import gansample, sys\nwith gansample.open_sampler(sys.argv[1]) as sampler: sampler.sample(range(4))"
QUANTISE = """
import export.variants.openvino_int8, nncf
from nncf.telemetry import telemetry
from unittest.mock import MagicMock
assert isinstance(telemetry, MagicMock), "nncf would report"
"""
DEMO = """
import demo.app
from gradio import analytics
assert not analytics.analytics_enabled()
from huggingface_hub import constants
assert constants.HF_HUB_DISABLE_TELEMETRY
"""


@pytest.mark.parametrize("program", [DRAW, QUANTISE, DEMO], ids=["draw", "quantise", "demo"])
def test_nobody_is_asked_and_nothing_is_left_at_home(program: str, tiny_bundle: Path, asked: list[str], tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    settings = {"HOME": str(home), "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'serve'}"}
    settings |= dict.fromkeys(("http_proxy", "https_proxy", "HTTPS_PROXY", "ALL_PROXY"), asked[0])
    kept = ("PATH", "TMPDIR")
    environment = {name: os.environ[name] for name in kept if name in os.environ} | settings
    program += "\nimport time; time.sleep(0.5)"  # reports leave from a thread
    done = subprocess.run(
        [sys.executable, "-c", program, str(tiny_bundle)],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert asked[1:] == []
    assert [str(path.relative_to(home)) for path in home.rglob("*") if path.is_file()] == []
