"""Which engine draws: what was asked for, or the one that finishes this many pictures first.

    exact   float32, within one 8-bit step of PyTorch: the default
    fast    whatever passed its gate

Opening a fast engine can cost more than it saves: ONNX Runtime opens in tens of milliseconds, OpenVINO in hundreds. So small
jobs go to ONNX Runtime without looking further, middling ones by the speeds that the bundle recorded where it was exported, and
large ones by speeds measured on this machine, once, and kept (`speed_cache.py`). The start counts: an engine that would need
longer to start than another for the whole job is not even measured.
"""

import importlib.util
import logging
import os
import sys
from dataclasses import dataclass
from pathlib import Path

from gansample.bundle.open import Bundle
from gansample.bundle.spec import Variant
from gansample.errors import BackendUnavailable, GansampleError, ParityError, UsageError, suggest
from gansample.runtimes.backends import BACKENDS, GPU_BACKENDS, NVIDIA_BACKENDS
from gansample.runtimes.open import backends_of, open_runner
from gansample.runtimes.tensorrt.library import FLAVOURS
from gansample.sampling.options import PRECISIONS, EngineOptions
from gansample.sampling.speed_cache import Speed, SpeedCache
from gansample.types import Runner

logger = logging.getLogger(__name__)

SMALL = 1.0  # seconds: a job that ONNX Runtime finishes in this has no use for another engine
LARGE = 5.0  # seconds: from here on, measuring costs little beside what it can save
# Before this machine has its own figure. TensorRT builds an engine the first time.
OPEN_SECONDS = {"onnxruntime": 0.1, "openvino": 0.5, "cuda": 2.0, "tensorrt": 30.0, "tensorrt-rtx": 3.0, "webgpu": 1.0}
MANY = 1_000_000
FEW = "less than a second of work: it opens fastest"
SOFTWARE = "ORT_WEBGPU_EP_ALLOW_SOFTWARE_ADAPTER"
"""The plugin's own variable: 1 allows an adapter that a processor plays."""
_PACKAGES = {
    "onnxruntime": "onnxruntime",
    "openvino": "openvino",
    "cuda": "onnxruntime",
    "webgpu": "onnxruntime_ep_webgpu",
    **{backend: flavour.module for backend, flavour in FLAVOURS.items()},
}


@dataclass(frozen=True, slots=True)
class Candidate:
    """A variant of the bundle on a backend."""

    backend: str
    variant: Variant


def open_chosen(
    bundle: Bundle,
    *,
    backend: str = "auto",
    variant: str | None = None,
    precision: str = "exact",
    pictures: int = 64,
    threads: int | None = None,
) -> tuple[Runner, str]:
    """The opened runner, and why it is this one.

    variant   exactly this one, whatever its precision.
    pictures  how many will be drawn in all, which decides whether a faster engine earns its start.

    Raises UsageError for an unknown precision, BackendUnavailable where nothing that was asked for can run here.
    """
    if precision not in PRECISIONS:
        raise UsageError(f"unknown --precision {precision!r}", "choose exact or fast")
    check_backend(backend)
    if variant is not None:
        named = bundle.variant(variant)
        return open_runner(bundle, named.runtime if backend == "auto" else backend, named, threads), "it was asked for"
    candidates = _candidates(bundle, backend, precision)
    gpu_is_here = backend == "auto" and _on_gpu(candidates)
    while True:
        chosen, why = _choose(bundle, candidates, backend, precision, pictures, threads)
        try:
            runner = open_runner(bundle, chosen.backend, chosen.variant, threads)
        except (BackendUnavailable, ParityError) as reason:
            if not gpu_is_here or chosen.backend not in GPU_BACKENDS or len(candidates) == 1:
                raise
            logger.info("%s on %s is left out (%s)", chosen.variant.name, chosen.backend, reason)  # it was measured before
            candidates.remove(chosen)
            continue
        if gpu_is_here:
            on = f" ({runner.device})" if runner.device is not None else ""
            logger.info("%s on %s%s draws: %s", runner.variant, chosen.backend, on, why)
        return runner, why


def pictures_of_a_service(bundle: Bundle, options: EngineOptions) -> int | None:
    """How many pictures a service counts on when it opens its engine, as `pictures` of `open_sampler`.

    Very many where a GPU might draw them. Where only processors can, None: it then draws with what the command line takes for
    a few, so that both draw the same bytes.
    """
    if options.backend == "auto" and _on_gpu(_candidates(bundle, options.backend, options.precision)):
        return MANY
    return None


def _on_gpu(candidates: list[Candidate]) -> bool:
    return any(each.backend in GPU_BACKENDS for each in candidates)


def check_backend(backend: str) -> None:
    """Raise BackendUnavailable for a name that no backend has."""
    if backend not in BACKENDS:
        raise BackendUnavailable(f"unknown backend {backend!r}", suggest(backend, BACKENDS))


