"""`gansample` as a user types it: pictures, streams, refusals and exit codes."""

import io
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gansample.outputs.metadata import read_metadata
from tests.support.processes import Command, listen_to_interrupts


def test_a_grid(gansample: Command, tiny_bundle: Path, tmp_path: Path) -> None:
    done = gansample("--n", 64, "--bundle", tiny_bundle, "out.png")
    assert done.returncode == 0, done.stderr
    assert done.stdout == b""
    assert b"64 pictures of tiny in out.png (onnx-fp32 on onnxruntime-cpu" in done.stderr
    with Image.open(tmp_path / "out.png") as image:
        assert image.size == (8 * (8 * 8 + 2) + 2,) * 2  # every pixel eight times: 512 is the least to look at
    metadata = read_metadata(tmp_path / "out.png")
    assert metadata["seeds"] == "0-63"
    assert metadata["grid"] == "8x8"
    assert len(metadata["model_sha256"]) == 64
    assert [path.name for path in tmp_path.iterdir()] == ["out.png"]


def test_two_runs_give_the_same_file(gansample: Command, tiny_bundle: Path, tmp_path: Path) -> None:
    for name, batch in (("a.png", 1), ("b.png", 64)):
        gansample("--seeds", "5,1-3", "--batch", batch, "--bundle", tiny_bundle, name)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_the_newest_bundle_is_the_default(gansample: Command, tiny_bundle: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_bundle, tmp_path / "artifacts" / "tiny")
    assert gansample("--n", 1, "out.png").returncode == 0
    assert read_metadata(tmp_path / "out.png")["model"] == "tiny"


def test_without_any_bundle_the_embedded_one_draws(gansample: Command, tmp_path: Path) -> None:
    done = gansample("--class", "sneaker", "--n", 16, "shoes.png")
    assert done.returncode == 0, done.stderr
    assert read_metadata(tmp_path / "shoes.png")["model"] == "fashion"


def test_a_bundle_goes_by_its_name(gansample: Command, tiny_bundle: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_bundle, tmp_path / "artifacts" / "tiny")
    shutil.copytree(tiny_bundle, tmp_path / "models" / "other")
    for name, model in (("tiny", "tiny"), ("other", "tiny"), ("fashion", "fashion")):
        assert gansample("--bundle", name, "--n", 1, f"{name}.png").returncode == 0
        assert read_metadata(tmp_path / f"{name}.png")["model"] == model
    done = gansample("--bundle", "fashon", "--n", 1, "x.png")
    assert done.stderr.decode() == "gansample: no bundle at fashon: did you mean fashion?\n"
    done = gansample("--bundle", "zzz", "--n", 1, "x.png")
    assert done.stderr.decode() == "gansample: no bundle at zzz: choose fashion, other, tiny\n"


def test_weights_are_sent_to_the_exporter(gansample: Command, tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    weights = tmp_path / "runs" / "generator.safetensors"
    weights.touch()
    for path in (weights, weights.parent):
        done = gansample("--bundle", path, "out.png")
        assert done.returncode == 3
        assert f"is no bundle: export it: python -m export {path}" in done.stderr.decode()


def test_stdout_is_only_the_picture(gansample: Command, tiny_bundle: Path) -> None:
    done = gansample("--n", 4, "--bundle", tiny_bundle, "-")
    assert Image.open(io.BytesIO(done.stdout)).size == (2 * (8 * 32 + 2) + 2,) * 2


def test_a_terminal_gets_no_bytes(tiny_bundle: Path) -> None:
    pty = pytest.importorskip("pty")
    master, slave = pty.openpty()
    command = [sys.executable, "-m", "gansample", "--n", "1", "--bundle", str(tiny_bundle), "-"]
    done = subprocess.run(command, stdout=slave, stderr=subprocess.PIPE, timeout=60)
    os.close(slave)
    os.close(master)
    assert (done.returncode, b"stdout is a terminal" in done.stderr) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ("--outdir=pictures --seeds=0-3 --network {bundle}", 0, "4 pictures of tiny in pictures"),
        (
            "--outdir pictures --seeds 0-3 --trunc=0.7 --network={bundle}",
            2,
            "--psi is about a mapping from latents to styles, and tiny has none",
        ),
        ("--outdir=pictures --noise-mode=const --bundle={bundle}", 2, "--noise-mode is stylegan3's"),
    ],
)
def test_habits_from_stylegan3(
    arguments: str, code: int, words: str, gansample: Command, tiny_bundle: Path, tmp_path: Path
) -> None:
    done = gansample(*arguments.format(bundle=tiny_bundle).split())
    assert (done.returncode, words in done.stderr.decode()) == (code, True), done.stderr
    assert len(list(tmp_path.glob("pictures/*.png"))) == (4 if code == 0 else 0)


def test_a_walk_between_classes_says_that_it_keeps_one(gansample: Command, tiny_classes_bundle: Path) -> None:
    done = gansample("--bundle", tiny_classes_bundle, "--walk", "1,2", "--frames", 2, "--json", "walk.gif")
    (note,) = json.loads(done.stdout)["notes"]
    assert "every picture is of class bee, seed 1's" in note
    for arguments in (("--walk", "1,4"), ("--walk", "1,2", "--class", "cat"), ("--seeds", "1,2"), ("--around", 1)):
        done = gansample("--bundle", tiny_classes_bundle, *arguments, "--json", "--force", "walk.gif")
        assert json.loads(done.stdout)["notes"] == []


