"""Which engine draws: what was asked for, or the one that is finished first with this many pictures.

    exact   float32, within one 8-bit step of PyTorch: the default
    fast    whatever passed its gate

A cold start costs more than it saves: ONNX Runtime opens in tens of milliseconds, OpenVINO in hundreds. So small jobs go to
ONNX Runtime without looking further, middling ones by the figures that the bundle brings from where it was exported, and large
ones by figures from this machine, measured once and kept (`speeds.py`).
"""

import difflib
import importlib.util
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from gansample.bundle.open import Bundle
from gansample.bundle.spec import Variant
from gansample.errors import BackendUnavailable, GansampleError, UsageError
from gansample.runtimes import BACKENDS, GPU_BACKENDS, Say, open_runner, silent
from gansample.sampling.speed_cache import Speed, SpeedBook
from gansample.types import Runner

FIDELITIES = ("exact", "fast")

SMALL = 1.0  # seconds: a job that ONNX Runtime finishes in this has no use for another engine
LARGE = 5.0  # seconds: from here on, measuring costs little beside what it can save
MEASURE = 0.4  # seconds of drawing for one figure
OPEN_SECONDS = {"onnxruntime": 0.1, "openvino": 0.5, "cuda": 2.0, "tensorrt": 3.0}  # before this machine has its own figure
MANY = 1_000_000
FEW = "few pictures: it opens fastest"
_PACKAGES = {"onnxruntime": "onnxruntime", "openvino": "openvino", "cuda": "onnxruntime", "tensorrt": "tensorrt"}


@dataclass(frozen=True, slots=True)
class Engine:
    """A variant of the bundle on a backend."""

    backend: str
    variant: Variant


def open_chosen(
    bundle: Bundle,
    *,
    backend: str = "auto",
    variant: str | None = None,
    fidelity: str = "exact",
    pictures: int = 64,
    threads: int | None = None,
    batch: int = 64,
    say: Say = silent,
) -> tuple[Runner, str]:
    """The opened runner, and why it is this one.

    variant   exactly this one, whatever its precision.
    pictures  how many will be drawn in all, which decides whether a faster engine earns its start.

    Raises UsageError for an unknown fidelity, BackendUnavailable where nothing that was asked for can run here.
    """
    if fidelity not in FIDELITIES:
        raise UsageError(f"unknown --precision {fidelity!r}", "choose exact or fast")
    if variant is not None:
        return open_runner(bundle, backend, threads, variant, say), "it was asked for"
    engines = _allowed(bundle, backend, fidelity)

    def open_engine(engine: Engine) -> Runner:
        return open_runner(bundle, engine.backend, threads, engine.variant.name, say)

    first = engines[0]
    if len(engines) == 1:
        only = f"the only {'one' if fidelity == 'fast' else 'exact one'} that can run here"
        return open_engine(first), only if backend == "auto" else "it was asked for"
    few = first.backend == "onnxruntime"
    if few and (told := _told(first)) is not None and 2 * told.seconds(pictures) < SMALL:
        return open_engine(first), FEW  # without even a look into the book
    book = SpeedBook(bundle.sha256, threads)
    quick = book.get(first.variant.name, first.backend) or _told(first)
    if few and quick is not None and quick.seconds(pictures) < SMALL:
        return open_engine(first), FEW
    if quick is None or quick.seconds(pictures) > LARGE:
        _measure_missing(engines, book, open_engine, bundle, batch, say)
    engine, why = _fastest(engines, book, pictures)
    return open_engine(engine), why


def _allowed(bundle: Bundle, backend: str, fidelity: str) -> list[Engine]:
    """What may draw, the one that opens fastest first. Raises BackendUnavailable where there is nothing."""
    if backend not in BACKENDS:
        near = difflib.get_close_matches(backend, BACKENDS, 3)
        raise BackendUnavailable(
            f"unknown backend {backend!r}", f"did you mean {near[0]}" if near else f"choose {', '.join(BACKENDS)}"
        )
    precise = [v for v in bundle.variants if fidelity == "fast" or v.precision == "fp32"]
    engines = [engine for variant in precise for engine in _engines(variant) if backend in ("auto", engine.backend)]
    if backend in GPU_BACKENDS and fidelity == "fast":
        engines.sort(key=lambda engine: engine.variant.precision != "fp16")
        return engines[:1]
    if not engines:
        has = ", ".join(variant.name for variant in bundle.variants)
        hint = "add --precision fast" if fidelity == "exact" and _runs_at_all(bundle, backend) else "export it again with one"
        raise BackendUnavailable(f"{bundle.path} has no {fidelity} variant for {backend} (it has {has})", hint)
    if backend == "auto":
        engines = _installed(engines)
    return sorted(engines, key=lambda engine: (OPEN_SECONDS[engine.backend], engine.variant.precision != "fp32"))


