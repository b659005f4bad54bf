"""Whatever ends a long run, what stands under its name is whole, and --resume ends with the same bytes."""

import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gansample.bundle.seal import digest
from gansample.outputs.metadata import read_metadata
from tests.support.make_tiny_bundle import make_tiny_bundle
from tests.support.processes import Command, listen_to_interrupts

N = 150_000  # well over the two seconds after which a tar's journal speaks first, on a fast machine too
LIMIT = 1 << 20


def start(out: str, bundle: Path, folder: Path, *options: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "gansample", "--n", str(N), "--bundle", str(bundle), *options, out]
    return subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, preexec_fn=listen_to_interrupts)


def ended(process: subprocess.Popen[bytes]) -> tuple[int, str]:
    """Its exit code and what it said."""
    _, message = process.communicate(timeout=120)
    return process.returncode, message.decode()


def content(path: Path) -> str:
    """What two files are compared by: pytest would look for the difference of 120 MB until its time is over."""
    return digest(path.read_bytes())


def wait_for(happened: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    while not happened():
        assert process.poll() is None, process.stderr and process.stderr.read()
        time.sleep(0.01)


@pytest.fixture(scope="module")
def whole_tar(tiny_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("whole")
    assert ended(start("out.tar", tiny_bundle, folder))[0] == 0
    return content(folder / "out.tar")


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_tar_goes_on_to_the_same_bytes(number: signal.Signals, tiny_bundle: Path, tmp_path: Path, whole_tar: str) -> None:
    part, journal = tmp_path / "out.tar.part", tmp_path / "out.tar.part.json"
    process = start("out.tar", tiny_bundle, tmp_path)
    wait_for(lambda: part.exists() and part.stat().st_size > LIMIT, process)
    if number == signal.SIGKILL:  # the journal is two seconds behind at most: wait for its first word
        wait_for(lambda: b'"done": 0' not in journal.read_bytes(), process)
    process.send_signal(number)
    code, message = ended(process)
    assert not (tmp_path / "out.tar").exists()
    if number != signal.SIGKILL:
        assert code == 128 + number
        assert "--resume draws the rest" in message
        assert message.count("\n") == 1
    code, message = ended(start("out.tar", tiny_bundle, tmp_path))
    assert (code, "pass --resume to continue it" in message) == (5, True)
    code, message = ended(start("out.tar", tiny_bundle, tmp_path, "--resume", "--upscale", "2"))
    assert (code, "was begun with another upscale" in message) == (5, True)
    assert ended(start("out.tar", tiny_bundle, tmp_path, "--resume"))[0] == 0
    assert content(tmp_path / "out.tar") == whole_tar
    assert [path.name for path in tmp_path.iterdir()] == ["out.tar"]
    assert ended(start("out.tar", tiny_bundle, tmp_path, "--resume"))[0] == 0, "a finished run has nothing left to do"


def small(out: str, bundle: Path, *options: object, n: int = 200) -> list[object]:
    return ["--n", n, "--bundle", bundle, "--batch", 16, *options, out]


def test_shards_go_on_from_any_cut(gansample: Command, tiny_bundle: Path, tmp_path: Path) -> None:
    """As after a power failure: the part is cut anywhere past what the journal vouches for, or holds anything there."""
    whole, torn = tmp_path / "whole.tar", tmp_path / "torn.tar"
    assert gansample(*small(whole.name, tiny_bundle, "--shard", 75)).returncode == 0
    expected = {path.name: path.read_bytes() for path in tmp_path.glob("whole-*.tar")}
    stream = random.Random(0)
    for _ in range(4):
        done = gansample(*small(torn.name, tiny_bundle, "--shard", 75), preexec_fn=_room_for(stream.randrange(5_000, 90_000)))
        assert done.returncode == 5, done.stderr
        for part in tmp_path.glob("torn-*.part"):
            with part.open("ab") as file:
                file.write(stream.randbytes(3_000))
        done = gansample(*small(torn.name, tiny_bundle, "--shard", 75, "--resume"))
        assert done.returncode == 0, done.stderr
        got = {path.name.replace("torn", "whole"): path.read_bytes() for path in tmp_path.glob("torn-*")}
        assert got.keys() == expected.keys()
        assert got == expected
        for path in tmp_path.glob("torn*"):
            path.unlink()


def _room_for(size: int) -> Callable[[], None]:
    """As on a disk with so much room: the kernel refuses every byte of a file past `size`."""

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    return limit


def test_a_folder_goes_on_to_the_same_bytes(gansample: Command, tiny_bundle: Path, tmp_path: Path) -> None:
    assert gansample(*small("whole", tiny_bundle)).returncode == 0
    process = subprocess.Popen(
        [sys.executable, "-m", "gansample", *map(str, small("torn", tiny_bundle, n=200))], cwd=tmp_path, stderr=subprocess.PIPE
    )
    torn = tmp_path / "torn"
    wait_for(lambda: torn.is_dir() and len(list(torn.glob("seed*.png"))) > 10, process)
    process.kill()
    process.communicate()
    for path in sorted(torn.glob("seed*.png"))[:3]:
        path.write_bytes(path.read_bytes()[:40])  # after a power failure: the name is there, the end is not
    for path in sorted(torn.glob("seed*.png"))[-2:]:
        path.unlink()
    other = gansample(*small("torn", tiny_bundle, "--resume", "--truncation", 0.5))
    assert (other.returncode, b"is from another run" in other.stderr) == (5, True)
    assert b"--resume" in gansample(*small("torn", tiny_bundle)).stderr
    done = gansample(*small("torn", tiny_bundle, "--resume", "--json"))
    assert done.returncode == 0, done.stderr
    got, expected = ({path.name: path.read_bytes() for path in (tmp_path / name).iterdir()} for name in ("torn", "whole"))
    assert got == expected


def test_a_folder_never_takes_another_jobs_pictures_for_its_own(gansample: Command, tiny_bundle: Path, tmp_path: Path) -> None:
    assert gansample(*small("d", tiny_bundle, "--truncation", 0.5, n=20)).returncode == 0
    assert gansample(*small("d", tiny_bundle, n=30)).returncode == 5
    assert gansample(*small("d", tiny_bundle, "--resume", n=30)).returncode == 5, "the refusal left no claim on them"
    assert gansample(*small("d", tiny_bundle, "--force", n=30)).returncode == 0
    assert gansample(*small("d", tiny_bundle, "--truncation", 0.5, "--resume", n=20)).returncode == 0
    assert [read_metadata(tmp_path / f"d/seed00000{seed}.png").get("truncation") for seed in (19, 20)] == [0.5, None]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system with room for a megabyte."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("NOT RUN: a small file system can be mounted by root only")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("name", ["out.tar", "out.npz", "out.npy", "out.zip", "out.mp4", "pictures"])
def test_a_disk_that_fills_up(name: str, gansample: Command, tiny_bundle: Path, small_disk: Path) -> None:
    done = gansample("--n", 9000, "--bundle", tiny_bundle, small_disk / name)
    message = done.stderr.decode()
    assert done.returncode == 5, message
    assert "No space left on device" in message
    assert message.count("\n") == 1
    if name == "pictures":
        for path in (small_disk / name).glob("*.png"):
            assert read_metadata(path)["model"] == "tiny"
        assert "--resume" in message
    else:
        assert not (small_disk / name).exists()
        left = {path.name for path in small_disk.iterdir()}
        assert left <= {"out.tar.part", "out.tar.part.json"}


def test_a_tar_goes_on_once_there_is_room(gansample: Command, tiny_bundle: Path, small_disk: Path, tmp_path: Path) -> None:
    assert gansample("--n", 2000, "--bundle", tiny_bundle, "whole.tar").returncode == 0
    assert gansample("--n", 2000, "--bundle", tiny_bundle, small_disk / "out.tar").returncode == 5
    subprocess.run(["mount", "-o", "remount,size=20m", str(small_disk)], check=True)
    done = gansample("--n", 2000, "--bundle", tiny_bundle, "--resume", small_disk / "out.tar")
    assert done.returncode == 0, done.stderr
    assert content(small_disk / "out.tar") == content(tmp_path / "whole.tar")


@pytest.mark.parametrize("form", ["tar", "npy", "rgb24", "png"])
def test_a_reader_that_leaves(form: str, tiny_bundle: Path) -> None:
    command = [sys.executable, "-m", "gansample", "--n", "50000", "--bundle", str(tiny_bundle)]
    process = subprocess.Popen([*command, "--format", form, "-"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.read(1000)
    process.stdout.close()
    assert process.stderr is not None
    message = process.stderr.read()
    process.stderr.close()
    assert process.wait(60) == 5
    assert b"the reader has left" in message
    assert message.count(b"\n") == 1, message


def test_two_processes_do_not_write_one_tar(tiny_bundle: Path, gansample: Command, tmp_path: Path) -> None:
    process = start("out.tar", tiny_bundle, tmp_path)
    wait_for((tmp_path / "out.tar.part").exists, process)
    for option in ("--force", "--resume"):
        second = gansample("--n", N, "--bundle", tiny_bundle, option, "out.tar")
        assert (second.returncode, b"another gansample is writing" in second.stderr) == (5, True)
    process.terminate()
    process.communicate()


def test_two_processes_fill_one_folder(tiny_bundle: Path, gansample: Command, tmp_path: Path) -> None:
    """Different seeds side by side, and of the same job only one at a time."""
    process = start("d", tiny_bundle, tmp_path)
    wait_for(lambda: len(list(tmp_path.glob("d/seed*.png"))) > 0, process)
    second = gansample("--n", N, "--bundle", tiny_bundle, "--force", "d")
    assert (second.returncode, b"another gansample is writing" in second.stderr) == (5, True)
    assert gansample("--n", 30, "--seed", 4_000_000, "--bundle", tiny_bundle, "d").returncode == 0
    process.terminate()
    process.communicate()
    assert len(list(tmp_path.glob("d/seed40000*.png"))) == 30


def test_a_read_only_home(gansample: Command, tiny_bundle: Path, tmp_path: Path) -> None:
    """Caches that cannot be written are done without: here the home is a file, which not even root can write into."""
    (tmp_path / "home").write_text("")
    environment = {**os.environ, "HOME": str(tmp_path / "home"), "XDG_CACHE_HOME": str(tmp_path / "home" / "cache")}
    for options in (("--n", 1), ("--n", 40_000, "--precision", "fast")):
        done = gansample(*options, "--bundle", tiny_bundle, "--force", "out.tar", env=environment)
        assert done.returncode == 0, done.stderr


def test_a_bundle_replaced_while_it_draws(tiny_bundle: Path, tmp_path: Path) -> None:
    """What was opened goes on drawing; its file is in memory and verified."""
    bundle = shutil.copytree(tiny_bundle, tmp_path / "bundle")
    process = start("out.tar", bundle, tmp_path)
    wait_for((tmp_path / "out.tar.part").exists, process)
    shutil.rmtree(bundle)
    make_tiny_bundle(bundle, name="other", channels=1)
    assert ended(process)[0] == 0
    with tarfile.open(tmp_path / "out.tar") as archive:
        assert '"model": "tiny"' in archive.pax_headers["comment"]


def test_a_bundle_replaced_between_manifest_and_model(tiny_bundle: Path, tmp_path: Path) -> None:
    from gansample import ArtefactError, open_bundle, open_sampler

    folder = shutil.copytree(tiny_bundle, tmp_path / "bundle")
    opened = open_bundle(folder)
    shutil.rmtree(folder)
    make_tiny_bundle(folder, name="newer", channels=1)
    with open_sampler(opened) as sampler:
        assert sampler.spec.name == "newer"
        assert sampler.sample([1]).shape == (1, 8, 8, 1)
    opened = open_bundle(folder)
    (folder / "generator.onnx").write_bytes(b"damaged")
    with pytest.raises(ArtefactError, match=r"generator\.onnx"):
        open_sampler(opened)


def test_a_job_in_another_thread_does_not_swallow_the_signal() -> None:
    """As in the demo, which writes films in the web server's threads: Ctrl-C still ends the main thread at once."""
    code = """
import os, signal, threading, time
from gansample.system.signals import Stopped, delayed_signals, listen, raise_pending
entered, leave = threading.Event(), threading.Event()
def work():
    with delayed_signals():
        entered.set()
        leave.wait(20)
        raise_pending()
    print("worker finished", flush=True)
listen()
worker = threading.Thread(target=work)
worker.start()
entered.wait()
try:
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(10)
except Stopped as stop:
    print(stop, flush=True)
leave.set()
worker.join()
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, preexec_fn=listen_to_interrupts
    )
    assert (done.stdout, done.stderr) == ("interrupted\nworker finished\n", "")
