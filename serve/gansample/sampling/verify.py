"""Does this bundle still draw PyTorch's pictures, on this machine? Without PyTorch: against the goldens it carries.

Digests come first, of every file. Then every variant that can run here draws the goldens at several batch sizes and goes
through the same gate as at export, on the CPU and on every GPU backend. What cannot run is NOT RUN with its reason, and never
a pass.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from gansample.bundle.fidelity import GATES, Fidelity, Verdict, compare
from gansample.bundle.goldens import Goldens, read_goldens
from gansample.bundle.open import Bundle
from gansample.bundle.spec import Variant
from gansample.errors import BackendUnavailable, ParityError
from gansample.runtimes import GPU_BACKENDS, Say, open_runner, silent
from gansample.types import Images, Runner

BATCHES = {1: 16, 2: 16, 3: 18, 17: 34, 64: 64}  # batch size -> goldens drawn at that size


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """What became of one variant on this machine."""

    variant: Variant
    backend: str
    """What really ran, for example onnxruntime-cpu; the wanted runtime where nothing did."""
    verdict: Verdict
    reasons: tuple[str, ...]
    """Why it is not PASS."""
    by_batch: dict[int, Fidelity]

    @property
    def worst(self) -> Fidelity | None:
        """The batch size that came out worst; None where nothing was drawn."""
        return min(self.by_batch.values(), key=lambda seen: seen.psnr_db) if self.by_batch else None

    def to_dict(self) -> dict[str, Any]:
        return {
            "variant": self.variant.name,
            "precision": self.variant.precision,
            "backend": self.backend,
            "verdict": self.verdict,
            "reasons": list(self.reasons),
            "rows": [{"batch": batch, **seen.to_dict()} for batch, seen in self.by_batch.items()],
            "at_export": self.variant.parity.get("verdict", "NOT RUN"),
        }


def check_digests(bundle: Bundle) -> int:
    """Read every file that the bundle lists and return how many; ArtefactError names the first that is not as it was."""
    for name in bundle.files:
        bundle.read(name)
    return len(bundle.files)


def check_variants(bundle: Bundle, threads: int | None = None, say: Say = silent) -> Iterator[Check]:
    """Check one variant after the other, as the bundle lists them; then the ONNX variants on CUDA and TensorRT.

    say  hears what takes long, such as TensorRT building an engine.

    Raises ArtefactError for a bundle without goldens (a lone .onnx file), or a file that is damaged.
    """
    goldens = read_goldens(bundle)
    for variant in bundle.variants:
        try:
            runner = open_runner(bundle, threads=threads, variant=variant.name)
        except BackendUnavailable as reason:
            yield Check(variant=variant, backend=variant.runtime, verdict="NOT RUN", reasons=(str(reason),), by_batch={})
            continue
        with runner:
            yield check_runner(runner, goldens, variant)
    for backend in GPU_BACKENDS:
        for variant in bundle.variants:
            if variant.runtime == "onnxruntime":
                yield _check_on_gpu(bundle, backend, variant, goldens, say)


def _check_on_gpu(bundle: Bundle, backend: str, variant: Variant, goldens: Goldens, say: Say) -> Check:
    """One ONNX variant on a GPU backend; pictures that TensorRT's own check before first use rejects are a FAIL."""
    try:
        runner = open_runner(bundle, backend, variant=variant.name, say=say)
    except BackendUnavailable as reason:
        return Check(variant=variant, backend=backend, verdict="NOT RUN", reasons=(str(reason),), by_batch={})
    except ParityError as failure:
        return Check(variant=variant, backend=backend, verdict="FAIL", reasons=(str(failure),), by_batch={})
    with runner:
        return check_runner(runner, goldens, variant)


def check_runner(runner: Runner, goldens: Goldens, variant: Variant) -> Check:
    """Draw the goldens at every batch size and judge them by the gate of the variant's precision."""
    gate = GATES[variant.precision]
    by_batch = {batch: compare(_draw(runner, goldens, n, batch), goldens.images[:n]) for batch, n in BATCHES.items()}
    broken = tuple(f"batch {batch}: {failure}" for batch, seen in by_batch.items() for failure in gate.failures(seen))
    return Check(
        variant=variant, backend=runner.backend, verdict="FAIL" if broken else "PASS", reasons=broken, by_batch=by_batch
    )


def _draw(runner: Runner, goldens: Goldens, n: int, batch: int) -> Images:
    n = min(n, len(goldens.z))
    label = goldens.label
    parts = [
        runner.run(
            goldens.z[start : min(start + batch, n)], label[start : min(start + batch, n)] if label is not None else None
        )
        for start in range(0, n, batch)
    ]
    return np.concatenate(parts)
