"""Two processes on one machine train one generator, and a lost one loses nothing but time."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from gansample.errors import UsageError
from tests.support.run_training import ENVIRONMENT, SMALL
from train.checkpoint import WEIGHTS, load_generator
from train.distributed import ProcessGroup
from train.state_files import read_state, state_paths

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


def kill_rank_1(folder: Path, run: Path) -> None:
    """Whatever Python starts with `folder` on its path kills itself, if it is rank 1, once the run has come half way."""
    (folder / "sitecustomize.py").write_text(
        "import os, signal, sys\n"
        "if os.environ.get('RANK') == '1':\n"
        "    import threading, time, pathlib\n"
        "    def end():\n"
        f"        while not list(pathlib.Path({str(run / 'states')!r}).glob('*2[0-9].state')): time.sleep(0.001)\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "    threading.Thread(target=end, daemon=True).start()\n"
    )


@pytest.mark.slow
def test_two_processes_train_one_generator(tmp_path: Path, port: int) -> None:
    process = torchrun(tmp_path, port, "--out", "run", *SHORT)
    _, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    info = load_generator(tmp_path / "run").info
    assert info["finished"] is True
    assert info["trained"] == {"step": 40, "images_seen": 1280, "of": 1280}
    assert json.loads((tmp_path / "run/config.json").read_text())["processes"] == 2
    streams = read_state(state_paths(tmp_path / "run")[0])["training"]["random"]
    assert len(streams) == 2
    assert not torch.equal(streams[0][0], streams[1][0]), "each draws latents of its own"
    assert err.count("done after") == 1, "one of them speaks"


@pytest.mark.slow
def test_a_lost_process_ends_the_run_and_the_resumed_one_is_the_same(tmp_path: Path, port: int) -> None:
    """Kill one of two in the middle: the other ends too, the state is good, and the end is that of a run never disturbed."""
    straight = torchrun(tmp_path, port, "--out", "straight", *SHORT)
    straight.communicate(timeout=300)
    assert straight.returncode == 0
    kill_rank_1(tmp_path, tmp_path / "killed")
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


Host = tuple[list[str], str, str]
"""What runs a command there, its address, and the name of its network interface."""


@pytest.fixture(params=["loopback", "namespaces"])
def hosts(request: pytest.FixtureRequest) -> Iterator[list[Host]]:
    """Two machines: two addresses of this one, or two network namespaces joined by a cable, which only root may lay."""
    if request.param == "loopback":
        yield [([], "127.0.0.2", "lo"), ([], "127.0.0.3", "lo")]
        return
    names = [f"gan{os.getpid()}{side}" for side in "ab"]
    ip = shutil.which("ip", path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    if ip is None or any(subprocess.run([ip, "netns", "add", name], check=False).returncode for name in names):
        pytest.skip("NOT RUN: only root may make network namespaces")
    try:
        ends = [f"v{name[3:]}" for name in names]
        first, second = [f"{end} netns {name}".split() for end, name in zip(ends, names, strict=True)]
        subprocess.run([ip, "link", "add", *first, "type", "veth", "peer", "name", *second], check=True)
        hosts: list[Host] = []
        for name, end, address in zip(names, ends, ("10.77.0.1", "10.77.0.2"), strict=True):
            for words in (f"addr add {address}/24 dev {end}", f"link set {end} up", "link set lo up"):
                subprocess.run([ip, "-n", name, *words.split()], check=True)
            hosts.append(([ip, "netns", "exec", name], address, end))
        yield hosts
    finally:
        for name in names:
            subprocess.run([ip, "netns", "del", name], check=False)


def train_on(hosts: list[Host], folders: list[Path], port: int, *arguments: str) -> list[tuple[int, str]]:
    """One torchrun on each machine, from a folder of its own; exit code and stderr of each."""
    launchers = []
    for node, ((prefix, address, interface), folder) in enumerate(zip(hosts, folders, strict=True)):
        folder.mkdir(exist_ok=True)
        meeting = ["--nnodes", "2", "--node-rank", str(node), "--nproc-per-node", "1", "--local-addr", address]
        meeting += ["--master-addr", hosts[0][1], "--master-port", str(port)]
        environment = {
            **ENVIRONMENT,
            "PYTHONPATH": f"{folder}:{ENVIRONMENT['PYTHONPATH']}",
            "OMP_NUM_THREADS": "1",
            "GLOO_SOCKET_IFNAME": interface,
        }
        command = [*prefix, sys.executable, "-m", "torch.distributed.run", *meeting, "-m", "train", *arguments]
        pipe = subprocess.PIPE
        launchers.append(subprocess.Popen(command, cwd=folder, env=environment, stdout=pipe, stderr=pipe, text=True))
    return [(launcher.returncode, err) for launcher in launchers for _, err in [launcher.communicate(timeout=300)]]


@pytest.mark.slow
def test_two_machines_train_one_generator_and_one_may_be_lost(hosts: list[Host], tmp_path: Path, port: int) -> None:
    """They share the run's folder and nothing else; the resumed run ends with the weights of one that lost nobody."""
    folders = [tmp_path / "first", tmp_path / "second"]
    straight, killed = tmp_path / "shared" / "straight", tmp_path / "shared" / "killed"
    ended = train_on(hosts, folders, port, "--out", str(straight), *SHORT)
    assert [code for code, _ in ended] == [0, 0], ended
    kill_rank_1(folders[1], killed)
    ended = train_on(hosts, folders, port, "--out", str(killed), "--save-seconds", "0", *SHORT)
    assert all(code != 0 for code, _ in ended), ended
    (folders[1] / "sitecustomize.py").unlink()
    assert load_generator(killed).info["finished"] is False
    ended = train_on(hosts, folders, port, "--resume", str(killed))
    assert [code for code, _ in ended] == [0, 0], ended
    assert (killed / WEIGHTS).read_bytes() == (straight / WEIGHTS).read_bytes()


@pytest.mark.slow
def test_an_interrupt_ends_both_with_a_state(tmp_path: Path, port: int) -> None:
    process = torchrun(tmp_path, port, "--out", "run", "--images", "100000000", *SMALL)
    until = time.monotonic() + 200
    while not state_paths(tmp_path / "run"):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=200)
    assert process.returncode != 0
    assert "resume with: python -m train --resume run" in err
    assert state_paths(tmp_path / "run")


def test_a_batch_that_cannot_be_shared_is_refused() -> None:
    with pytest.raises(UsageError, match="a batch of 15 cannot be shared by 2 processes"):
        ProcessGroup(0, 2).check_batch(15)


def test_the_parts_of_a_batch_are_the_batch() -> None:
    batch = torch.arange(12)
    parts = torch.cat([ProcessGroup(rank, 3).shard(batch) for rank in range(3)])
    assert torch.equal(parts.sort().values, batch)


def test_a_group_of_one_changes_nothing() -> None:
    group, tensor = ProcessGroup(), torch.tensor([1.0, 2.0])
    group.all_reduce_mean([tensor])
    assert tensor.tolist() == [1.0, 2.0]
    assert group.any_process(True, False) == (True, False)
    assert group.all_gather(3) == [3]
    assert group.broadcast(4) == 4
