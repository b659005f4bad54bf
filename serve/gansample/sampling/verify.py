"""Does this bundle still draw its reference's pictures, on this machine? Without PyTorch: against the goldens it carries.

Every file's digest is checked first. Then every variant that can run here draws the goldens at several batch sizes and goes
through the same gate as at export, on the CPU and on every GPU backend. What cannot run is NOT RUN with its reason, and never
a pass.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from gansample.bundle.fidelity import GATES, Fidelity, Verdict, compare
from gansample.bundle.goldens import Goldens, read_goldens
from gansample.bundle.open import Bundle
from gansample.bundle.spec import Variant
from gansample.errors import ArtefactError, BackendUnavailable, ParityError
from gansample.runtimes.backends import GPU_BACKENDS
from gansample.runtimes.base import run_batched
from gansample.runtimes.open import open_runner
from gansample.types import Runner

BATCHES = {1: 16, 2: 16, 3: 18, 17: 34, 64: 64}  # batch size -> goldens drawn at that size


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """The verdict on one variant on this machine."""

    variant: Variant
    backend: str
    """What really ran, for example onnxruntime-cpu; the wanted runtime where nothing did."""
    verdict: Verdict
    reasons: tuple[str, ...] = ()
    """Why it is not PASS."""
    by_batch: dict[int, Fidelity] = field(default_factory=dict)
    device: str | None = None
    """The GPU's name, where the runtime chose among GPUs."""

    @property
    def worst(self) -> Fidelity | None:
        """The batch size that came out worst; None where nothing was drawn."""
        return worst_of(self.by_batch)

    def to_dict(self) -> dict[str, Any]:
        return {
            "variant": self.variant.name,
            "precision": self.variant.precision,
            "backend": self.backend,
            **({"device": self.device} if self.device is not None else {}),
            "verdict": self.verdict,
            "reasons": list(self.reasons),
            "rows": [{"batch": batch, **seen.to_dict()} for batch, seen in self.by_batch.items()],
            "at_export": self.variant.parity.get("verdict", "NOT RUN"),
        }


def worst_of(by_batch: Mapping[int, Fidelity]) -> Fidelity | None:
    return min(by_batch.values(), key=lambda seen: seen.psnr_db) if by_batch else None


def check_digests(bundle: Bundle) -> int:
    """Read every file that the bundle lists and return how many; ArtefactError names the first that is not as it was."""
    for name in bundle.files:
        bundle.read(name)
    return len(bundle.files)


def check_variants(bundle: Bundle, threads: int | None = None) -> Iterator[Check]:
    """Check every variant in the bundle's order on the CPU, then every ONNX variant on CUDA and on TensorRT.

    threads  processor threads, all cores by default.

    Raises ArtefactError for a bundle without goldens (a lone .onnx file), or a file that is damaged.
    """
    goldens = read_goldens(bundle)
    for variant, backend in engines_to_check(bundle):
        yield _check(bundle, backend, variant, goldens, threads)


def engines_to_check(bundle: Bundle) -> list[tuple[Variant, str]]:
    """(variant, backend): every variant on its own runtime, then every ONNX variant on each GPU backend."""
    on_gpu = [(variant, backend) for backend in GPU_BACKENDS for variant in bundle.variants if variant.runtime == "onnxruntime"]
    return [*((variant, variant.runtime) for variant in bundle.variants), *on_gpu]


def _check(bundle: Bundle, backend: str, variant: Variant, goldens: Goldens, threads: int | None) -> Check:
    """One variant on one backend; an engine that TensorRT's own check before first use rejects is a FAIL."""
    try:
        runner = open_runner(bundle, backend, variant, threads)
    except BackendUnavailable as reason:
        return Check(variant=variant, backend=backend, verdict="NOT RUN", reasons=(str(reason),))
    except ParityError as failure:
        return Check(variant=variant, backend=backend, verdict="FAIL", reasons=(str(failure),))
    except ArtefactError as refusal:
        if backend not in GPU_BACKENDS:
            raise
        return Check(variant=variant, backend=backend, verdict="NOT RUN", reasons=(str(refusal),))  # its compiler's words
    with runner:
        return replace(check_runner(runner, goldens, variant), device=runner.device)


def check_runner(runner: Runner, goldens: Goldens, variant: Variant) -> Check:
    """Draw the goldens at every batch size and compare them by the gate of the variant's precision."""
    by_batch = draw_goldens(runner, goldens)
    broken = gate_failures(by_batch, variant.precision)
    return Check(
        variant=variant, backend=runner.backend, verdict="FAIL" if broken else "PASS", reasons=broken, by_batch=by_batch
    )


def draw_goldens(runner: Runner, goldens: Goldens) -> dict[int, Fidelity]:
    """Batch size -> how far what the runner draws then is from the goldens."""
    by_batch = {}
    rows, labels = goldens.inputs(runner)
    for batch, n in BATCHES.items():
        label = labels[:n] if labels is not None else None
        by_batch[batch] = compare(run_batched(runner.run, rows[:n], label, batch), goldens.images[:n])
    return by_batch


def gate_failures(by_batch: Mapping[int, Fidelity], precision: str) -> tuple[str, ...]:
    """Every bound of the precision's gate that a batch size breaks."""
    gate = GATES[precision]
    return tuple(f"batch {batch}: {failure}" for batch, seen in by_batch.items() for failure in gate.failures(seen))
