"""`make test-gpu`: every GPU backend on every variant it can take, checked and timed on this machine's GPU.

python -m export.gpu_report                        the newest bundle under artifacts/ -> docs/gpu-report.md
python -m export.gpu_report artifacts/digits --out gpu.md

Needs no PyTorch: pictures are compared with the bundle's goldens (PyTorch float64), and over 1,024 more latents with the fp32
variant in ONNX Runtime on this machine's CPU. Without a GPU it says NOT RUN, writes nothing and exits with 4, because what did
not run has not passed. Exit 6: something ran and failed. Exit 4 too where any backend could not run.
"""

import platform
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from gansample.bundle.fidelity import GATES, Fidelity, Verdict, compare
from gansample.bundle.goldens import check_goldens, read_goldens
from gansample.bundle.open import Bundle, open_bundle
from gansample.bundle.spec import Variant
from gansample.cli import console
from gansample.errors import BackendUnavailable, GansampleError, ParityError
from gansample.latents import latents
from gansample.runtimes import open_runner
from gansample.runtimes.cuda_device import Cuda, require_gpu
from gansample.system.atomic import write_atomic
from gansample.types import Images, Labels, Latents, Runner

BACKENDS = ("cuda", "tensorrt")
BATCHES = {1: 32, 2: 64, 3: 66, 17: 136, 64: 1024}  # batch size -> latents compared at that size
SPEED_BATCHES = (1, 64, 256)
_SECONDS = 1.0  # of timing for each batch size

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What became of one variant on one backend."""

    backend: str
    variant: str
    verdict: Verdict
    reasons: tuple[str, ...] = ()
    goldens: Fidelity | None = None
    by_batch: dict[int, Fidelity] = field(default_factory=dict)
    images_per_second: dict[int, float] = field(default_factory=dict)
    open_seconds: tuple[float, float] | None = None
    """The first opening and the second, which finds a built engine."""
    memory_mib: float | None = None
    """Device memory taken by the runner with every batch size of `SPEED_BATCHES` in use."""


@app.command(context_settings={"help_option_names": ["-h", "--help"]})
def gpu_report(
    bundle: Annotated[Path | None, typer.Argument(help="A bundle folder (default: the newest under artifacts/).")] = None,
    out: Annotated[Path, typer.Option(help="Where the report goes.")] = Path("docs/gpu-report.md"),
    debug: Annotated[bool, typer.Option("--debug", help="Show a traceback where something fails.")] = False,
) -> None:
    """Check and time every GPU backend, and write what was seen."""
    try:
        require_gpu()
        cuda = Cuda()
        device = cuda.gpu().to_dict()
    except BackendUnavailable as reason:
        raise BackendUnavailable(f"NOT RUN, nothing was written: {reason}") from None
    checked = open_bundle(bundle)
    rows = []
    for row in measure(checked, cuda):
        rows.append(row)
        print(f"{row.backend} {row.variant}: {row.verdict} {'; '.join(row.reasons)}".rstrip(), file=sys.stderr)
    out.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(out, markdown(checked, rows, device).encode())
    print(f"wrote {out}", file=sys.stderr)
    if failed := [f"{row.backend} {row.variant}" for row in rows if row.verdict == "FAIL"]:
        raise ParityError(f"{', '.join(failed)} failed on this GPU", f"see {out}")
    if missing := [f"{row.backend} {row.variant}" for row in rows if row.verdict != "PASS"]:
        raise BackendUnavailable(f"{', '.join(missing)} did not run on this GPU", f"see {out}")


def measure(bundle: Bundle, cuda: Cuda) -> Iterator[Row]:
    """Every backend on every ONNX variant of `bundle`, one after the other."""
    n = max(BATCHES.values())
    z = latents(range(10_000, 10_000 + n), bundle.spec.latent_size, bundle.spec.distribution)
    label = np.arange(n) % len(bundle.spec.classes) if bundle.spec.classes is not None else None
    with open_runner(bundle, "onnxruntime") as reference:
        expected = reference.run(z, label)
    for backend in BACKENDS:
        for variant in bundle.variants:
            if variant.runtime == "onnxruntime":
                yield _measure_one(bundle, backend, variant, cuda, (z, label, expected))


def _measure_one(
    bundle: Bundle, backend: str, variant: Variant, cuda: Cuda, compared: tuple[Latents, Labels | None, Images]
) -> Row:
    def say(message: str) -> None:
        print(f"  {backend} {variant.name}: {message}", file=sys.stderr)

    try:
        before, started = cuda.used_bytes(), time.perf_counter()
        open_runner(bundle, backend, variant=variant.name, say=say).close()
        first, started = time.perf_counter() - started, time.perf_counter()
        with open_runner(bundle, backend, variant=variant.name, say=say) as runner:
            opened = (first, time.perf_counter() - started)
            goldens = check_goldens(runner, read_goldens(bundle), variant.precision)
            by_batch = _compare(runner, *compared)
            rates = {batch: _images_per_second(runner, batch, compared[0], compared[1]) for batch in SPEED_BATCHES}
            memory = (cuda.used_bytes() - before) / 2**20
    except BackendUnavailable as reason:
        return Row(backend=backend, variant=variant.name, verdict="NOT RUN", reasons=(str(reason),))
    except GansampleError as failure:
        return Row(backend=backend, variant=variant.name, verdict="FAIL", reasons=(str(failure),))
    gate = GATES[variant.precision]
    broken = tuple(f"batch {batch}: {failure}" for batch, seen in by_batch.items() for failure in gate.failures(seen))
    return Row(
        backend=backend,
        variant=variant.name,
        verdict="FAIL" if broken else "PASS",
        reasons=broken,
        goldens=goldens,
        by_batch=by_batch,
        images_per_second=rates,
        open_seconds=opened,
        memory_mib=memory,
    )


def _compare(runner: Runner, z: Latents, label: Labels | None, expected: Images) -> dict[int, Fidelity]:
    seen = {}
    for batch, n in BATCHES.items():
        parts = [slice(start, min(start + batch, n)) for start in range(0, n, batch)]
        drawn = np.concatenate([runner.run(z[part], label[part] if label is not None else None) for part in parts])
        seen[batch] = compare(drawn, expected[:n])
    return seen


def _images_per_second(runner: Runner, batch: int, z: Latents, label: Labels | None) -> float:
    """Pictures in host memory per second, median over runs, copies included."""
    part = slice(0, batch)
    z, label = z[part], label[part] if label is not None else None
    for _ in range(3):
        runner.run(z, label)
    times: list[float] = []
    until = time.perf_counter() + _SECONDS
    while len(times) < 10 or time.perf_counter() < until:
        started = time.perf_counter()
        runner.run(z, label)
        times.append(time.perf_counter() - started)
    return batch / float(np.median(times))


def markdown(bundle: Bundle, rows: list[Row], device: dict[str, str]) -> str:
    """The report, with everything that a reader needs to believe it or repeat it."""
    facts = {
        "date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "GPU": device["name"],
        "compute capability": device["compute_capability"],
        "driver": device["driver"],
        "CUDA runtime": device["cuda"],
        **{name: _version(name) for name in ("onnxruntime", "tensorrt")},
        "Python": platform.python_version(),
        "model": f"{bundle.spec.name}, sha256 {bundle.sha256[:16]}…",
    }
    speeds = " | ".join(f"pictures/s, batch {batch}" for batch in SPEED_BATCHES)
    lines = [
        "# GPU report",
        "",
        "Written by `make test-gpu`; every figure was measured in that run. NOT RUN is never a pass.",
        "",
        *(f"- {name}: {value}" for name, value in facts.items()),
        "",
        f"| backend | variant | verdict | goldens | 1,024 latents | {speeds} | open, s | again, s | memory, MiB |",
        "|---|---|---|---|---|" + "---|" * (len(SPEED_BATCHES) + 3),
        *(_table_row(row) for row in rows),
        "",
        "Goldens are PyTorch float64's pictures; the 1,024 latents are compared with the fp32 variant on this machine's CPU at",
        f"batches of {', '.join(map(str, BATCHES))}, the worst shown. Speed includes the copies from and to the host.",
        *(f"\n{row.backend} {row.variant}, {row.verdict}: {'; '.join(row.reasons)}" for row in rows if row.reasons),
    ]
    return "\n".join(lines) + "\n"


def _table_row(row: Row) -> str:
    if not row.by_batch or row.goldens is None or row.open_seconds is None or row.memory_mib is None:
        return f"| {row.backend} | {row.variant} | {row.verdict} |" + " – |" * (len(SPEED_BATCHES) + 5)
    worst = min(row.by_batch.values(), key=lambda seen: seen.psnr_db)
    cells = [
        row.backend,
        row.variant,
        row.verdict,
        _words(row.goldens),
        _words(worst),
        *(f"{row.images_per_second[batch]:,.0f}" for batch in SPEED_BATCHES),
        *(f"{seconds:.2f}" for seconds in row.open_seconds),
        f"{row.memory_mib:,.0f}",
    ]
    return f"| {' | '.join(cells)} |"


def _words(seen: Fidelity) -> str:
    return "identical" if np.isinf(seen.psnr_db) else f"{seen.psnr_db:.1f} dB, max {seen.max_step:.0f}"


def _version(module: str) -> str:
    try:
        return str(__import__(module).__version__)
    except ImportError:
        return "not installed"


if __name__ == "__main__":
    console.run(app, "gpu-report")
