"""An engine, step by step: each step yields what became known, as a dictionary of fields of `EngineRow`.

The bundle's few goldens are the reference's own pictures. The further latents are compared with the fp32 variant in ONNX
Runtime on this machine's CPU, which the goldens have shown to be right.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from gansample.bundle.fidelity import Fidelity, compare
from gansample.bundle.goldens import read_goldens
from gansample.bundle.open import Bundle
from gansample.bundle.spec import Spec
from gansample.errors import ArtefactError, BackendUnavailable, GansampleError
from gansample.runtimes.base import each_batch, per_second
from gansample.runtimes.cuda_device import Cuda, require_gpu
from gansample.runtimes.open import open_runner
from gansample.sampling.report.row import Fact
from gansample.sampling.verify import draw_goldens, gate_failures
from gansample.types import Images, Labels, Latents, Runner

FEWEST = 32
FIRST_SEED = 10_000  # far from the goldens, and from the seeds that people draw first
MOST = 1024
BATCHES = {64: MOST, 1: 32, 2: 64, 3: 66, 17: 136, MOST: MOST}  # batch size -> latents compared at that size
SPEED_BATCHES = (64, 1024, 256, 1)  # what tells most comes first
SPEED_SECONDS = 1.0  # of timing for each figure
RUNS = 5  # that a figure takes at least
COMPARING = 0.7  # of an engine's time, at most: some is left for its speed
OUT_OF_TIME = "out of time"


class Engine(NamedTuple):
    """What is measured."""

    open: Callable[[], Runner]
    precision: str
    """Whose gate its pictures must pass."""
    on_gpu: bool


class Expected(NamedTuple):
    """Latents (N, nz), labels (N,) and the pictures that the fp32 variant draws for them on the CPU."""

    z: Latents
    label: Labels | None
    images: Images

    def first(self, n: int) -> "Expected":
        return Expected(self.z[:n], self.label[:n] if self.label is not None else None, self.images[:n])


def compared_latents(spec: Spec) -> int:
    """1,024; of pictures beyond 128×128 as many as have those pixels together, and at least 32."""
    return min(MOST, max(FEWEST, MOST * 128 * 128 // (spec.height * spec.width)))


def further_latents(bundle: Bundle) -> tuple[Latents, Labels | None]:
    """Those of `Expected`: every class takes part."""
    spec, n = bundle.spec, compared_latents(bundle.spec)
    return spec.latents(range(FIRST_SEED, FIRST_SEED + n)), np.arange(n) % len(
        spec.classes
    ) if spec.classes is not None else None


def draw_expected(bundle: Bundle, threads: int | None) -> Expected:
    z, label = further_latents(bundle)
    with open_runner(bundle, "onnxruntime", bundle.variant("onnx-fp32"), threads) as runner:
        return Expected(z, label, np.concatenate(list(each_batch(runner.run, z, label, 64))))


def expected_from(bundle: Bundle, pictures: Path | str) -> Expected:
    """With the pictures of a .npy file, which `draw_expected` drew."""
    return Expected(*further_latents(bundle), np.load(pictures))


def check_engine(bundle: Bundle, engine: Engine) -> Iterator[Fact]:
    """Open it, draw one picture, which is the fact `drawn`, and then the goldens."""
    goldens = read_goldens(bundle)
    try:
        with engine.open() as runner:
            runner.run(*goldens.first(1).inputs(runner))
            yield {"drawn": True, "runner": runner.backend, "device": runner.device}
            seen = draw_goldens(runner, goldens)
    except GansampleError as error:
        yield _failure(error, engine)
        return
    fact: Fact = {"goldens": {batch: fidelity.to_dict() for batch, fidelity in seen.items()}}
    if broken := gate_failures(seen, engine.precision):
        yield {**fact, "verdict": "FAIL", "reasons": list(broken)}
    else:
        yield {**fact, "reasons": ["stopped before further latents were compared"]}


def measure_engine(engine: Engine, expected: Expected, seconds: float, compared: Mapping[int, int] = BATCHES) -> Iterator[Fact]:
    """Open it again, compare the further latents, and measure speed and memory, in about so many seconds.

    compared  batch size -> latents compared at that size.
    """
    started, host = time.perf_counter(), _resident_mib()
    device = _device_memory(engine)
    try:
        before = device()
        with engine.open() as runner:
            one = expected.first(1)
            runner.run(one.z, one.label)
            yield {"drawn": True, "runner": runner.backend, "device": runner.device}
            yield from _compare(runner, engine, expected, started + COMPARING * seconds, compared)
            yield from _speeds(runner, expected, started + seconds)
            after = device()
    except GansampleError as error:
        yield _failure(error, engine)
        return
    peak = _peak_mib()
    yield {
        "host_mib": peak - host if peak is not None and host is not None else "only Linux tells a process's peak",
        "device_mib": after - before if isinstance(after, float) and isinstance(before, float) else after,
    }


def time_engine(bundle: Bundle, engine: Engine) -> Iterator[Fact]:
    """Open it, draw one picture, and then batches of 64: its speed, roughly and soon."""
    z, label = further_latents(bundle)
    some = Expected(z, label, np.empty(0, np.uint8)).first(64)
    try:
        with engine.open() as runner:
            runner.run(z[:1], label[:1] if label is not None else None)
            yield {"drawn": True}
            yield {"rates": {64: per_second(partial(runner.run, some.z, some.label), len(some.z), 0.4)}}
    except GansampleError as error:
        yield _failure(error, engine)


def _failure(error: GansampleError, engine: Engine) -> Fact:
    """What cannot run here is NOT RUN, and so is a graph that a GPU's compiler refuses; everything else is a FAIL."""
    refused = isinstance(error, ArtefactError) and engine.on_gpu
    verdict = "NOT RUN" if isinstance(error, BackendUnavailable) or refused else "FAIL"
    return {"verdict": verdict, "reasons": [str(error)]}


