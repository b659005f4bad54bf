"""One engine in a process of its own: a job as one line of JSON on stdin, facts as lines of JSON on stdout.

The process ends when its stdin does, also in the middle of a runtime's call: nobody would hear what it finds.
"""

import json
import logging
import os
import sys
import threading
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TextIO

import numpy as np


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What a worker is asked to do."""

    stage: str
    """`check`, `measure`, or `expected`, which draws what `measure` compares with."""
    bundle: str
    backend: str = ""
    variant: str = ""
    threads: int | None = None
    expected: str = ""
    """The .npy file of the pictures, which `expected` writes and `measure` reads."""
    seconds: float = 0.0


def run_job(job: Job, answers: TextIO) -> None:
    from gansample.bundle.open import open_bundle
    from gansample.sampling.report.measure import Expected, check_engine, draw_expected, further_latents, measure_engine

    bundle = open_bundle(Path(job.bundle))
    if job.stage == "expected":
        np.save(job.expected, draw_expected(bundle, job.threads).images)
        return
    variant = bundle.variant(job.variant)
    if job.stage == "check":
        facts = check_engine(bundle, job.backend, variant, job.threads)
    else:
        expected = Expected(*further_latents(bundle), np.load(job.expected))
        facts = measure_engine(bundle, job.backend, variant, job.threads, expected, job.seconds)
    for fact in facts:
        print(json.dumps(fact), file=answers, flush=True)


def job_line(job: Job) -> str:
    return json.dumps(asdict(job)) + "\n"


def _end_with_stdin() -> None:
    sys.stdin.read()
    os._exit(1)


def main() -> None:
    answers, sys.stdout = os.fdopen(os.dup(1), "w", encoding="utf-8"), sys.stderr
    os.dup2(2, 1)  # what runtimes print
    job = Job(**json.loads(sys.stdin.readline()))
    threading.Thread(target=_end_with_stdin, daemon=True).start()
    logging.basicConfig(format="gan: %(message)s")  # on stderr, as the command that started it
    logging.getLogger("gansample").setLevel(logging.INFO)
    run_job(job, answers)
    answers.flush()
    os._exit(0)  # the thread still reads stdin, over which an orderly ending would stumble


if __name__ == "__main__":
    main()