def test_json_is_only_json(gansample: Command, tiny_bundle: Path) -> None:
    report = json.loads(gansample("--n", 4, "--bundle", tiny_bundle, "--json", "out.png").stdout)
    assert (report["n"], report["backend"], report["variant"]) == (4, "onnxruntime-cpu", "onnx-fp32")


def test_quiet_is_quiet(gansample: Command, tiny_bundle: Path) -> None:
    done = gansample("--n", 1, "--bundle", tiny_bundle, "--quiet", "out.png")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_single_pictures_equal_those_of_the_library(gansample: Command, tiny_bundle: Path, tmp_path: Path) -> None:
    from gansample import open_sampler

    assert gansample("--seeds", "3,4294967295", "pictures", "--bundle", tiny_bundle).returncode == 0
    names = sorted(path.name for path in (tmp_path / "pictures").glob("*.png"))
    assert names == ["seed0000003.png", "seed4294967295.png"]
    with open_sampler(tiny_bundle) as sampler:
        expected = sampler.sample([3])[0]
    assert np.array_equal(np.array(Image.open(tmp_path / "pictures" / names[0])), expected)
    again = gansample("--seeds", "2-3", "pictures", "--bundle", tiny_bundle)
    assert again.returncode == 5
    assert not (tmp_path / "pictures" / "seed0000002.png").exists()
    assert gansample("--seeds", "2-3", "pictures", "--bundle", tiny_bundle, "--force").returncode == 0


