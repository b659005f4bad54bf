"""A worker's process and what it tells, until it ends or its time is over."""

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from gansample.sampling.report.row import Fact
from gansample.sampling.report.worker import Job, job_line

CACHES = {
    "XDG_CACHE_HOME": "cache",
    "GANSAMPLE_ENGINES": "engines",
    "CUDA_CACHE_PATH": "cuda",
    "__GL_SHADER_DISK_CACHE_PATH": "gl",
    "MESA_SHADER_CACHE_DIR": "mesa",
    "TORCHINDUCTOR_CACHE_DIR": "inductor",
    "TRITON_CACHE_DIR": "triton",
}  # variable that moves a cache -> folder


class Late(Exception):
    """The process did not end in time, and was ended."""


class Ended(Exception):
    """The process ended by itself before it was done."""


def facts_of(job: Job, seconds: float, caches: Path | None) -> Iterator[tuple[float, Fact]]:
    """As `facts_from`, of a worker with a job."""
    return facts_from("gansample.sampling.report.worker", job_line(job), seconds, caches)


def facts_from(module: str, line: str, seconds: float, caches: Path | None) -> Iterator[tuple[float, Fact]]:
    """Run `python -m module` with one line on its stdin: seconds since it was started, and the fact that came then.

    caches  the folder under which runtimes and drivers keep what they compile: empty for a cold start. None is the user's own.

    Raises Late after `seconds`, Ended where the process crashes.
    """
    environment = dict(os.environ)
    if caches is not None:
        environment |= {variable: str(caches / folder) for variable, folder in CACHES.items()}
        (caches / CACHES["CUDA_CACHE_PATH"]).mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    command = [sys.executable, "-m", module]
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment,
        text=True,
        encoding="utf-8",
        start_new_session=True,  # a group of its own, which is ended as a whole
    )
    try:
        assert process.stdin is not None
        assert process.stdout is not None
        with contextlib.suppress(BrokenPipeError):  # it ended already: see below
            process.stdin.write(line)
            process.stdin.flush()
        lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        threading.Thread(target=_read, args=(process.stdout, lines), daemon=True).start()
        while (answer := _next(lines, started + seconds - time.monotonic())) is not None:
            yield time.monotonic() - started, json.loads(answer)
        code = process.wait(max(1.0, started + seconds - time.monotonic()))
    except queue.Empty:
        raise Late from None
    except subprocess.TimeoutExpired:
        return  # everything was said
    finally:
        _end(process)
    if code:
        raise Ended(f"its process ended with {_name(code)}")


def _end(process: "subprocess.Popen[str]") -> None:
    """The process and what it started. Its stdout is closed by the thread that reads it."""
    if os.name == "posix":
        with contextlib.suppress(OSError):
            os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
    with contextlib.suppress(subprocess.TimeoutExpired):  # a driver may hold it beyond its end
        process.wait(5)
    if process.stdin is not None:
        with contextlib.suppress(OSError):
            process.stdin.close()


def _read(answers: IO[str], lines: "queue.SimpleQueue[str | None]") -> None:
    with answers:
        for line in answers:
            lines.put(line)
    lines.put(None)


def _next(lines: "queue.SimpleQueue[str | None]", seconds: float) -> str | None:
    """The next line, None at the end; raises queue.Empty where none comes in time."""
    return lines.get(timeout=max(0.0, seconds))


def _name(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"
