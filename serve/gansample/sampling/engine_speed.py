"""How fast an engine starts and draws on this machine, measured.

A GPU's is measured in a process of its own: its libraries take seconds to load, which belong to the start of every later run,
and a driver that crashes takes only that process with it.
"""

import time

import numpy as np

from gansample.bundle.open import Bundle
from gansample.bundle.spec import Variant
from gansample.errors import BackendUnavailable
from gansample.runtimes.backends import GPU_BACKENDS
from gansample.runtimes.open import open_runner
from gansample.sampling.report.process import Ended, Late, facts_of
from gansample.sampling.report.row import EngineRow
from gansample.sampling.report.worker import Job
from gansample.sampling.speed_cache import Speed

SECONDS = 0.4  # of drawing for one figure
BATCH = 64
BUILDING = 5.0  # seconds: a start that took so long has built something that is kept, and the next one will not
PATIENCE = 600.0  # seconds for building an engine


def measure_speed(bundle: Bundle, backend: str, variant: Variant, threads: int | None) -> Speed:
    """Raises BackendUnavailable, ParityError or ArtefactError for what cannot draw here."""
    if backend not in GPU_BACKENDS:
        return _here(bundle, backend, variant, threads)
    speed = _apart(bundle, backend, variant)
    return _apart(bundle, backend, variant) if speed.open_seconds > BUILDING else speed


def _here(bundle: Bundle, backend: str, variant: Variant, threads: int | None) -> Speed:
    started = time.perf_counter()
    with open_runner(bundle, backend, variant, threads) as runner:
        z = bundle.spec.latents(range(BATCH))
        label = np.zeros(BATCH, np.int64) if bundle.spec.classes is not None else None
        runner.run(z, label)
        opened = time.perf_counter()
        seconds: list[float] = []
        while not seconds or sum(seconds) < SECONDS:
            before = time.perf_counter()
            runner.run(z, label)
            seconds.append(time.perf_counter() - before)
        median = sorted(seconds)[len(seconds) // 2]
        return Speed(BATCH / median, max(0.0, opened - started - median))


def _apart(bundle: Bundle, backend: str, variant: Variant) -> Speed:
    row = EngineRow(variant=variant.name, precision=variant.precision, backend=backend)
    job = Job(stage="speed", bundle=str(bundle.path), backend=backend, variant=variant.name, program="gansample")
    try:
        for at, fact in facts_of(job, PATIENCE, None):
            row.learn({"cold_seconds": at} if "drawn" in fact else fact)
    except Late:
        raise BackendUnavailable(f"{backend} did not draw within {PATIENCE:.0f} s", "use another backend") from None
    except Ended as error:
        raise BackendUnavailable(f"{backend} fails: {error}", "use another backend") from None
    rate = row.rates.get(BATCH)
    if not isinstance(rate, float) or isinstance(row.cold_seconds, str):
        raise BackendUnavailable("; ".join(row.reasons), "use another backend")
    return Speed(rate, row.cold_seconds)
