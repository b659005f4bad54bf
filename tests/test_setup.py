"""What `make` says about a set before it installs it is what the set brings."""

import re
import subprocess

import pytest

from tests.support import lock
from tests.support.repository import ROOT

SAID = dict(re.findall(r"^# (\w+): (.*)$", lock.LOCK.read_text(), re.M))


def test_the_lock_tells_what_each_set_brings() -> None:
    said = {name: int(text.split()[0]) for name, text in SAID.items()}
    brought = {name: len(names) for name, names in lock.sets().items()}
    if brought["export"] > 2 * said["export"]:
        pytest.skip("NOT RUN: the figures are those of a machine without CUDA")
    assert brought == pytest.approx(said, rel=0.1), "make lock"  # a package more or less on another Python
    for name, names in lock.sets().items():
        amount, unit = re.search(r"([\d.]+) (MB|GB) on disk", SAID[name]).groups()  # type: ignore[union-attr]
        assert lock.megabytes(names) == pytest.approx(float(amount) * {"MB": 1, "GB": 1000}[unit], rel=0.2), (
            f"{name}: make lock"
        )


def test_training_and_exporting_need_no_more_than_they_use() -> None:
    unused = {"gradio", "ray", "fastapi", "pytest", "tensorboard", "pandas", "pyarrow"}
    assert not unused & (lock.sets()["draw"] | lock.sets()["export"])
    assert lock.sets()["draw"].isdisjoint({"torch", "onnx", "scipy"})


@pytest.mark.parametrize(
    "verb", ["train", "export", "sample", "demo", "space", "web-demo", "serve", "test", "test-gpu", "bench"]
)
def test_every_verb_hands_its_options_on(verb: str) -> None:
    command = ["make", "--dry-run", "VENV=", "ARGS=--that 'is it'", verb]
    printed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert "--that 'is it'" in printed
    assert "pip" not in printed, "VENV= installs nothing"
    subprocess.run(["bash", "-n"], input=printed, text=True, check=True)


@pytest.mark.parametrize("kind", ["cpu", "gpu"])
def test_the_gpu_verb_installs_tensorrt_where_a_gpu_is(kind: str) -> None:
    command = ["make", "--dry-run", f"EXTRA={kind}", "test-gpu"]
    printed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    subprocess.run(["bash", "-n"], input=printed, text=True, check=True)
    assert ("'gansample[trt,rtx]'" in printed) == (kind == "gpu")


@pytest.mark.parametrize(
    ("verb", "brings"), [("sample", ["draw"]), ("train", ["draw", "export"]), ("serve", ["draw", "serve"])]
)
def test_a_verb_sets_up_only_what_it_needs(verb: str, brings: list[str]) -> None:
    printed = subprocess.run(
        ["make", "--dry-run", "VENV=nowhere", verb], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert re.findall(r"touch nowhere/\.ready-([a-z]+)", printed) == ["pip", *brings]
