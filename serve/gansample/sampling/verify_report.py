"""`gan verify --report FILE`: the checks of `verify`, and beside them speed, memory and a thousand further latents.

The bundle's few goldens are PyTorch float64's pictures. The further latents are compared with the fp32 variant in ONNX Runtime
on this machine's CPU, which the goldens have shown to be right.
"""

import logging
import platform
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from importlib.metadata import PackageNotFoundError, version
from typing import NamedTuple

import numpy as np

from gansample.bundle.basis import format_basis
from gansample.bundle.fidelity import Fidelity, compare
from gansample.bundle.open import Bundle
from gansample.bundle.spec import Spec
from gansample.errors import BackendUnavailable, GansampleError
from gansample.runtimes.backends import BACKEND_OF, NVIDIA_BACKENDS
from gansample.runtimes.base import images_per_second, run_batched
from gansample.runtimes.cuda_device import Cuda, require_gpu
from gansample.runtimes.open import open_runner
from gansample.sampling.verify import Check, gate_failures, worst_of
from gansample.types import Images, Labels, Latents

logger = logging.getLogger(__name__)

FEWEST = 32
FIRST_SEED = 10_000  # far from the goldens, and from the seeds that people draw first
BATCHES = {1: 32, 2: 64, 3: 66, 17: 136, 64: 1024}  # batch size -> latents compared at that size
SPEED_BATCHES = (1, 64, 256)
SPEED_SECONDS = 1.0  # of timing for each batch size
PACKAGES = ("onnxruntime", "onnxruntime-gpu", "openvino", "tensorrt", "tensorrt-rtx-cu13-bindings", "onnxruntime-ep-webgpu")


class Expected(NamedTuple):
    """Latents (N, nz), labels (N,) and the pictures that the fp32 variant draws for them on the CPU."""

    z: Latents
    label: Labels | None
    images: Images


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """A check, and what was measured of the same variant on the same backend; nothing where it did not run."""

    check: Check
    by_batch: dict[int, Fidelity] = field(default_factory=dict)
    """Batch size -> distance from the fp32 variant on the CPU."""
    images_per_second: dict[int, float] = field(default_factory=dict)
    """Batch size -> pictures in host memory per second, copies included."""
    reopen_seconds: float | None = None
    """Opening it a second time, which finds a built engine."""
    memory_mib: float | None = None
    """Device memory taken with every batch size of `SPEED_BATCHES` in use; None on a CPU."""


def measure(bundle: Bundle, checks: Iterable[Check], threads: int | None = None) -> Iterator[Measurement]:
    """Measure every check that passed. A distance beyond the gate, or any error, turns its verdict into FAIL."""
    spec = bundle.spec
    n = compared_latents(spec)
    z = spec.latents(range(FIRST_SEED, FIRST_SEED + n))
    label = np.arange(n) % len(spec.classes) if spec.classes is not None else None
    with open_runner(bundle, "onnxruntime", bundle.variant("onnx-fp32"), threads) as reference:
        expected = Expected(z, label, run_batched(reference.run, z, label, 64))
    for check in checks:
        if check.verdict != "PASS":
            yield Measurement(check=check)
            continue
        logger.info("measuring %s on %s", check.variant.name, check.backend)
        try:
            yield _measure(bundle, check, expected, threads)
        except GansampleError as failure:
            yield Measurement(check=replace(check, verdict="FAIL", reasons=(str(failure),)))


