"""A run that was killed goes on as if nothing had happened, bit for bit, and never from a damaged state."""

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gansample.errors import ArtefactError, OutputError
from gansample.system import atomic
from tests.support.logs import logged
from tests.support.run_training import ENVIRONMENT, SMALL, start, train
from tests.support.tiny_training import tiny_config, tiny_trainer
from train.checkpoint import WEIGHTS
from train.interruption import Interruption
from train.run_folder import RunFolder
from train.state_files import FOLDER, load_newest_state, read_state, state_paths, write_state

SHORT = [
    "--images",
    "1280",
    "--set",
    "batch=32",
    "--conditional",
    "--set",
    "augment_target=0.6",
    "--out",
    "run",
    *SMALL,
]  # 40 steps
KILLED_AT_20 = """
import os, signal, train.trainer
observe = train.trainer.Trainer._after_step
def observed(self, seen):
    observe(self, seen)
    if self.state.step == 20:
        os.kill(os.getpid(), signal.SIGKILL)
train.trainer.Trainer._after_step = observed
from train.cli import main
main()
"""


def test_forty_steps_straight_and_twenty_kill_twenty_are_the_same(tmp_path: Path) -> None:
    straight, killed = tmp_path / "straight", tmp_path / "killed"
    straight.mkdir()
    killed.mkdir()
    assert train(straight, *SHORT)[0] == 0
    command = [sys.executable, "-c", KILLED_AT_20, "--save-seconds", "0", *SHORT]
    done = subprocess.run(command, cwd=killed, env=ENVIRONMENT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert state_paths(killed / "run")[0].name == "000000019.state", "the twentieth step was not saved and is done again"
    code, _, err = train(killed, "--resume", "run")
    assert code == 0, err
    assert (killed / "run" / WEIGHTS).read_bytes() == (straight / "run" / WEIGHTS).read_bytes()
    first, second = (read_state(state_paths(folder / "run")[0])["training"] for folder in (straight, killed))
    assert str(first) == str(second)
    logs = [[strip(line) for line in (folder / "run/log.jsonl").read_text().splitlines()] for folder in (straight, killed)]
    assert logs[0] == logs[1], "the log tells one story"


def stopped(folder: Path, where: str, how: str) -> subprocess.CompletedProcess[str]:
    """SHORT, in which that function ends the process or finds the disk full."""
    module, _, name = where.rpartition(".")
    code = f"""
import importlib, os, signal
owner = importlib.import_module({module!r})
def end(*arguments, **options):
    {how}
setattr(owner, {name!r}, end)
from train.cli import main
main()
"""
    command = [sys.executable, "-c", code, *SHORT]
    return subprocess.run(command, cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, timeout=300, check=False)


KILL = "os.kill(os.getpid(), signal.SIGKILL)"
FULL = "raise OSError(28, 'No space left on device')"


@pytest.mark.slow
@pytest.mark.parametrize(("where", "how"), [("train.run.Evaluator", FULL), ("train.checkpointer.write_state", KILL)])
def test_a_run_that_ended_before_its_first_state_begins_with_its_first_step(tmp_path: Path, where: str, how: str) -> None:
    straight, ended = tmp_path / "straight", tmp_path / "ended"
    straight.mkdir()
    ended.mkdir()
    assert train(straight, *SHORT)[0] == 0
    done = stopped(ended, where, how)
    assert done.returncode == (-signal.SIGKILL if how == KILL else 5), done.stderr
    assert not state_paths(ended / "run")
    code, _, err = train(ended, *SHORT)
    assert (code, "continue it with --resume run" in err) == (5, True)
    code, _, err = train(ended, "--resume", "run")
    assert (code, "starting at the first step" in err) == (0, True), err
    assert (ended / "run" / WEIGHTS).read_bytes() == (straight / "run" / WEIGHTS).read_bytes()
    logs = [[strip(line) for line in (folder / "run/log.jsonl").read_text().splitlines()] for folder in (straight, ended)]
    assert logs[0] == logs[1]


@pytest.mark.parametrize(
    ("step", "kept", "begun"),
    [(0, {}, False), (0, {"trained": {"step": 0}}, False), (1, {}, True), (0, {"trained": {"step": 3}}, True)],
)
def test_a_run_whose_states_were_deleted_has_begun(tmp_path: Path, step: int, kept: dict[str, object], begun: bool) -> None:
    (tmp_path / "log.jsonl").write_text(json.dumps({"event": "scores", "step": step}) + "\n")
    if kept:
        (tmp_path / "checkpoint.json").write_text(json.dumps(kept))
    assert RunFolder(tmp_path).has_not_begun() is not begun


@pytest.mark.parametrize("how", [KILL, FULL])
def test_a_folder_in_which_nothing_was_written_is_taken_by_the_same_command(tmp_path: Path, how: str) -> None:
    done = stopped(tmp_path, "train.run.load_data", how)
    assert done.returncode == (-signal.SIGKILL if how == KILL else 5), done.stderr
    code, _, err = train(tmp_path, "--resume", "run")
    assert code == 3
    assert "repeat the command that began it" in err
    assert train(tmp_path, *SHORT)[0] == 0


def strip(line: str) -> dict[str, object]:
    return {name: value for name, value in json.loads(line).items() if name != "time"}


def test_an_interrupted_run_is_resumed_by_the_command_it_prints(tmp_path: Path) -> None:
    process = start(tmp_path, "--out", "run", "--images", "100000000", *SMALL)
    until = time.monotonic() + 120
    while not state_paths(tmp_path / "run"):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until
        time.sleep(0.05)
    code, _, err = train(tmp_path, "--resume", "run")
    assert (code, err) == (2, "train: another process is training in run: wait for it, or stop it first\n")
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 143
    assert "resume with: python -m train --resume run" in err


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """A run of twenty steps with two states."""
    trainer = tiny_trainer(tmp_path / "run")
    trainer.fit(Interruption())
    trainer.run.close()
    return tmp_path / "run"


def test_the_last_two_are_kept_and_nothing_else(saved: Path) -> None:
    folder = RunFolder(saved)
    for step in (30, 40, 50):
        write_state(folder, step, {"step": step})
    assert [path.name for path in state_paths(saved)] == ["000000050.state", "000000040.state"]
    assert load_newest_state(saved) == {"step": 50}


@pytest.mark.parametrize("damage", [lambda data: data[:-7], lambda data: data[:200] + b"x" + data[201:], lambda data: b""])
def test_a_damaged_state_is_named_and_the_one_before_is_taken(saved: Path, damage: object) -> None:
    newest, before = state_paths(saved)
    newest.write_bytes(damage(newest.read_bytes()))  # type: ignore[operator]
    said: list[str] = []
    with logged(said):
        assert str(load_newest_state(saved)["training"]) == str(read_state(before)["training"])
    assert newest.name in said[0]
    before.write_bytes(b"gone")
    with pytest.raises(ArtefactError, match=r"no training state to resume from \(none of 2 is whole\)"):
        load_newest_state(saved)


def test_any_flipped_bit_is_seen(saved: Path) -> None:
    path = state_paths(saved)[0]
    intact = path.read_bytes()
    for position in range(0, len(intact), max(1, len(intact) // 61)):
        damaged = bytearray(intact)
        damaged[position] ^= 1 << position % 8
        path.write_bytes(damaged)
        with pytest.raises(ArtefactError):
            read_state(path)


def test_a_full_disk_keeps_the_last_good_state(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = state_paths(saved)

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(atomic.os, "fsync", full)
    with pytest.raises(OutputError, match="the disk is full"):
        write_state(RunFolder(saved), 99, {"step": 99})
    monkeypatch.undo()
    assert state_paths(saved) == before
    assert not list((saved / FOLDER).glob(".*"))


def test_a_run_goes_on_only_as_the_run_it_was(tmp_path: Path) -> None:
    assert train(tmp_path, *SHORT)[0] == 0
    path = tmp_path / "run/config.json"
    config = json.loads(path.read_text())

    def resumed(**changes: object) -> tuple[int, str]:
        path.write_text(json.dumps(config | changes))
        code, _, err = train(tmp_path, "--resume", "run")
        return code, err

    code, err = resumed(data={**config["data"], "fingerprint": "0" * 64})
    assert code == 2
    assert "digits has changed: fingerprint" in err
    assert "pass --force to continue with these" in err
    assert resumed(processes=2) == (
        2, "train: run was trained by 2 processes, not 1: start as many: each has a random stream of its own\n"
    )  # fmt: skip
    code, err = resumed(config={"width": 3})
    assert code == 3
    assert "config.json is not from this version" in err
    path.write_text(json.dumps(config))
    shutil.rmtree(tmp_path / "run/states")
    code, _, err = train(tmp_path, "--resume", "run")
    assert code == 3
    assert "run has no training state to resume from (it holds none)" in err
    code, _, err = train(tmp_path, "--resume", "elsewhere")
    assert code == 3
    assert "elsewhere is no run" in err


def test_another_classifier_scores_the_kept_generator_anew(tmp_path: Path) -> None:
    """A newer version may judge in another space, where the old scores mean nothing."""
    trainer = tiny_trainer(tmp_path / "run", tiny_config(select="best"))
    trainer.fit(Interruption())
    state = load_newest_state(tmp_path / "run")
    state["judge"] = "another"
    state["best"]["kernel"] = -1e9
    other = tiny_trainer(tmp_path / "other", tiny_config(select="best"))
    other.load_state(state)
    assert other.selector.best is not None
    assert other.selector.best.kernel > -1e9
