"""Two processes on one machine train one generator, and a lost one loses nothing but time."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from gansample.errors import UsageError
from tests.test_train_cli import ENVIRONMENT, SMALL
from train.checkpoint import WEIGHTS, load_generator
from train.group import Group
from train.resume import read_state, states_of

TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-addr", "127.0.0.1"]
SHORT = ["--images", "1280", "--set", "batch=32", "--conditional", *SMALL]


def torchrun(folder: Path, port: int, *arguments: str) -> subprocess.Popen[str]:
    command = [*TORCHRUN, "--master-port", str(port), "-m", "train", *arguments]
    environment = {**ENVIRONMENT, "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=folder, env=environment, stdout=pipe, stderr=pipe, text=True, start_new_session=True)


@pytest.fixture
def port() -> int:
    import socket

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        number: int = free.getsockname()[1]
    return number


@pytest.mark.slow
def test_two_processes_train_one_generator(tmp_path: Path, port: int) -> None:
    process = torchrun(tmp_path, port, "--out", "run", *SHORT)
    _, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    info = load_generator(tmp_path / "run").info
    assert info["finished"] is True
    assert info["trained"] == {"step": 40, "images_seen": 1280, "of": 1280}
    assert json.loads((tmp_path / "run/config.json").read_text())["processes"] == 2
    streams = read_state(states_of(tmp_path / "run")[0])["training"]["random"]
    assert len(streams) == 2
    assert not torch.equal(streams[0][0], streams[1][0]), "each draws latents of its own"
    assert err.count("done after") == 1, "one of them speaks"


@pytest.mark.slow
def test_a_lost_process_ends_the_run_and_the_resumed_one_is_the_same(tmp_path: Path, port: int) -> None:
    """Kill one of two in the middle: the other ends too, the state is good, and the end is that of a run never disturbed."""
    straight = torchrun(tmp_path, port, "--out", "straight", *SHORT)
    straight.communicate(timeout=300)
    assert straight.returncode == 0
    (tmp_path / "sitecustomize.py").write_text(
        "import os, signal, sys\n"
        "if os.environ.get('RANK') == '1':\n"
        "    import threading, time, pathlib\n"
        "    def end():\n"
        "        while not list(pathlib.Path('killed/states').glob('*2[0-9].state')): time.sleep(0.001)\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "    threading.Thread(target=end, daemon=True).start()\n"
    )
    environment = {**ENVIRONMENT, "PYTHONPATH": f"{tmp_path}:{ENVIRONMENT['PYTHONPATH']}", "OMP_NUM_THREADS": "1"}
    command = [*TORCHRUN, "--master-port", str(port), "-m", "train", "--out", "killed", "--save-seconds", "0", *SHORT]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode != 0
    (tmp_path / "sitecustomize.py").unlink()
    assert load_generator(tmp_path / "killed").info["finished"] is False
    resumed = torchrun(tmp_path, port, "--resume", "killed")
    _, err = resumed.communicate(timeout=300)
    assert resumed.returncode == 0, err
    assert (tmp_path / "killed" / WEIGHTS).read_bytes() == (tmp_path / "straight" / WEIGHTS).read_bytes()


@pytest.mark.slow
def test_an_interrupt_ends_both_with_a_state(tmp_path: Path, port: int) -> None:
    process = torchrun(tmp_path, port, "--out", "run", "--images", "100000000", *SMALL)
    until = time.monotonic() + 200
    while not states_of(tmp_path / "run"):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=200)
    assert process.returncode != 0
    assert "go on with: python -m train --resume run" in err
    assert states_of(tmp_path / "run")


def test_a_batch_that_cannot_be_shared_is_refused() -> None:
    with pytest.raises(UsageError, match="a batch of 15 cannot be shared by 2 processes"):
        Group(0, 2).check(15)


def test_the_parts_of_a_batch_are_the_batch() -> None:
    batch = torch.arange(12)
    parts = torch.cat([Group(rank, 3).part(batch) for rank in range(3)])
    assert torch.equal(parts.sort().values, batch)


def test_a_group_of_one_changes_nothing() -> None:
    group, tensor = Group(), torch.tensor([1.0, 2.0])
    group.average([tensor])
    assert tensor.tolist() == [1.0, 2.0]
    assert group.any(True, False) == (True, False)
    assert group.gather(3) == [3]
    assert group.from_first(4) == 4
