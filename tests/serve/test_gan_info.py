"""`gan info` tells what a bundle holds, and the command it gives for a picture draws that picture again."""

import json
import shlex
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import gansample
from gansample.bundle.open import EMBEDDED
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
    assert (workplace / "again.png").read_bytes() == (workplace / "single/seed0000009.png").read_bytes()


@pytest.mark.parametrize(
    "arguments", [("--around", "7", "--n", "3"), ("--mix", "3+9-4,7"), ("--n", "2", "--upscale", "3", "--truncation", "1.5")]
)
def test_each_picture_of_a_folder_comes_again_as_the_same_file(arguments, workplace: Path, capsys, monkeypatch) -> None:
    run(cli, capsys, monkeypatch, *arguments, "many")
    for picture in sorted(Path("many").glob("*.png")):
        again(str(picture), capsys, monkeypatch)
        assert Path("again.png").read_bytes() == picture.read_bytes()
        Path("again.png").unlink()


def test_a_frame_comes_with_the_others_and_is_named(workplace: Path, capsys, monkeypatch) -> None:
    run(cli, capsys, monkeypatch, "--walk", "1,7", "--frames", "3", "way")
    again("way/frame0000002.png", capsys, monkeypatch)
    _, out, _ = run(gan, capsys, monkeypatch, "info", "way/frame0000002.png", "--json")
    assert Path(json.loads(out)["part"]).read_bytes() == Path("way/frame0000002.png").read_bytes()


def test_a_picture_of_an_absent_bundle_says_so(workplace: Path, capsys, monkeypatch) -> None:
    metadata = {"seeds": "1-2", "grid": "2x1", "model_sha256": "0" * 64}
    Path("far.png").write_bytes(encode_png(np.zeros((8, 8, 3), np.uint8), metadata))
    code, out, _ = run(gan, capsys, monkeypatch, "info", "far.png")
    assert code == 0
    assert "No bundle here has the model" in out
    assert out.splitlines()[-1].startswith("gansample --bundle BUNDLE ")
    assert run(cli, capsys, monkeypatch, *shlex.split(out.splitlines()[-1])[1:])[0] == 3  # never another model's pictures


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
        ("README.md", lambda path: path.write_text("# Words", encoding="utf-8"), "no ONNX file but text: gan list"),
        ("a.onnx", lambda path: path.write_bytes(b"\x3a\x02\x0a\x00"), "export it first: python -m export --onnx a.onnx"),
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


def again(source: str, capsys, monkeypatch) -> str:
    """Draw `source` again by the command that `gan info` gives, and return that command."""
    code, out, err = run(gan, capsys, monkeypatch, "info", source)
    assert code == 0, err
    command = out.splitlines()[-1]
    assert run(cli, capsys, monkeypatch, *shlex.split(command)[1:])[0] == 0
    return command


@pytest.mark.parametrize("name", ["some.npz", "some.tar", "some.zip", "some.gif", "some.webp", "some.jpg"])
def test_a_file_of_any_form_comes_again(name: str, workplace: Path, capsys, monkeypatch) -> None:
    run(cli, capsys, monkeypatch, "--seeds", "4,9-11", name)
    again(name, capsys, monkeypatch)
    suffix = Path(name).suffix
    assert Path(f"again{suffix}").read_bytes() == Path(name).read_bytes()


@pytest.mark.parametrize("name", ["walk.mp4", "walk.webm"])
def test_a_video_tells_its_walk(name: str, workplace: Path, capsys, monkeypatch) -> None:
    run(cli, capsys, monkeypatch, "--walk", "1,7", "--frames", "3", "--fps", "5", name)
    command = again(name, capsys, monkeypatch)
    assert "--walk 1,7 --frames 3 --fps 5 --upscale 32" in command


def test_a_folder_comes_again(workplace: Path, capsys, monkeypatch) -> None:
    run(cli, capsys, monkeypatch, "--seeds", "2,5", "pictures")
    again("pictures", capsys, monkeypatch)
    assert {path.name: path.read_bytes() for path in Path("again").glob("*.png")} == {
        path.name: path.read_bytes() for path in Path("pictures").glob("*.png")
    }


def test_a_folder_of_sheets_is_no_drawing(workplace: Path, capsys, monkeypatch) -> None:
    """It would answer for one of them."""
    (workplace / "out").mkdir()
    run(cli, capsys, monkeypatch, "--n", "4", "out/some.png")
    code, _, err = run(gan, capsys, monkeypatch, "info", "out")
    assert (code, "out is no bundle" in err) == (3, True)


def test_a_folder_with_the_name_of_a_bundle_names_it(workplace: Path, capsys, monkeypatch) -> None:
    (workplace / "tiny").mkdir()
    code, _, err = run(gan, capsys, monkeypatch, "info", "tiny")
    assert (code, err) == (3, "gan: the folder tiny here is no bundle: for the bundle of that name: artifacts/tiny\n")


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("raw.npy", b"\x93NUMPY", "has no room for metadata"),
        ("broken.tar", b"no tar", "cannot be read"),
        ("broken.npz", b"no zip", "cannot be read"),
        ("broken.mp4", b"no film", "cannot be read"),
    ],
)
def test_a_file_that_tells_nothing_is_refused(name: str, data: bytes, words: str, workplace: Path, capsys, monkeypatch) -> None:
    Path(name).write_bytes(data)
    code, out, err = run(gan, capsys, monkeypatch, "info", name)
    assert (code, out) == (3, "")
    assert words in err


def test_a_picture_of_models_names_its_bundle(workplace: Path, capsys, monkeypatch) -> None:
    """Without --bundle the command would draw the newest under artifacts/, another model."""
    make_tiny_bundle(workplace / "models" / "striped", name="striped")
    run(cli, capsys, monkeypatch, "--bundle", "models/striped", "--n", "2", "out.png")
    command = again("out.png", capsys, monkeypatch)
    assert Path("again.png").read_bytes() == Path("out.png").read_bytes()
    assert "--bundle striped " in command


def test_bundles_with_the_same_model_are_all_named(workplace: Path, capsys, monkeypatch) -> None:
    shutil.copytree("artifacts/tiny", "artifacts/copy")
    run(cli, capsys, monkeypatch, "--bundle", "artifacts/copy", "--n", "2", "out.png")
    _, out, _ = run(gan, capsys, monkeypatch, "info", "out.png")
    assert "The same model is also in " in out


def test_a_name_that_means_another_bundle_first_is_no_name(workplace: Path, capsys, monkeypatch) -> None:
    make_tiny_bundle(workplace / "artifacts" / "fashion", name="mine")
    run(cli, capsys, monkeypatch, "--bundle", str(EMBEDDED / "fashion"), "--n", "4", "out.png")
    again("out.png", capsys, monkeypatch)
    assert Path("again.png").read_bytes() == Path("out.png").read_bytes()


def test_list_names_every_bundle_and_the_one_drawn_by_default(workplace: Path, capsys, monkeypatch) -> None:
    code, out, _ = run(gan, capsys, monkeypatch, "list", "--json")
    rows = json.loads(out)
    assert code == 0
    assert [(row["bundle"], row["default"]) for row in rows] == [("tiny", True), ("fashion", False)]
    assert "drawn where none is named" in run(gan, capsys, monkeypatch, "list")[1].splitlines()[0]


def test_gan_alone_is_its_help_and_it_knows_its_version(capsys, monkeypatch) -> None:
    code, out, _ = run(gan, capsys, monkeypatch)
    assert (code, "Commands:" in out) == (0, True)
    assert run(gan, capsys, monkeypatch, "--version")[:2] == (0, f"gan {gansample.__version__}\n")