def _engines(variant: Variant) -> Iterable[Engine]:
    yield Engine(variant.runtime, variant)
    if variant.runtime == "onnxruntime":
        yield from (Engine(backend, variant) for backend in GPU_BACKENDS)


def _runs_at_all(bundle: Bundle, backend: str) -> bool:
    return any(engine.backend == backend for variant in bundle.variants for engine in _engines(variant))


def _installed(engines: list[Engine]) -> list[Engine]:
    """Those whose runtime is here; all of them where none is, so that opening the first says what to install."""
    from gansample.runtimes.cuda_device import missing_gpu

    def here(backend: str) -> bool:
        return importlib.util.find_spec(_PACKAGES[backend]) is not None and (backend not in GPU_BACKENDS or has_gpu)

    has_gpu = any(engine.backend in GPU_BACKENDS for engine in engines) and missing_gpu() is None
    present = {backend for backend in _PACKAGES if here(backend)}
    return [engine for engine in engines if engine.backend in present] or engines


def _told(engine: Engine) -> Speed | None:
    """What the bundle says of the machine that it was exported on; a GPU is not among its figures."""
    rate = engine.variant.speed.get("images_per_second", {}).get("64")
    if engine.backend in GPU_BACKENDS or not isinstance(rate, int | float) or rate <= 0:
        return None
    return Speed(float(rate), OPEN_SECONDS[engine.backend])


def _measure_missing(
    engines: list[Engine], book: SpeedBook, open_engine: Callable[[Engine], Runner], bundle: Bundle, batch: int, say: Say
) -> None:
    missing = [engine for engine in engines if book.get(engine.variant.name, engine.backend) is None]
    if missing:
        say(f"measuring {', '.join(engine.variant.name for engine in missing)} on this machine, once")
    for engine in missing:
        try:
            speed = _measure(engine, open_engine, bundle, batch)
        except GansampleError as reason:  # it cannot run here: choose among the others
            say(f"{engine.variant.name} on {engine.backend} is left out ({reason})")
            engines.remove(engine)
            continue
        say(f"{engine.variant.name} on {engine.backend} draws {speed.images_per_second:,.0f} pictures/s")
        book.put(engine.variant.name, engine.backend, speed)


def _measure(engine: Engine, open_engine: Callable[[Engine], Runner], bundle: Bundle, batch: int) -> Speed:
    import numpy as np

    from gansample.latents import latents

    started = time.perf_counter()
    with open_engine(engine) as runner:
        z = latents(range(batch), bundle.spec.latent_size, bundle.spec.distribution)
        label = np.zeros(batch, np.int64) if bundle.spec.classes is not None else None
        runner.run(z, label)
        opened = time.perf_counter()
        seconds: list[float] = []
        while not seconds or sum(seconds) < MEASURE:
            begun = time.perf_counter()
            runner.run(z, label)
            seconds.append(time.perf_counter() - begun)
        median = sorted(seconds)[len(seconds) // 2]
        return Speed(batch / median, max(0.0, opened - started - median))


def _fastest(engines: list[Engine], book: SpeedBook, pictures: int) -> tuple[Engine, str]:
    """The engine that is done first, and why; those without any figure are passed over, unless none has one."""
    known: list[tuple[float, Engine, str]] = []
    for engine in engines:
        measured = book.get(engine.variant.name, engine.backend)
        if (speed := measured or _told(engine)) is not None:
            source = "as measured on this machine" if measured is not None else "by the bundle's figures"
            known.append((speed.seconds(pictures), engine, f"done first {source}"))
    if not known:
        return engines[0], "it opens fastest, and nothing was measured"
    _, engine, why = min(known, key=lambda entry: entry[0])
    return engine, why