def _compare(runner: Runner, engine: Engine, expected: Expected, until: float, compared: Mapping[int, int]) -> Iterator[Fact]:
    """The verdict over all further latents, which is no PASS where time ran out before."""
    by_batch: dict[int, Fidelity] = {}
    for batch, n in compared.items():
        if batch > 64 and (not engine.on_gpu or batch > len(expected.z)):
            continue  # a CPU draws so many in parts
        some = expected.first(n)
        drawn: list[Images] = []
        for part in each_batch(runner.run, some.z, some.label, batch):
            drawn.append(part)
            if (count := sum(map(len, drawn))) < len(some.z) and time.perf_counter() > until:
                seen = f"{count:,} of {len(some.z):,} latents at batches of {batch}"
                yield {"verdict": "NOT RUN", "reasons": [f"{OUT_OF_TIME} after {seen}"]}
                return
        by_batch[batch] = compare(np.concatenate(drawn), some.images)
        yield {"latents": {batch: by_batch[batch].to_dict()}}
    if not by_batch:
        yield {"verdict": "NOT RUN", "reasons": ["nothing was compared"]}
        return
    broken = gate_failures(by_batch, engine.precision)
    yield {"verdict": "FAIL" if broken else "PASS", "reasons": list(broken)}


def _speeds(runner: Runner, expected: Expected, until: float) -> Iterator[Fact]:
    pace, too_many = 0.0, float("inf")  # seconds for a picture, as far as they are known; a batch that took too long
    for batch in SPEED_BATCHES:
        if batch > len(expected.z):
            none = f"of pictures this large only {len(expected.z)} latents are drawn"
            yield {"rates": {batch: none}}
            continue
        if batch >= too_many or time.perf_counter() + RUNS * batch * pace > until:
            yield {"rates": {batch: OUT_OF_TIME}}
            continue
        some = expected.first(batch)
        rate = _rate(partial(runner.run, some.z, some.label), batch, until)
        yield {"rates": {batch: rate}}
        if isinstance(rate, str):
            too_many = batch
            continue
        pace = 1 / rate
        try:
            draw = runner.on_device(some.z, some.label)
        except BackendUnavailable as reason:
            yield {"device_rates": {batch: str(reason)}}
            continue
        if draw is not None:
            yield {"device_rates": {batch: _rate(draw, batch, until)}}


def _rate(draw: Callable[[], object], batch: int, until: float) -> float | str:
    """Pictures per second, or why not."""
    started = time.perf_counter()
    if started > until:
        return OUT_OF_TIME
    try:
        draw()
        once = time.perf_counter() - started
        if time.perf_counter() + max(RUNS * once, SPEED_SECONDS) > until:
            return OUT_OF_TIME
        return per_second(draw, batch, SPEED_SECONDS)
    except BackendUnavailable as reason:
        return str(reason)


def _device_memory(engine: Engine) -> Callable[[], float | str]:
    """What tells the memory in use on the GPU, MiB, by everyone; or why nothing does."""
    if not engine.on_gpu:
        return lambda: "a CPU has none"
    try:
        require_gpu()
        cuda = Cuda()
    except BackendUnavailable as missing:
        text = str(missing)
        return lambda: text
    return lambda: cuda.used_bytes() / 2**20


def _resident_mib() -> float | None:
    return _status_mib("VmRSS")


def _peak_mib() -> float | None:
    return _status_mib("VmHWM")


def _status_mib(name: str) -> float | None:
    """Of this process; only Linux tells."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{name}:")), None)