def compared_latents(spec: Spec) -> int:
    """1,024; of pictures beyond 128×128 as many as have those pixels together, and at least 32."""
    n = max(BATCHES.values())
    return min(n, max(FEWEST, n * 128 * 128 // (spec.height * spec.width)))


def _measure(bundle: Bundle, check: Check, expected: Expected, threads: int | None) -> Measurement:
    backend = BACKEND_OF[check.backend]
    cuda = Cuda() if backend in NVIDIA_BACKENDS else None
    before, started = cuda.used_bytes() if cuda is not None else 0, time.perf_counter()
    with open_runner(bundle, backend, check.variant, threads) as runner:
        seconds = time.perf_counter() - started
        by_batch = {}
        for batch, n in ((batch, min(n, len(expected.z))) for batch, n in BATCHES.items()):
            label = expected.label[:n] if expected.label is not None else None
            by_batch[batch] = compare(run_batched(runner.run, expected.z[:n], label, batch), expected.images[:n])
        rates = {}
        for batch in (size for size in SPEED_BATCHES if size <= len(expected.z)):
            label = expected.label[:batch] if expected.label is not None else None
            rates[batch] = images_per_second(runner.run, expected.z[:batch], label, SPEED_SECONDS)
        memory = (cuda.used_bytes() - before) / 2**20 if cuda is not None else None
    if broken := gate_failures(by_batch, check.variant):
        check = replace(check, verdict="FAIL", reasons=broken)
    return Measurement(check=check, by_batch=by_batch, images_per_second=rates, reopen_seconds=seconds, memory_mib=memory)


def markdown(bundle: Bundle, rows: list[Measurement]) -> str:
    """The report, with everything that a reader needs to believe it or repeat it."""
    facts = {
        "date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        **_gpu_facts(),
        **{name: _version(name) for name in PACKAGES},
        "Python": platform.python_version(),
        "model": f"{bundle.spec.name}, sha256 {bundle.sha256[:16]}…",
    }
    n = compared_latents(bundle.spec)
    speeds = " | ".join(f"pictures/s, batch {batch}" for batch in SPEED_BATCHES)
    lines = [
        "# Verification report",
        "",
        "Written by `gan verify --report`; every figure was measured in that run. NOT RUN is never a pass.",
        "",
        *(f"- {name}: {value}" for name, value in facts.items()),
        *(f"- {line}" for line in format_basis(bundle.spec.basis)),
        "",
        f"| backend | variant | verdict | goldens | {n:,} latents | {speeds} | open, s | again, s | memory, MiB |",
        "|---|---|---|---|---|" + "---|" * (len(SPEED_BATCHES) + 3),
        *(_table_row(row) for row in rows),
        "",
        f"Goldens are the pictures of {bundle.reference}; the {n:,} latents are compared with the fp32 variant on this",
        f"machine's CPU at batches of {', '.join(map(str, BATCHES))}, the worst shown. Speed includes the copies from",
        "and to the host.",
    ]
    for row in rows:
        if reasons := "; ".join(row.check.reasons):
            lines.append(f"\n{_backend(row.check)} {row.check.variant.name}, {row.check.verdict}: {reasons}")
    return "\n".join(lines) + "\n"


def _table_row(row: Measurement) -> str:
    check = row.check
    cells = [_backend(check), check.variant.name, check.verdict]
    cells += [_format_fidelity(check.worst), _format_fidelity(worst_of(row.by_batch))]
    cells += [_format(row.images_per_second.get(batch), ",.0f") for batch in SPEED_BATCHES]
    cells += [_format(check.open_seconds, ".2f"), _format(row.reopen_seconds, ".2f"), _format(row.memory_mib, ",.0f")]
    return f"| {' | '.join(cells)} |"


def _backend(check: Check) -> str:
    return BACKEND_OF.get(check.backend, check.backend)


def _format_fidelity(seen: Fidelity | None) -> str:
    if seen is None:
        return "–"
    return "identical" if np.isinf(seen.psnr_db) else f"{seen.psnr_db:.1f} dB, max {seen.max_step:.0f}"


def _format(value: float | None, pattern: str) -> str:
    return "–" if value is None else format(value, pattern)


def _gpu_facts() -> dict[str, str]:
    try:
        require_gpu()
        device = Cuda().gpu().to_dict()
    except BackendUnavailable as reason:
        return {"GPU": f"NOT RUN, {reason}"}
    return {
        "GPU": device["name"],
        "compute capability": device["compute_capability"],
        "driver": device["driver"],
        "CUDA runtime": device["cuda"],
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
