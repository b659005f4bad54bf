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
DRAW_WITH_OPENVINO = f"""
import gansample
with gansample.open_sampler({str(ROOT / "models" / "signs")!r}, "openvino", precision="fast") as sampler:
    sampler.sample(range(4))
"""
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


TRITON = """
import sys
from pathlib import Path
from types import ModuleType
sys.modules["triton_python_backend_utils"] = ModuleType("what exists only inside Triton")
import shutil
shutil.copytree(sys.argv[1], "repository/1/bundle")
from gansample.triton.model import TritonPythonModel
TritonPythonModel().initialize({"model_repository": "repository", "model_version": "1"})
"""
BENCHMARKS = """
import benchmarks, subprocess, sys
from pathlib import Path
peer = Path(benchmarks.__file__).parent / "peers" / "grid_onnxruntime.py"
subprocess.run([sys.executable, peer, Path(sys.argv[1], "generator.onnx"), "out.png"], check=True)
"""
EXPORT = """
import torch
from export.__main__ import app
from tests.support.synthetic_generators import trained_case
torch.save(trained_case("dcgan32").state_dict(), "gen.pth")
app(["gen.pth", "--out", "out", "--quiet", "--variants", "onnx-fp32"], standalone_mode=False)
"""
RAY = """
import sys
from gansample.ray.connect import connect
ray = connect(cpus=1)

@ray.remote
def draw(bundle):
    import gansample
    with gansample.open_sampler(bundle) as sampler:
        sampler.sample(range(4))

ray.get(draw.remote(sys.argv[1]))
ray.shutdown()
"""
PROGRAMS = {
    "draw": DRAW,
    "openvino": DRAW_WITH_OPENVINO,
    "quantise": QUANTISE,
    "demo": DEMO,
    "triton": TRITON,
    "benchmarks": BENCHMARKS,
}
# Where Ray's dashboard asks which cloud the machine stands in, whether it reports or not: addresses that lead no further.
OWN_CLOUD = {"169.254.169.254", "metadata.google.internal"}
SLOW = {"export": EXPORT, "ray": RAY}


@pytest.mark.parametrize(
    "program",
    [*PROGRAMS.values(), *(pytest.param(program, marks=pytest.mark.slow) for program in SLOW.values())],
    ids=[*PROGRAMS, *SLOW],
)
def test_nobody_is_asked_and_nothing_is_left_at_home(program: str, tiny_bundle: Path, asked: list[str], tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    settings = {"HOME": str(home), "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'serve'}"}
    settings |= {"no_proxy": "127.0.0.1,localhost"}
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
    asked_of = {line.partition("://")[2].partition("/")[0] for line in asked[1:]}
    assert asked_of <= (OWN_CLOUD if program.startswith(RAY) else set())
    assert [str(path.relative_to(home)) for path in home.rglob("*") if path.is_file()] == []
