"""The jobs of a report's processes, done in this one: for what a test put into it, like the doubles of a GPU."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from gansample.sampling.report import measure, run
from gansample.sampling.report.row import Fact
from gansample.sampling.report.worker import Job, run_job


def report_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on, and without taking its time for every figure."""
    monkeypatch.setattr(run, "facts_of", _facts)
    monkeypatch.setattr(measure, "SPEED_SECONDS", 0.0)


def _facts(job: Job, seconds: float, caches: Path) -> Iterator[tuple[float, Fact]]:
    for fact in run_job(job):
        yield 0.0, json.loads(json.dumps(fact))
