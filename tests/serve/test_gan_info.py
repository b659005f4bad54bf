"""`gan info` tells what a bundle holds, and the command it gives for a picture draws that picture again."""

import json
import shlex
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gansample.cli import gan
from gansample.cli import gansample as cli
from gansample.outputs.png import encode_png
from tests.support.make_tiny_bundle import make_tiny_bundle


def run(program, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *arguments: str) -> tuple[int, str, str]:
    monkeypatch.setattr(sys, "argv", ["program", *arguments])
    with pytest.raises(SystemExit) as ended:
        program.main()
    out, err = capsys.readouterr()
    return int(ended.value.code or 0), out, err


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a bundle under artifacts/, as `make export` leaves it."""
    make_tiny_bundle(tmp_path / "artifacts" / "tiny")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_bundle_tells_spec_and_variants(workplace: Path, capsys, monkeypatch) -> None:
    code, out, _ = run(gan, capsys, monkeypatch, "info", "--json")
    about = json.loads(out)
    assert code == 0
    assert (about["name"], about["latent"]["size"], about["image"]["height"]) == ("tiny", 6, 8)
    assert about["variants"][0]["parity"]["verdict"] == "PASS"
    assert about["variants"][0]["bytes"] == (workplace / "artifacts/tiny/generator.onnx").stat().st_size
    assert set(about["files"]) == {"generator.onnx", "golden.npz"}
    _, words, _ = run(gan, capsys, monkeypatch, "info", "artifacts/tiny")
    assert "8×8" in words
    assert "onnx-fp32" in words


@pytest.mark.parametrize("arguments", [("--seeds", "3-6,40", "some.png"), ("--n", "5", "--grid", "5x1", "some.png")])
def test_the_command_draws_the_same_bytes_again(arguments: tuple[str, ...], workplace: Path, capsys, monkeypatch) -> None:
    run(cli, capsys, monkeypatch, *arguments)
    code, out, _ = run(gan, capsys, monkeypatch, "info", "some.png")
    command = shlex.split(out.splitlines()[-1])
    assert (code, command[0]) == (0, "gansample")
    assert run(cli, capsys, monkeypatch, *command[1:])[0] == 0
    assert (workplace / "again.png").read_bytes() == (workplace / "some.png").read_bytes()


def test_a_single_picture_comes_again_without_a_border(workplace: Path, capsys, monkeypatch) -> None:
    run(cli, capsys, monkeypatch, "--n", "1", "--seed", "9", "single")
    code, out, _ = run(gan, capsys, monkeypatch, "info", "single/seed0000009.png", "--json")
    assert code == 0
    assert run(cli, capsys, monkeypatch, *shlex.split(json.loads(out)["command"])[1:])[0] == 0
    assert (workplace / "again/seed0000009.png").read_bytes() == (workplace / "single/seed0000009.png").read_bytes()


def test_a_picture_of_an_absent_bundle_says_so(workplace: Path, capsys, monkeypatch) -> None:
    metadata = {"seeds": "1-2", "grid": "2x1", "model_sha256": "0" * 64}
    Path("far.png").write_bytes(encode_png(np.zeros((8, 8, 3), np.uint8), metadata))
    code, out, _ = run(gan, capsys, monkeypatch, "info", "far.png")
    assert code == 0
    assert "add --bundle FOLDER" in out


def test_metadata_cannot_smuggle_a_shell_command(workplace: Path, capsys, monkeypatch) -> None:
    Path("evil.png").write_bytes(encode_png(np.zeros((8, 8, 3), np.uint8), {"seeds": "1", "grid": "1x1; rm -rf ~"}))
    _, out, _ = run(gan, capsys, monkeypatch, "info", "evil.png")
    assert "'1x1; rm -rf ~'" in out.splitlines()[-1]


@pytest.mark.parametrize(
    ("name", "make", "words"),
    [
        ("plain.png", lambda path: Image.new("L", (4, 4)).save(path), "has no metadata of gansample"),
        ("broken.png", lambda path: path.write_bytes(b"no picture"), "no readable picture"),
        ("absent.png", lambda path: None, "is missing"),
        (
            "noseeds.png",
            lambda path: path.write_bytes(encode_png(np.zeros((4, 4, 1), np.uint8), {"seeds": "x; reboot"})),
            "which is not one",
        ),
        ("nowhere", lambda path: None, "no bundle at"),
    ],
)
def test_what_tells_nothing_is_refused(name, make, words, workplace: Path, capsys, monkeypatch) -> None:
    make(workplace / name)
    code, out, err = run(gan, capsys, monkeypatch, "info", name)
    assert (code, out) == (3, "")
    assert words in err


def test_a_picture_of_the_packages_own_bundle_names_it(tmp_path: Path, capsys, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    run(cli, capsys, monkeypatch, "--bundle", "fashion", "--n", "4", "out.png")
    code, out, _ = run(gan, capsys, monkeypatch, "info", "out.png")
    assert code == 0
    assert out.splitlines()[-1].startswith("gansample --bundle fashion --seeds 0-3")
