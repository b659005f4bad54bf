"""All engines of a bundle on this machine, one after the other, within a given time; every fact is handed on at once.

Two rounds: in the first every engine opens in a fresh process with empty caches, draws a picture and the goldens, so that what
cannot run is known before time is shared; in the second those that drew them open again and are measured.
"""

import logging
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from gansample.bundle.goldens import read_goldens
from gansample.bundle.open import Bundle
from gansample.runtimes.backends import BACKENDS, GPU_BACKENDS
from gansample.sampling.report.budget import Budget, shares
from gansample.sampling.report.measure import OUT_OF_TIME
from gansample.sampling.report.process import Ended, Late, facts_of
from gansample.sampling.report.row import EngineRow, Fact
from gansample.sampling.report.worker import Job
from gansample.sampling.verify import engines_to_check

logger = logging.getLogger(__name__)

MINUTES = 6.0
MARGIN = 0.92  # of the time is shared: the rest is for starting, stopping and writing
FIRST_ROUND = 0.45  # of it at most: engines are built here
COMPARED = 0.25  # of what is left then at most, for the pictures that others are compared with
GRACE = 3.0  # seconds beyond its share in which an engine's process should have ended by itself
Changed = Callable[[list[EngineRow]], None]


def measure_bundle(
    bundle: Bundle, changed: Changed, *, threads: int | None = None, seconds: float = MINUTES * 60
) -> list[EngineRow]:
    """Every variant on every backend that can run it; a row for each, also for those that cannot.

    changed  is called with all rows before the first measurement and after each: whoever stops in between keeps what was
             measured.

    Raises ArtefactError for a bundle without goldens.
    """
    read_goldens(bundle)
    budget = Budget(seconds * MARGIN)
    engines = sorted(engines_to_check(bundle), key=lambda engine: BACKENDS.index(engine[1]))
    rows = [
        EngineRow(variant=each.name, precision=each.precision, backend=backend, on_gpu=backend in GPU_BACKENDS)
        for each, backend in engines
    ]
    changed(rows)
    with tempfile.TemporaryDirectory(prefix="gansample-report-") as folder:
        work = Path(folder)
        expected = work / "expected.npy"
        caches = {id(row): work / str(index) for index, row in enumerate(rows)}

        def job(stage: str, row: EngineRow | None = None, share: float = 0.0) -> Job:
            backend, variant = (row.backend, row.variant) if row is not None else ("onnxruntime", "onnx-fp32")
            return Job(
                stage=stage, bundle=str(bundle.path), backend=backend, variant=variant, threads=threads,
                expected=str(expected), seconds=share,
            )  # fmt: skip

        # GPUs first: what is not here says so at once, and leaves its time to the others.
        for row, share in shares(rows[::-1], budget, reserved=(1 - FIRST_ROUND) * budget.seconds):
            logger.info("opening %s on %s", row.variant, row.backend)
            facts = facts_of(job("check", row), share, caches[id(row)])
            follow(row, facts, "cold_seconds", lambda: changed(rows), f"draw the goldens within {share:.0f} s")
        able = [row for row in rows if row.opened and row.verdict != "FAIL"]
        if able and (reason := draw_expected(job("expected"), COMPARED * budget.left, work)) is not None:
            for row in able:
                row.learn({"reasons": [reason]})
            able = []
        for row, share in shares(able, budget):
            logger.info("measuring %s on %s", row.variant, row.backend)
            facts = facts_of(job("measure", row, share), share + GRACE, caches[id(row)])
            follow(row, facts, "warm_seconds", lambda: changed(rows), f"finish the comparison within {share:.0f} s")
            row.settle(OUT_OF_TIME if row.verdict != "FAIL" else "it had failed before")
    for row in rows:
        row.settle("not measured after that verdict")
    changed(rows)
    return rows


def follow(row: EngineRow, facts: Iterator[tuple[float, Fact]], opening: str, told: Callable[[], None], expected: str) -> None:
    """Take over facts as they come. What is late or crashes says so in the row.

    opening   the field that gets the seconds until the first picture.
    expected  what should have been done in time, for people.
    """
    decided = False
    try:
        for at, fact in facts:
            row.learn({name: value for name, value in fact.items() if name != "drawn"})
            if fact.get("drawn"):
                row.learn({opening: at})
            decided = decided or "verdict" in fact
            told()
    except Late:
        if not decided:
            row.learn({"verdict": "NOT RUN", "reasons": [f"{OUT_OF_TIME}: it did not {expected}"]})
    except Ended as error:
        row.learn({"verdict": "FAIL", "reasons": [str(error)]})
    told()


def draw_expected(job: Job, seconds: float, caches: Path) -> str | None:
    """Have the pictures drawn that others are compared with; why there are none, or None."""
    try:
        for _ in facts_of(job, seconds, caches):
            pass
    except Late:
        return f"{OUT_OF_TIME}: ONNX Runtime did not draw the pictures to compare with within {seconds:.0f} s"
    except Ended as error:
        return f"ONNX Runtime did not draw the pictures to compare with: {error}"
    return None