def test_version_and_help_need_nothing_heavy(gansample: Command) -> None:
    code = "import sys; sys.argv[1:] = [{!r}]\nfrom gansample.cli.gansample import main\n"
    code += "try:\n    main()\nexcept SystemExit:\n    pass\n"
    code += "heavy = {{'numpy', 'PIL', 'onnxruntime', 'torch', 'gradio', 'rich'}} & set(sys.modules)\nassert not heavy, heavy"
    for flag in ("--version", "--help"):
        done = subprocess.run([sys.executable, "-c", code.format(flag)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    assert gansample("--version").stdout.startswith(b"gansample 0.")


REFUSALS = [
    # arguments, exit code, words
    ("--n 0 OUT", 2, "ask for at least 1 picture"),
    ("--n -3 OUT", 2, "--n is -3"),
    ("--n many OUT", 2, "--n"),
    ("--n 1e3 OUT", 2, "--n"),
    ("--n 99999999999 OUT", 2, "runs past the last seed"),
    ("--n 2000000000 d", 2, "2,000,000,000 pictures are more than"),
    ("--n 9000000 OUT", 2, "into a folder or a .tar"),
    ("--seed -1 OUT", 2, "seed -1 is outside"),
    ("--seed 4294967296 OUT", 2, "outside 0..4294967295"),
    ("--seed 4294967295 --n 2 OUT", 2, "past the last seed"),
    ("--seeds 3-1 OUT", 2, "runs backwards"),
    ("--seeds 4294967296 OUT", 2, "outside"),
    ("--seeds 1 --n 2 OUT", 2, "leave out --n"),
    ("--grid 2x2 --n 5 OUT", 2, "holds 4 pictures"),
    ("--batch 0 OUT", 2, "--batch"),
    ("--truncation 0 OUT", 2, "truncation is 0.0"),
    ("--truncation -1 OUT", 2, "truncation is -1.0"),
    ("--truncation nan OUT", 2, "truncation is nan"),
    ("--precision quick OUT", 2, "choose exact or fast"),
    ("--class sneaker OUT", 2, "no classes"),
    ("--walk 1 OUT", 2, "at least two"),
    ("--walk 1,2 --n 3 OUT", 2, "leave out --n"),
    ("--frames 3 OUT", 2, "add --walk"),
    ("--around 7 --radius 2 OUT", 2, "--radius is 2"),
    ("--mix 3++4 OUT", 2, "cannot read"),
    ("--latents absent.npy OUT", 3, "is missing"),
    ("--latents taken.png OUT", 3, "no .npy file"),
    ("--upscale 65 OUT", 2, "--upscale"),
    ("--format bmp OUT", 2, "unknown --format"),
    ("--format mpp4 OUT", 2, "did you mean mp4"),
    ("--format zip -", 2, "cannot go to stdout"),
    ("--resume OUT", 2, "written whole or not at all"),
    ("--shard 5 OUT", 2, "--shard cannot apply to a .png: leave it out, or write a .tar"),
    ("--seeds 1,1 d", 2, "asked for twice"),
    ("--seeds 1,0-3 out.tar", 2, "asked for twice"),
    ("--walk 0-99 --frames 100 out.gif", 2, "too many for a .gif"),
    ("--backend abacus OUT", 4, "unknown backend"),
    ("--backend openvno OUT", 4, "did you mean openvino?"),
    ("--sed 3 OUT", 2, "--seed"),
    ("", 2, "say where the pictures go"),
    ("out.bmp", 2, ".png"),
    ("--json -", 2, "share stdout"),
    ("missing/out.png", 5, "mkdir -p missing"),
    ("missing/d", 5, "mkdir -p missing"),
    ("taken.png", 5, "--force"),
    ("--bundle fashoin taken.png", 3, "did you mean fashion"),
    ("--class sneaker taken.png", 2, "no classes"),
    ("--grid 2x2 --n 5 taken.png", 2, "holds 4 pictures"),
    ("--backend openvno taken.png", 4, "did you mean openvino"),
    ("--latents absent.npy taken.png", 3, "is missing"),
    ("--n 9000000 taken.png", 2, "into a folder or a .tar"),
    ("--seeds 1,1 --format zip taken.png", 2, "asked for twice"),
    ("folder.png", 5, "is a folder"),
    ("--format folder taken.png", 5, "no folder"),
    ("--bundle nowhere OUT", 3, "no bundle at nowhere"),
    ("--bundle taken.png OUT", 3, "taken.png is no bundle, and no ONNX file but a .png file"),
    ("--bundle fashoin OUT", 3, "did you mean fashion?"),
    ("--bundle artifacts/fashoin OUT", 3, "did you mean fashion?"),
    ("--bundle empty.onnx OUT", 3, "is empty"),
]  # fmt: skip


@pytest.mark.parametrize(("arguments", "code", "words"), REFUSALS)
def test_refusals(arguments: str, code: int, words: str, gansample: Command, tiny_bundle: Path, tmp_path: Path) -> None:
    Image.new("L", (2, 2)).save(tmp_path / "taken.png")
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "empty.onnx").touch()
    before = sorted(tmp_path.iterdir())
    words_given = arguments.replace("OUT", "out.png").split()
    if "--bundle" not in words_given:
        words_given += ["--bundle", str(tiny_bundle)]
    done = gansample(*words_given)
    message = done.stderr.decode()
    assert done.returncode == code, message
    assert words in message
    assert message.startswith("gansample: ")
    assert message.count("\n") == 1, "an error is one line"
    assert done.stdout == b""
    assert sorted(tmp_path.iterdir()) == before, "nothing was written"


def test_an_unwritable_folder_is_refused(gansample: Command, tiny_bundle: Path, tmp_path: Path) -> None:
    if os.geteuid() == 0:  # root may write anywhere but into the kernel's own tree
        done = gansample("--n", 1, "--bundle", tiny_bundle, "/proc/self/out.png")
    else:
        (tmp_path / "locked").mkdir(mode=0o500)
        done = gansample("--n", 1, "--bundle", tiny_bundle, "locked/out.png")
    assert done.returncode == 5
    assert b"cannot write" in done.stderr


def _no_room() -> None:
    """As on a full disk, the kernel refuses every byte past the first 100 of any file."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))


@pytest.mark.parametrize("target", ["out.png", "pictures"])
def test_a_full_disk_leaves_nothing_half_written(gansample: Command, tiny_bundle: Path, tmp_path: Path, target: str) -> None:
    (tmp_path / "out.png").write_bytes(b"the old picture")
    done = gansample("--n", 9, "--bundle", tiny_bundle, "--force", target, preexec_fn=_no_room)
    assert done.returncode == 5, done.stderr
    assert b"cannot write" in done.stderr
    assert (tmp_path / "out.png").read_bytes() == b"the old picture"
    assert {path.name for path in tmp_path.rglob("*")} <= {"out.png", "pictures"}


def test_a_closed_pipe_is_no_traceback(gansample: Command, tiny_bundle: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "gansample", "--n", "64", "--bundle", str(tiny_bundle), "-"]
    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, timeout=60, check=False)
    os.close(writer)
    assert done.returncode == 5
    assert done.stderr.count(b"\n") == 1, done.stderr


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("out", ["d", "out.npz", "out.zip", "out.png"])
def test_signals_leave_complete_files_only(
    tiny_bundle: Path, tmp_path: Path, number: signal.Signals, code: int, out: str
) -> None:
    command = [sys.executable, "-m", "gansample", "--n", "1000000", "--bundle", str(tiny_bundle), out]
    process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, preexec_fn=listen_to_interrupts)
    while not list(tmp_path.glob("d/seed*.png")) and not list(tmp_path.glob(".out*")):
        assert process.poll() is None, process.stderr and process.stderr.read()
    process.send_signal(number)
    process.send_signal(number)  # as terminals and timeout(1) do
    _, message = process.communicate(timeout=30)
    assert process.returncode == code
    assert message.count(b"\n") == 1, message
    for path in tmp_path.rglob("*.*"):
        assert path.match("d/seed*.png") or path.match("d/.gansample-*.json"), "no temporary file stays"
        if path.suffix == ".png":
            with Image.open(path) as image:
                image.load()


def test_debug_shows_the_traceback(gansample: Command) -> None:
    done = gansample("--bundle", "nowhere", "--debug", "out.png")
    assert b"Traceback" in done.stderr
