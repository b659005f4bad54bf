"""`python -m train` as a person meets it: quick help, one-line refusals, and signals that end in a usable checkpoint."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.main import get_command

from tests.support.run_training import ENVIRONMENT, SMALL, start, train
from train.checkpoint import load_generator
from train.cli import RESUME_OPTIONS, app


def test_help_and_refusals_need_no_torch(tmp_path: Path) -> None:
    code = "import sys; sys.argv = ['train', {}]\ntry:\n import train.__main__\nfinally:\n assert 'torch' not in sys.modules"
    for arguments, expected in (("'--help'", 0), ("'--set', 'kernel=5'", 2), ("'--dry-run'", 0)):
        command = [sys.executable, "-c", code.format(arguments)]
        done = subprocess.run(command, env=ENVIRONMENT, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == expected, done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "code", "reason"),
    [
        (["--preset", "best"], 2, "train: unknown preset 'best': choose one of modern, classic"),
        (["--seed", "-1"], 2, "train: seed is -1: it must be in 0..4294967295"),
        (["--seed", "one"], 2, "train: Invalid value for '--seed'"),
        (["--images", "0"], 2, "train: images is 0"),
        (["--max-minutes", "0"], 2, "train: --max-minutes is 0.0: it must be above 0"),
        (["--max-minutes", "nan"], 2, "train: --max-minutes is nan"),
        (["--set", "kernel=5"], 2, "train: kernel 5 is not divisible by stride 2"),
        (["--set", "x=1"], 2, "train: cannot set 'x=1'"),
        (["--force"], 2, "train: --force without --resume: pass --resume RUN, or leave it out"),
        (["--resume", "run", "--images", "9"], 2, "train: --images with --resume: a run keeps the options it was started with"),
        (["--resume", "run", "--set", "batch=9", "--seed", "0"], 2, "train: --seed, --set with --resume"),
        (["--data", "photos", "evaluate"], 2, "train: --data before evaluate: write what evaluate takes after its name"),
        (["--quiet", "--json", "ablate"], 2, "train: --json, --quiet before ablate"),
        (["--fit", "pad"], 2, "train: --fit with digits: its pictures are square and opaque already"),
        (["--data-root", "x"], 2, "train: --data-root with digits: only mnist, fashion-mnist, cifar10 lie there"),
        (["evaluate", "--background", "red", "--data", "mnist"], 2, "train: --background with mnist"),
        (["ablate", "--data-root", "x", "--data", "photos"], 2, "train: --data-root with photos"),
        (["--out", "taken"], 5, "train: taken exists, and a run never writes over another"),
        (["--out", "file/run"], 5, "train: cannot write file/run"),
        (["--out", "/proc/run"], 5, "train: cannot write /proc/run"),
    ],
)
def test_refuses_in_one_line(arguments: list[str], code: int, reason: str, tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    (tmp_path / "file").touch()
    got, out, err = train(tmp_path, *arguments)
    assert got == code, err
    assert err.startswith(reason)
    assert err.count("\n") == 1
    assert out == ""


def test_every_option_that_a_resumed_run_cannot_honour_is_refused() -> None:
    """The list is closed: an option that is added to `train` is refused with --resume until somebody says otherwise."""
    command = get_command(app)
    options = {parameter.opts[0] for parameter in command.params}
    assert options >= RESUME_OPTIONS
    assert options - RESUME_OPTIONS == {
        "--data", "--image-size", "--conditional", "--preset", "--seed", "--images", "--max-minutes", "--precision", "--x-flip",
        "--channels", "--fit", "--background", "--labels", "--classes", "--out", "--set", "--tensorboard",
    }  # fmt: skip


def test_dry_run_prints_what_would_be_used(tmp_path: Path) -> None:
    code, out, _ = train(tmp_path, "--dry-run", "--preset", "classic", "--seed", "5", "--set", "batch=32")
    plan = json.loads(out)
    assert code == 0
    assert (plan["preset"], plan["seed"], plan["config"]["batch"], plan["max_minutes"]) == ("classic", 5, 32, 2.5)
    code, out, _ = train(tmp_path, "--dry-run", "--data", "photos", "--image-size", "64", "--conditional", "--x-flip")
    plan = json.loads(out)
    assert plan["request"]["source"] == "photos"
    assert (plan["config"]["image_size"], plan["config"]["conditional"], plan["config"]["x_flip"]) == (64, True, True)
    assert plan["max_minutes"] is None


def test_a_run_from_the_command_line(tmp_path: Path) -> None:
    code, out, err = train(tmp_path, "--images", "640", "--json", *SMALL)
    assert code == 0, err
    result = json.loads(out)
    run = tmp_path / result["run"]
    assert result["run"] == "runs/0001-digits-modern"
    assert result["finished"] is True
    config = json.loads((run / "config.json").read_text())
    assert config["command"] == f"python -m train --images 640 --json {' '.join(SMALL)}"
    assert config["config"]["g_width"] == 8
    assert load_generator(run).info["config"] == config["config"]
    assert "held-out" in err
    assert "real" in err
    assert "\x1b" not in err, "no control characters off a terminal"


def test_evaluate_and_ablate_refuse_in_one_line(tiny_bundle: Path, tmp_path: Path) -> None:
    code, _, err = train(tmp_path, "evaluate", "--bundle", str(tiny_bundle))
    assert (code, err.count("\n")) == (2, 1), err
    assert "tiny draws 8×8 pixels with 3 channels, digits holds 8×8 pixels with 1 channel" in err
    assert train(tmp_path, "evaluate", "--bundle", "nowhere")[0] == 3
    code, _, err = train(tmp_path, "ablate", "--data", "nowhere")
    assert (code, err) == (3, "train: no data at nowhere: pass a folder, .tar, .zip, .npz or IDX file, or one of digits, "
                           "mnist, fashion-mnist, cifar10\n")  # fmt: skip


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_leaves_a_usable_checkpoint(number: signal.Signals, code: int, tmp_path: Path) -> None:
    process = start(tmp_path, "--out", "run", "--images", "100000000", *SMALL)
    log = tmp_path / "run/log.jsonl"
    until = time.monotonic() + 120
    while not (log.exists() and "losses" in log.read_text()):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until
        time.sleep(0.05)
    process.send_signal(number)
    _, err = process.communicate(timeout=120)
    assert process.returncode == code, err
    assert "interrupted" in err
    info = load_generator(tmp_path / "run").info
    assert info["finished"] is False
    assert info["trained"]["step"] >= 25
    assert [path.name for path in (tmp_path / "run").glob(".*")] == [".lock"], "nothing half-written stays"
