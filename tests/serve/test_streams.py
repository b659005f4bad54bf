"""Whatever stdout, stderr, the working directory and the file system are: one line, an exit code, and no traceback."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from gansample.system.streams import printable
from tests.support.processes import Command

GAN = [sys.executable, "-m", "gansample.cli.gan"]
GANSAMPLE = [sys.executable, "-m", "gansample"]
TWO = ["--n", "2", "--force", "out.png"]


def closing(*files: int) -> Callable[[], None]:
    """For `preexec_fn`: start it without these streams, as `>&-` does."""
    return lambda: [os.close(file) for file in files] and None


def run(command: list[str], folder: Path, **options: object) -> tuple[int, str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(command, cwd=folder, stderr=subprocess.PIPE, env=environment, timeout=60, check=False, **options)  # type: ignore[call-overload]
    return done.returncode, done.stderr.decode()


@pytest.mark.parametrize("command", [[*GAN, "info", "fashion"], [*GAN, "doctor"], [*GANSAMPLE, "--json", *TWO]])
@pytest.mark.parametrize("how", ["full", "closed"])
def test_a_stdout_that_cannot_be_written(command: list[str], how: str, tmp_path: Path) -> None:
    if how == "full":
        with Path("/dev/full").open("w", encoding="utf-8") as full:
            code, message = run(command, tmp_path, stdout=full)
    else:
        code, message = run(command, tmp_path, preexec_fn=closing(1))
    assert (code, message.count("\n")) == (5, 1), message
    assert "cannot write to stdout" in message


@pytest.mark.parametrize("command", [[*GAN, "list"], [*GAN, "doctor"], [*GAN, "--help"], [*GANSAMPLE, "--json", "-q", *TWO]])
def test_a_reader_who_has_seen_enough_is_no_error(command: list[str], tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    code, message = run(command, tmp_path, stdout=writer)
    os.close(writer)
    assert message == ""
    assert code == run(command, tmp_path, stdout=subprocess.DEVNULL)[0], "the verdict, as for any reader"


def test_streams_that_are_not_needed_are_not_missed(tmp_path: Path) -> None:
    assert run([*GANSAMPLE, *TWO], tmp_path, preexec_fn=closing(0, 1))[0] == 0
    whole = (tmp_path / "out.png").read_bytes()
    assert run([*GANSAMPLE, *TWO], tmp_path, preexec_fn=closing(0, 1, 2))[0] == 0
    assert (tmp_path / "out.png").read_bytes() == whole
    words = [*GANSAMPLE, "--n", "2", "-"]
    pictures = [
        subprocess.run(words, stdout=subprocess.PIPE, check=True, cwd=tmp_path, preexec_fn=prepare).stdout
        for prepare in (None, closing(2))
    ]
    assert pictures[0] == pictures[1], "what was to be said does not go into the picture"
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        assert subprocess.run([*GAN, "info", "absent"], stderr=full, check=False, cwd=tmp_path).returncode == 3


def test_a_working_directory_that_is_gone(tmp_path: Path) -> None:
    for words in ([*GANSAMPLE, *TWO], [*GAN, "info", "absent"]):
        gone = tmp_path / "gone"
        gone.mkdir()
        code, message = run(["sh", "-c", 'rmdir "$PWD"; exec "$@"', "sh", *words], gone)
        assert code in (3, 5), message
        assert message.splitlines()[-1:] != []
        assert "Traceback" not in message


def test_a_terminal_without_unicode(tmp_path: Path) -> None:
    done = subprocess.run(
        [*GAN, "info", "fashion"],
        capture_output=True,
        cwd=tmp_path,
        check=True,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
    )
    assert b"32\\xd732" in done.stdout


def test_a_name_that_is_too_long(gansample: Command, tiny_bundle: Path, tmp_path: Path) -> None:
    """Also where only the temporary name beside it is: a folder's files and all others have one."""
    assert gansample("--n", 2, "--bundle", tiny_bundle, "x" * 251 + ".png").returncode == 0, "the longest there is"
    for length in (240, 250, 300):
        for suffix in (".png", ".tar", ".npz", ".zip", ".gif", ""):
            done = gansample("--n", 2, "--bundle", tiny_bundle, "x" * length + suffix)
            assert done.returncode in (0, 5), done.stderr
            assert done.stderr.count(b"\n") == 1, done.stderr
            assert done.returncode == 0 or b"File name too long" in done.stderr
    done = gansample("--n", 2, "--bundle", "x" * 300, "out.png")
    assert (done.returncode, b"File name too long" in done.stderr) == (3, True)


@pytest.mark.skipif(shutil.which("unshare") is None, reason="NOT RUN: a read-only file system needs a mount namespace")
@pytest.mark.parametrize("name", ["out.png", "out.tar", "out.npz", "out.zip", "pictures", "there"])
def test_a_read_only_file_system(name: str, tiny_bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    read_only = [
        "unshare",
        "--mount",
        "sh",
        "-c",
        'mount --bind . . && mount -o remount,ro,bind . && cd "$PWD" && exec "$@"',
        "sh",
    ]
    if subprocess.run([*read_only, "true"], cwd=tmp_path, capture_output=True, check=False).returncode:
        pytest.skip("NOT RUN: mounting is root's")
    code, message = run([*read_only, *GANSAMPLE, "--n", "2", "--bundle", str(tiny_bundle), name], tmp_path)
    assert (code, message.count("\n")) == (5, 1), message
    assert "Read-only file system" in message


def test_an_empty_name_is_not_the_working_directory(gansample: Command, tiny_bundle: Path, tmp_path: Path) -> None:
    for options in ((), ("--format", "folder"), ("--out", "")):
        done = gansample("--n", 2, "--bundle", tiny_bundle, *options, *([] if "--out" in options else [""]))
        assert (done.returncode, b"the name of the output is empty" in done.stderr) == (2, True), done.stderr
    assert list(tmp_path.iterdir()) == []


def test_control_characters_do_not_reach_the_terminal(gansample: Command, tmp_path: Path) -> None:
    assert printable("a\x1b[31m\x9b\x7f\r\u202eb\tc\nd\ud800é中") == "a\\x1b[31m\\x9b\\x7f\\r\\u202eb\tc\nd\\ud800é中"
    done = gansample("--bundle", "\x1b]0;title\x07", "out.png")
    assert done.returncode == 3
    assert b"\x1b" not in done.stderr
    assert b"\\x1b]0;title\\x07" in done.stderr


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_what_is_printed_is_there_at_once(unbuffered: str) -> None:
    """Python buffers stderr by lines, or with PYTHONUNBUFFERED not at all: a log is read while it grows."""
    code = (
        "import os, sys; from gansample.system.streams import prepare_streams as prepare; prepare(); print(1, file=sys.stderr)"
    )
    code += "; os._exit(0)"
    environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, check=True)
    assert done.stderr == b"1\n"
