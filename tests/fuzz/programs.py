"""The commands, each call in a process of its own: as a user's, but forked from one that has imported everything already.

A process that imports NumPy, PyTorch and ONNX Runtime anew takes a second; a fork takes milliseconds, and its time and memory
are its own all the same.
"""

import importlib
import json
import os
import resource
import runpy
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from tests.fuzz.explore import Figures

SECONDS, BYTES = 10.0, 1 << 30
ADDRESS_SPACE = 16 << 30  # a process that wants more than this ends in MemoryError instead of taking the machine with it
PROGRAMS = {"gansample": "gansample", "gan": "gansample.cli.gan", "export": "export", "train": "train"}  # for `python -m`
# What the commands import late: once in the server instead of in every fork.
EARLY = {
    "gansample": ["gansample.cli.gansample", "gansample.outputs.open", "gansample.sampling.sampler", "onnxruntime"],
    "export": ["export.build", "torch", "onnx"],
}  # fmt: skip
ESCAPES = {code for code in [*range(0x20), *range(0x7F, 0xA0)] if chr(code) not in "\n\t\r"}


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a call ended."""

    command: str
    code: int
    """The exit code; negative: the signal that ended it."""
    stdout: str
    stderr: str
    seconds: float
    bytes: int
    """The most that was in memory."""


class Programs:
    """A server that forks; `programs("gan", "info", path, cwd=folder)` is an Outcome, already looked at."""

    def __init__(self, figures: Figures) -> None:
        self.figures = figures
        self._servers: dict[str, subprocess.Popen[str]] = {}

    def __call__(self, program: str, *words: str | Path, cwd: Path, environment: dict[str, str] | None = None) -> Outcome:
        """Run it. Fails for a traceback, a crash, a hang, too much memory, or escape codes in what it printed."""
        asked = {"program": program, "words": [str(word) for word in words], "cwd": str(cwd), "environment": environment or {}}
        server = self._server(program)
        assert server.stdin is not None
        assert server.stdout is not None
        print(json.dumps(asked), file=server.stdin, flush=True)
        outcome = Outcome(command=f"{program} {asked['words']!a}", **json.loads(server.stdout.readline()))
        self.figures.calls += 1
        self.figures.slowest = max(self.figures.slowest, outcome.seconds)
        self.figures.largest = max(self.figures.largest, outcome.bytes)
        check(outcome)
        return outcome

    def _server(self, program: str) -> "subprocess.Popen[str]":
        kind = "export" if program in ("export", "train") else "gansample"
        if kind not in self._servers:
            command = [sys.executable, "-W", "ignore", "-m", "tests.fuzz.programs", kind]
            self._servers[kind] = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        return self._servers[kind]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for server in self._servers.values():
            server.communicate(timeout=60)


def check(outcome: Outcome) -> None:
    said = outcome.stdout + outcome.stderr
    how = f"exit code {outcome.code}, {outcome.seconds:.1f} s, {outcome.bytes / 2**20:.0f} MB"
    shown = f"\n{outcome.command}\n{how}\n{said[-4000:]}"
    assert "Traceback (most recent call last)" not in said, f"a traceback{shown}"
    assert outcome.seconds < SECONDS, f"a hang{shown}"
    assert outcome.code in range(8), f"a crash{shown}"
    assert outcome.bytes < BYTES, f"too much memory{shown}"
    terminal = outcome.stderr if outcome.command.startswith("gansample") else said  # its stdout is for pictures
    odd = sorted({letter for letter in terminal if ord(letter) in ESCAPES})
    assert not odd, f"{odd!r} on the terminal{shown}"


def serve(kind: str) -> None:
    """Read requests from stdin, a line of JSON each, and answer in the same way."""
    for module in EARLY[kind]:
        importlib.import_module(module)
    for line in sys.stdin:
        asked = json.loads(line)
        print(json.dumps(_run(asked)), flush=True)


def _run(asked: dict[str, Any]) -> dict[str, Any]:
    files = [os.memfd_create(name) for name in ("stdout", "stderr")]
    child = os.fork()
    if not child:
        _become(asked, files)
    status, used, seconds = _wait(child)
    texts = [_read(file) for file in files]
    return {
        "code": os.waitstatus_to_exitcode(status), "stdout": texts[0], "stderr": texts[1],
        "seconds": seconds, "bytes": used.ru_maxrss * 1024,
    }  # fmt: skip


def _wait(child: int) -> tuple[int, Any, float]:
    """The child's status, use and seconds, without those in which others had the processor; killed once they are too many."""
    started, others = time.monotonic(), 0.0
    while True:
        others = _queued(child) or others
        seconds = time.monotonic() - started - others
        ended, status, used = os.wait4(child, os.WNOHANG)
        if ended:
            return status, used, seconds
        if seconds > SECONDS:
            os.kill(child, signal.SIGKILL)
        time.sleep(0.002)


def _queued(process: int) -> float:
    """Seconds that its main thread waited for a processor: proc(5), schedstat."""
    try:
        return int(Path(f"/proc/{process}/schedstat").read_text(encoding="utf-8").split()[1]) / 1e9
    except (OSError, IndexError, ValueError):
        return 0.0


def _read(file: int) -> str:
    os.lseek(file, 0, os.SEEK_SET)
    with os.fdopen(file, "rb") as opened:
        return opened.read().decode(errors="backslashreplace")


def _become(asked: dict[str, Any], files: Sequence[int]) -> None:
    """In the fork: the program, as if it had been started."""
    code = 1
    try:
        resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        for number, file in enumerate(files, 1):
            os.dup2(file, number)
        os.chdir(asked["cwd"])
        os.environ.update(asked["environment"])
        sys.argv = [asked["program"], *asked["words"]]
        runpy.run_module(PROGRAMS[asked["program"]], run_name="__main__", alter_sys=False)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    serve(sys.argv[1])
