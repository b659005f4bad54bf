"""macOS and Windows as far as Linux can imitate them: Python without what they lack. That is no proof, see README's Status."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from gansample.system import lock
from tests.support.repository import ROOT
from tests.support.run_training import SMALL

MODULES = {"macos": [], "windows": ["fcntl", "grp", "pwd", "readline", "resource", "termios"]}
NAMES: Mapping[str, Mapping[str, list[str]]] = {
    "macos": {
        "os": ["sched_getaffinity", "sched_setaffinity", "posix_fadvise", "memfd_create", "O_TMPFILE", "eventfd"],
    },
    "windows": {
        "os": [
            "sched_getaffinity", "sched_setaffinity", "posix_fadvise", "getuid", "geteuid", "getgid", "fchmod", "statvfs",
            "mkfifo", "killpg", "getpgid", "setsid", "O_NOFOLLOW", "O_DIRECTORY", "O_CLOEXEC", "O_NONBLOCK",
        ],
        "signal": [
            "SIGHUP", "SIGPIPE", "SIGUSR1", "SIGUSR2", "SIGALRM", "SIGCHLD", "SIGQUIT", "SIGKILL", "SIGWINCH",
            "pthread_sigmask", "sigwait", "setitimer", "siginterrupt",
        ],
    },
}  # fmt: skip
SITE = """
import os, signal, sys
MODULES, NAMES = {modules!r}, {names!r}
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name in MODULES:
            raise ModuleNotFoundError("No module named " + repr(name), name=name)
sys.meta_path.insert(0, Missing())
for name in MODULES:
    sys.modules.pop(name, None)
for module, names in NAMES.items():
    for name in names:
        if hasattr(sys.modules[module], name):
            delattr(sys.modules[module], name)
"""
# Windows neither renames nor deletes a file that is open.
CLOSED = """
def of_closed_files(function):
    def checked(*paths, **options):
        for path in paths:
            if os.path.isfile(path):
                place = os.path.realpath(path)
                if any(place == os.path.realpath(f"/proc/self/fd/{number}") for number in os.listdir("/proc/self/fd")):
                    raise PermissionError(13, "The process cannot access the file because it is being used", str(path))
        return function(*paths, **options)
    return checked

for name in ("replace", "rename", "unlink", "remove"):
    setattr(os, name, of_closed_files(getattr(os, name)))
