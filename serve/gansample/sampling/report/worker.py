"""One engine in a process of its own: a job as one line of JSON on stdin, facts as lines of JSON on stdout.

The process ends when its stdin does, also in the middle of a runtime's call: nobody would hear what it finds.
"""

import json
import logging
import os
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from gansample.sampling.report.row import Fact


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What a worker is asked to do."""

    stage: str
    """`check`, `measure`, `expected`, which draws what `measure` compares with, or `speed`, for a choice of engines."""
    bundle: str
    backend: str = ""
    variant: str = ""
    threads: int | None = None
    expected: str = ""
    """The .npy file of the pictures, which `expected` writes and `measure` reads."""
    seconds: float = 0.0
    program: str = "gan"
    """Who asks: the name before what is logged."""


def run_job(job: Job) -> Iterator[Fact]:
    from gansample.bundle.open import open_bundle
    from gansample.runtimes.backends import GPU_BACKENDS
    from gansample.runtimes.open import open_runner
    from gansample.sampling.report.measure import (
        Engine,
        check_engine,
        draw_expected,
        expected_from,
        measure_engine,
        time_engine,
    )

    bundle = open_bundle(Path(job.bundle))
    if job.stage == "expected":
        np.save(job.expected, draw_expected(bundle, job.threads).images)
        return
    variant = bundle.variant(job.variant)
    engine = Engine(
        partial(open_runner, bundle, job.backend, variant, job.threads), variant.precision, job.backend in GPU_BACKENDS
    )
    if job.stage == "speed":
        yield from time_engine(bundle, engine)
    elif job.stage == "check":
        yield from check_engine(bundle, engine)
    else:
        yield from measure_engine(engine, expected_from(bundle, job.expected), job.seconds)


def job_line(job: Job) -> str:
    return json.dumps(asdict(job)) + "\n"


def answer(facts: Callable[[dict[str, Any]], Iterator[Fact]]) -> NoReturn:
    """Read the one line on stdin, write a line for each fact that it leads to, and end the process."""
    answers, sys.stdout = os.fdopen(os.dup(1), "w", encoding="utf-8"), sys.stderr
    os.dup2(2, 1)  # what runtimes print
    asked = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_stdin, daemon=True).start()
    logging.basicConfig(format=f"{asked.get('program', 'gan')}: %(message)s")  # on stderr, as the command that started it
    logging.getLogger("gansample").setLevel(logging.INFO)
    for fact in facts(asked):
        print(json.dumps(fact), file=answers, flush=True)
    answers.flush()
    os._exit(0)  # whatever a runtime's threads still do


def _end_with_stdin() -> None:
    while os.read(0, 1):  # not sys.stdin, whose lock a fork would inherit
        pass
    os._exit(1)


if __name__ == "__main__":
    answer(lambda asked: run_job(Job(**asked)))