def _candidates(bundle: Bundle, backend: str, precision: str) -> list[Candidate]:
    """What may draw, the one that opens fastest first. Raises BackendUnavailable where there is nothing."""
    runnable = [Candidate(name, v) for v in bundle.variants for name in backends_of(v) if backend in ("auto", name)]
    candidates = [each for each in runnable if precision == "fast" or each.variant.precision == "fp32"]
    if not candidates:
        has = ", ".join(variant.name for variant in bundle.variants)
        hint = "add --precision fast" if runnable else "export it again with one"
        raise BackendUnavailable(f"{bundle.path} has no {precision} variant for {backend} (it has {has})", hint)
    if backend in GPU_BACKENDS and precision == "fast":
        return sorted(candidates, key=lambda each: each.variant.precision != "fp16")[:1]
    if backend == "auto":
        candidates = _installed(candidates)
        if any(each.variant.name == "onnx-fp16" for each in candidates):  # of both, a GPU draws it faster
            candidates = [each for each in candidates if each.backend not in GPU_BACKENDS or each.variant.precision == "fp16"]
    return sorted(candidates, key=lambda each: (OPEN_SECONDS[each.backend], each.variant.precision != "fp32"))


def _installed(candidates: list[Candidate]) -> list[Candidate]:
    """Those whose runtime is installed; all of them where none is, so that opening the first says what to install."""
    from gansample.runtimes.cuda_device import missing_gpu

    def is_here(backend: str) -> bool:
        if backend == "webgpu" and not (_may_have_gpu() or os.environ.get(SOFTWARE) == "1"):
            return False
        return importlib.util.find_spec(_PACKAGES[backend]) is not None and (backend not in NVIDIA_BACKENDS or has_gpu)

    has_gpu = any(each.backend in NVIDIA_BACKENDS for each in candidates) and missing_gpu() is None
    present = {backend for backend in _PACKAGES if is_here(backend)}
    return [each for each in candidates if each.backend in present] or candidates


def _may_have_gpu() -> bool:
    """Without starting any driver: on Linux a GPU has a device file; elsewhere nearly every machine has one."""
    devices = ("dri/renderD*", "nvidia0", "dxg")
    return sys.platform != "linux" or any(next(Path("/dev").glob(name), None) for name in devices)


def _choose(
    bundle: Bundle, candidates: list[Candidate], backend: str, precision: str, pictures: int, threads: int | None
) -> tuple[Candidate, str]:
    first = candidates[0]
    if len(candidates) == 1:
        only = f"the bundle's only {'' if precision == 'fast' else 'exact '}variant that runs here"
        return first, only if backend == "auto" else "it was asked for"
    opens_fastest = first.backend == "onnxruntime"
    recorded = _recorded_speed(first)
    if opens_fastest and recorded is not None and 2 * recorded.seconds(pictures) < SMALL:
        return first, FEW  # without even reading the cache
    cache = SpeedCache(bundle.sha256, threads)
    speed = cache.get(first.variant.name, first.backend) or recorded
    if opens_fastest and speed is not None and speed.seconds(pictures) < SMALL:
        return first, FEW
    if speed is None or speed.seconds(pictures) > LARGE:
        _measure_missing(bundle, candidates, cache, pictures, threads)
    return _fastest(candidates, cache, pictures)


def _recorded_speed(candidate: Candidate) -> Speed | None:
    """What the bundle recorded on the machine that exported it, which says nothing about a GPU."""
    rate = candidate.variant.images_per_second
    if candidate.backend in GPU_BACKENDS or rate is None:
        return None
    return Speed(rate, OPEN_SECONDS[candidate.backend])


def _measure_missing(
    bundle: Bundle, candidates: list[Candidate], cache: SpeedCache, pictures: int, threads: int | None
) -> None:
    """Measure those that the cache has no speed of, and drop from `candidates` what cannot run here or would not pay.

    Raises the last one's reason where none can.
    """
    from gansample.sampling.engine_speed import measure_speed

    best, said = float("inf"), False
    for candidate in sorted(candidates, key=lambda each: OPEN_SECONDS[each.backend]):
        name, backend = candidate.variant.name, candidate.backend
        speed = cache.get(name, backend)
        if speed is None and OPEN_SECONDS[backend] > best:
            candidates.remove(candidate)  # the job would be done before it starts
            continue
        if speed is None:
            if not said:
                logger.info("measuring what draws %s on this machine, once", bundle.spec.name)
                said = True
            try:
                speed = measure_speed(bundle, backend, candidate.variant, threads)
            except GansampleError as reason:
                logger.info("%s on %s is left out (%s)", name, backend, reason)
                candidates.remove(candidate)
                if not candidates:
                    raise
                continue
            logger.info("%s on %s draws %s pictures/s", name, backend, f"{speed.images_per_second:,.0f}")
            cache.put(name, backend, speed)
        best = min(best, speed.seconds(pictures))


def _fastest(candidates: list[Candidate], cache: SpeedCache, pictures: int) -> tuple[Candidate, str]:
    """The candidate that finishes first, and why; those of unknown speed only where no speed is known."""
    known: list[tuple[float, Candidate, str]] = []
    for candidate in candidates:
        measured = cache.get(candidate.variant.name, candidate.backend)
        if (speed := measured or _recorded_speed(candidate)) is not None:
            source = "as measured on this machine" if measured is not None else "by the bundle's figures"
            known.append((speed.seconds(pictures), candidate, f"done first {source}"))
    if not known:
        return candidates[0], "it opens fastest, and nothing was measured"
    _, candidate, why = min(known, key=lambda entry: entry[0])
    return candidate, why
