"""The jobs of a report's processes, done in this one: for what a test put into it, like the doubles of a GPU."""

import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from gansample.sampling.report import measure, run
from gansample.sampling.report.measure import Fact
from gansample.sampling.report.worker import Job, run_job


def report_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on, and without taking its time for every figure."""
    monkeypatch.setattr(run, "facts_of", _facts)
    monkeypatch.setattr(measure, "SPEED_SECONDS", 0.0)


def _facts(job: Job, seconds: float, caches: Path) -> Iterator[tuple[float, Fact]]:
    answers = io.StringIO()
    run_job(job, answers)
    for line in answers.getvalue().splitlines():
        yield 0.0, json.loads(line)
