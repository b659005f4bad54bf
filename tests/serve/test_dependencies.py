"""Serving is light: the wheel holds only `gansample`, and drawing imports and installs no PyTorch."""

import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

from tests.support.repository import ROOT

INSIDE_TRITON = "gansample.triton.model"  # imports what is there only in Triton's own Python
BLOCKED = ("torch", "onnx", "gradio", "sklearn", "train", "export", "demo")

DRAW_WITHOUT = f"""
import sys
class Forbid:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {BLOCKED}:
            raise AssertionError("serving imports " + name)
sys.meta_path.insert(0, Forbid())
import importlib, pkgutil, gansample
for module in pkgutil.walk_packages(gansample.__path__, "gansample."):
    if not module.name.endswith("__main__") and module.name != "{INSIDE_TRITON}":
        importlib.import_module(module.name)
with gansample.open_sampler(sys.argv[1]) as sampler:
    assert sampler.sample(range(4)).shape == (4, 8, 8, 3)
"""


def test_every_serving_module_works_without_the_workshop(tiny_bundle: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "serve")}
    command = [sys.executable, "-c", DRAW_WITHOUT, str(tiny_bundle)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tiny_bundle, check=False)
    assert done.returncode == 0, done.stderr


def test_the_public_face_is_pinned() -> None:
    import gansample

    assert sorted(gansample.__all__) == [
        "ArtefactError", "BackendUnavailable", "Bundle", "DrawOptions", "DrawReport", "EngineOptions", "GansampleError",
        "OutputError", "OutputOptions", "ParityError", "Sampler", "SelectionOptions", "Spec", "UsageError", "__version__",
        "draw", "open_bundle", "open_sampler",
    ]  # fmt: skip
    assert all(getattr(gansample, name) is not None for name in gansample.__all__)
    with pytest.raises(AttributeError, match="nonsense"):
        _ = gansample.nonsense


@pytest.mark.slow
def test_the_wheel_alone_draws(tiny_bundle: Path, tmp_path: Path) -> None:
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "wheel", str(ROOT), "--no-deps", "-w", str(tmp_path)], check=True, timeout=300)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        assert {name.partition("/")[0].partition("-")[0] for name in archive.namelist()} == {"gansample"}

    venv.create(tmp_path / "clean", with_pip=True)
    python = tmp_path / "clean" / "bin" / "python"
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    lock = ["-c", str(ROOT / "requirements.lock")]
    install = [python, *pip[1:], "install", *lock, f"{wheel}[cpu]"]
    subprocess.run(install, check=True, env=environment, timeout=300)
    draw = [tmp_path / "clean" / "bin" / "gansample", "--n", "64", "--bundle", tiny_bundle, "out.png"]
    subprocess.run(draw, check=True, cwd=tmp_path, env=environment, timeout=60)
    installed = subprocess.run(
        [python, "-m", "pip", "list"], capture_output=True, text=True, env=environment, check=True
    ).stdout
    assert "torch" not in installed
    shoes = [tmp_path / "clean" / "bin" / "gansample", "--class", "sneaker", "--n", "16", "shoes.png"]
    subprocess.run(shoes, check=True, cwd=tmp_path, env=environment, timeout=60)  # with the bundle that the wheel brings
    assert wheel.stat().st_size < 4 << 20
    assert (tmp_path / "out.png").stat().st_size > 1000