"""


@pytest.fixture(params=["macos", "windows"])
def machine(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, str]:
    """The environment of a Python that lacks what the system lacks, in a locale that is not UTF-8."""
    site = tmp_path / "site"
    site.mkdir()
    source = SITE.format(modules=MODULES[request.param], names=dict(NAMES[request.param]))
    closed = CLOSED if request.param == "windows" else ""
    (site / "sitecustomize.py").write_text(source + closed, encoding="utf-8")
    paths = os.pathsep.join(map(str, (site, ROOT, ROOT / "serve")))
    no_utf8 = {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "LC_ALL": "C"}
    return {**os.environ, "PYTHONPATH": paths, **no_utf8}


def run(environment: dict[str, str], folder: Path, *words: object) -> bytes:
    command = [sys.executable, "-m", *map(str, words)]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    return done.stdout


@pytest.mark.parametrize("out", ["a.png", "a.tar", "a.npz", "pictures", "a.gif", "-"])
def test_pictures_are_drawn_in_every_form(machine: dict[str, str], out: str, tiny_bundle: Path, tmp_path: Path) -> None:
    drawn = run(machine, tmp_path, "gansample", "--bundle", tiny_bundle, "--n", 4, out)
    assert drawn.startswith(b"\x89PNG") if out == "-" else (tmp_path / out).exists()


@pytest.mark.parametrize("command", ["info", "verify", "doctor"])
def test_bundles_are_looked_after(machine: dict[str, str], command: str, tiny_bundle: Path, tmp_path: Path) -> None:
    run(machine, tmp_path, "gansample.cli.gan", command, *([] if command == "doctor" else [tiny_bundle]))


@pytest.mark.parametrize("out", ["a.png", "a.tar", "pictures", "a.gif"])
def test_what_is_there_is_replaced(machine: dict[str, str], out: str, tiny_bundle: Path, tmp_path: Path) -> None:
    for _ in range(2):
        run(machine, tmp_path, "gansample", "--bundle", tiny_bundle, "--n", 4, "--force", out)
    assert {path.name for path in tmp_path.iterdir()} == {"site", out}


DOWNLOAD = """
import hashlib, http.server, threading
from pathlib import Path
from train.data.download import download
Path("theirs").write_bytes(b"pictures")
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler)
threading.Thread(target=server.serve_forever, daemon=True).start()
address = f"http://127.0.0.1:{server.server_port}/theirs"
download([address], Path("sets", "ours"), hashlib.md5(b"pictures").hexdigest())
"""


def test_a_set_is_downloaded(machine: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "fetch.py").write_text(DOWNLOAD, encoding="utf-8")
    machine["PYTHONPATH"] += f"{os.pathsep}{tmp_path}"
    run(machine, tmp_path, "fetch")
    assert [(path.name, path.read_bytes()) for path in (tmp_path / "sets").iterdir()] == [("ours", b"pictures")]


@pytest.mark.slow
def test_a_generator_is_trained_and_exported(machine: dict[str, str], tmp_path: Path) -> None:
    run(machine, tmp_path, "train", *SMALL, "--images", 640, "--quiet", "--out", "run")
    run(machine, tmp_path, "export", "run", "--out", "bundle", "--variants", "onnx-fp32", "--quiet")
    assert json.loads((tmp_path / "bundle" / "bundle.json").read_text(encoding="utf-8"))["name"]


def test_a_class_has_its_name_in_any_locale(machine: dict[str, str], tmp_path: Path) -> None:
    from tests.support.make_tiny_bundle import make_tiny_bundle

    bundle = make_tiny_bundle(tmp_path / "pets", classes=("été", "生成器"))
    run(machine, tmp_path, "gansample", "--bundle", bundle, "--class", "1", "--n", 2, "pictures")
    assert sorted(path.suffix for path in (tmp_path / "pictures").iterdir())
    run(machine, tmp_path, "gansample.cli.gan", "info", bundle)


class WindowsLocks:
    """`msvcrt` as far as locks go: a byte of a file belongs to one descriptor."""

    LK_NBLCK = 2

    def __init__(self) -> None:
        self.held: dict[tuple[int, int], int] = {}

    def locking(self, file: int, mode: int, count: int) -> None:
        assert (mode, count) == (self.LK_NBLCK, 1)
        place = (os.fstat(file).st_ino, os.lseek(file, 0, os.SEEK_CUR))
        if self.held.setdefault(place, file) != file:
            raise PermissionError(13, "Permission denied")


def test_windows_locks_a_byte_behind_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(lock, "_fcntl", None)
    monkeypatch.setattr(lock, "_msvcrt", WindowsLocks())
    with (tmp_path / "file").open("a+b") as first, (tmp_path / "file").open("a+b") as second:
        first.write(b"whole")
        first.flush()
        assert lock.try_lock(first.fileno())
        assert not lock.try_lock(second.fileno())
        first.seek(0)
        assert first.read() == b"whole"


def test_a_lock_goes_with_its_file(tmp_path: Path) -> None:
    with (tmp_path / "file").open("a+b") as second:
        with (tmp_path / "file").open("a+b") as first:
            assert lock.try_lock(first.fileno())
            assert not lock.try_lock(second.fileno())
        lock.wait_for_lock(second.fileno())


def test_without_locks_the_file_is_written_all_the_same(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    class NoLocks:
        LOCK_EX = LOCK_NB = 0

        def flock(self, *_: Any) -> None:
            raise OSError(37, "No locks available")

    with (tmp_path / "file").open("a+b") as file:
        monkeypatch.setattr(lock, "_fcntl", NoLocks())
        assert lock.try_lock(file.fileno())
        monkeypatch.setattr(lock, "_fcntl", None)
        assert lock.try_lock(file.fileno())
