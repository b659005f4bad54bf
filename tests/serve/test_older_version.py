"""What version 0.1.0 wrote still opens, verifies, explains itself and is resumed (tests/serve/fixtures/version-0.1)."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from gansample import open_bundle, open_sampler

STORED = Path(__file__).parent / "fixtures" / "version-0.1"
JOB = ["--bundle", "pets", "--n", "12", "--resume"]
# As the version that began the jobs: a job is resumed only by the version that began it.
GANSAMPLE = "import gansample; gansample.__version__ = '0.1.0'; from gansample.cli.start import main; main()"


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    """A copy to write in."""
    shutil.copytree(STORED, tmp_path / "stored")
    return tmp_path / "stored"


def resume(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", GANSAMPLE, *JOB, *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)


def gan(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "gansample.cli.gan", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)


def test_its_bundle_draws_the_same_pixels() -> None:
    with open_sampler(STORED / "pets") as sampler:
        assert np.array_equal(sampler.sample(range(12)), np.load(STORED / "pixels.npy"))


def test_its_bundle_verifies(stored: Path) -> None:
    run = gan(stored, "verify", "pets", "--json")
    report = json.loads(run.stdout)
    assert (run.returncode, report["verdict"]) == (0, "PASS")
    assert {row["variant"] for row in report["variants"]} == {"onnx-fp32", "openvino-int8"}


def test_notes_of_a_step_that_is_gone_are_kept() -> None:
    steps = open_bundle(STORED / "pets").variant("openvino-int8").notes["steps"]
    assert [step["step"] for step in steps][-1] == "finetune"


@pytest.mark.parametrize("picture", ["sheet.png", "pictures/seed0000007.png"])
def test_its_picture_says_how_it_was_drawn(picture: str, stored: Path) -> None:
    (stored / "artifacts").mkdir()
    (stored / "pets").rename(stored / "artifacts" / "pets")
    run = gan(stored, "info", picture, "--json")
    assert run.returncode == 0, run.stderr
    about = json.loads(run.stdout)
    assert about["bundle"] == "pets"
    assert about["metadata"]["why"], "older pictures say why their engine was chosen"
    assert about["command"].startswith("gansample --bundle pets --seeds")


def test_an_interrupted_folder_is_resumed_to_the_same_bytes(stored: Path) -> None:
    whole = {path.name: path.read_bytes() for path in (stored / "pictures").iterdir()}
    for seed in range(5, 12):
        (stored / "pictures" / f"seed{seed:07d}.png").unlink()
    run = resume(stored, "--json", "pictures")
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout)["drawn"] == 7
    assert {path.name: path.read_bytes() for path in (stored / "pictures").iterdir()} == whole


def test_a_finished_folder_is_left_as_it_is(stored: Path) -> None:
    run = resume(stored, "--json", "pictures")
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout)["drawn"] == 0


def test_an_interrupted_tar_is_resumed_to_the_same_bytes(stored: Path) -> None:
    whole = (stored / "pictures.tar").read_bytes()
    done = json.loads((stored / "pictures.tar.part.json").read_text())["bytes"]
    (stored / "pictures.tar").unlink()
    (stored / "pictures.tar.part").write_bytes(whole[:done])
    run = resume(stored, "--json", "pictures.tar")
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout)["drawn"] == 7
    assert (stored / "pictures.tar").read_bytes() == whole


def test_a_finished_tar_is_not_drawn_again(stored: Path) -> None:
    whole = (stored / "pictures.tar").read_bytes()
    (stored / "pictures.tar.part.json").unlink()
    run = resume(stored, "--json", "pictures.tar")
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout)["drawn"] == 0
    assert (stored / "pictures.tar").read_bytes() == whole
