"""The verdict: does the exported model draw the pictures of PyTorch?

The reference is the same network in PyTorch float64. PyTorch's own float32 against it is the noise floor: no export can be
asked to be closer than that, and a floor that is unusually high announces a generator that amplifies every rounding.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from export.parity.distribution import Shift
from export.parity.first_divergence import LATENTS, Divergence, Tensors, first_divergence
from export.parity.reference import Reference, unrounded_psnr_db
from export.parity.worst_latent import WorstLatent, search_worst_latent
from gansample.bundle.fidelity import GATES, Fidelity, Gate, Verdict, compare, mean_square_steps, psnr_db
from gansample.runtimes.base import Run, run_batched
from gansample.types import Images

BATCHES = {1: 64, 2: 64, 3: 66, 17: 68, 64: 1024}  # batch size -> plain seeds compared at that size
STRESS_BATCH = 64
UNROUNDED_LATENTS = 256  # latents compared before rounding: a figure in dB settles long before a thousand
BETWEEN_LEVELS = 0.05  # steps from the middle of two levels, within which the last bit of float32 decides which one it is
FUSED_DB = 6.0  # half the error gone, only because the runtime may not fuse layers
SHOWN = 36  # pictures a report shows, 6 × 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One comparison: which latents, drawn at which batch size."""

    latents: str
    batch: int
    fidelity: Fidelity
    failures: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        return {"latents": self.latents, "batch": self.batch, **self.fidelity.to_dict()}


@dataclass(frozen=True, slots=True, kw_only=True)
class ParityReport:
    """One variant compared, PASS only if no row, no batch, no searched latent and no distribution fails."""

    variant: str
    precision: str
    reference: str
    """What drew the pictures that it is compared with: `PyTorch float64` but for foreign graphs."""
    rows: tuple[Row, ...]
    batches_agree: Fidelity
    """The same latents at different batch sizes, compared with each other."""
    unrounded_psnr_db: float | None
    """PSNR of the pictures before rounding to 8 bits, which tells near misses apart; None where the runtime hides them."""
    float32_psnr_db: float
    shift: Shift
    floor: Shift
    features: str
    worst: WorstLatent
    worst_class: tuple[str, float] | None
    """Name and PSNR of the class that is drawn worst; None for an unconditional generator."""
    failures: tuple[str, ...]
    divergence: Divergence | None
    """Only looked for where something failed."""
    shown: Images
    """The first pictures as the variant draws them, for the report."""

    @property
    def verdict(self) -> Verdict:
        return "FAIL" if self.failures else "PASS"

    @property
    def overall(self) -> Fidelity:
        """The row over the most latents."""
        return max((row.fidelity for row in self.rows), key=lambda fidelity: fidelity.images)

    def to_dict(self) -> dict[str, Any]:
        return {
            "verdict": self.verdict,
            "failures": list(self.failures),
            "reference": self.reference,
            "rows": [row.to_dict() for row in self.rows],
            "levels_psnr_db": finite(self.unrounded_psnr_db),
            "torch_float32_psnr_db": finite(self.float32_psnr_db),
            "batch_invariant": self.batches_agree.identical == 1,
            "distribution": {**self.shift.to_dict(), "floor": self.floor.to_dict(), "features": self.features},
            "worst": self.worst.to_dict(),
            "worst_class": {"class": self.worst_class[0], "psnr_db": finite(self.worst_class[1])} if self.worst_class else None,
            "divergence": self.divergence.to_dict() if self.divergence else None,
        }


def check_parity(
    run: Run[Any],
    unrounded: Run[Any] | None,
    reference: Reference,
    *,
    variant: str,
    precision: str,
    tensors: Tensors | None = None,
    batches: Mapping[int, int] = BATCHES,
) -> ParityReport:
    """Compare a variant with the reference.

    run        uint8 pictures (N, H, W, C) from latents and labels, by the very file and runtime that ship
    unrounded  the same pictures before rounding, where the runtime gives them
    tensors    everything the graph computes for some latents; called only to find the layer where a failure begins
    batches    batch size -> number of plain seeds compared at that size
    """
    if not batches:
        raise ValueError("a comparison of nothing is no verdict: give at least one batch size")
    gate = GATES[precision]
    by_batch = {batch: _in_batches(run, reference, slice(0, n), batch) for batch, n in batches.items()}
    plain = max(by_batch.values(), key=len)
    rows = [_row("seeds", batch, drawn, reference.pictures.images[: len(drawn)], gate) for batch, drawn in by_batch.items()]
    for name, part in reference.conditions.items():
        if name != "seeds":
            drawn = _in_batches(run, reference, part, STRESS_BATCH)
            rows.append(_row(name, STRESS_BATCH, drawn, reference.pictures.images[part], gate.under_stress()))
    agree = _batches_agree(list(by_batch.values()), plain)
    mixed = [] if all(_same_but_for_rounding(drawn, plain, reference) for drawn in by_batch.values()) else [_by_batch(agree)]
    shift = reference.distribution.shift(plain)
    worst = search_worst_latent(run, plain, reference)
    most = max(rows, key=lambda row: row.fidelity.images)
    failures = (
        # Where all the seeds fail together, every batch size does: saying so once is enough.
        *(
            f"{row.latents}, batch {row.batch}: {failure}"
            for row in ([most] if most.failures else rows)
            for failure in row.failures
        ),
        *mixed,
        *(f"worst latent: {failure}" for failure in worst.failures(gate)),
        *reference.distribution.failures(shift),
    )
    return ParityReport(
        variant=variant,
        precision=precision,
        reference=reference.generator.reference_name,
        rows=tuple(rows),
        batches_agree=agree,
        unrounded_psnr_db=_unrounded_psnr_db(unrounded, reference, len(plain)) if unrounded is not None else None,
        float32_psnr_db=reference.float32_psnr_db,
        shift=shift,
        floor=reference.distribution.floor,
        features=reference.distribution.features.name,
        worst=worst,
        worst_class=_worst_class(plain, reference),
        failures=failures,
        divergence=_divergence(tensors, plain, reference) if failures and tensors is not None else None,
        shown=plain[:SHOWN],
    )


def _in_batches(run: Run[Any], reference: Reference, part: slice, batch: int) -> npt.NDArray[Any]:
    return run_batched(run, reference.z[part], reference.label[part] if reference.label is not None else None, batch)


def _row(latents: str, batch: int, drawn: npt.NDArray[Any], expected: Images, gate: Gate) -> Row:
    fidelity = compare(drawn.astype(np.uint8, copy=False), expected)
    return Row(latents=latents, batch=batch, fidelity=fidelity, failures=tuple(gate.failures(fidelity)))


def _batches_agree(drawn: Sequence[Images], plain: Images) -> Fidelity:
    """A picture may not depend on its batch: every batch size against the one with the most pictures."""
    return compare(np.concatenate(drawn), np.concatenate([plain[: len(pictures)] for pictures in drawn]))


def _same_but_for_rounding(drawn: Images, plain: Images, reference: Reference) -> bool:
    """Whether pictures are those of another batch size, but for channels that float64 has in the middle of two levels."""
    plain = plain[: len(drawn)]
    seen, level = compare(drawn, plain), reference.pictures.unrounded[: len(drawn)]
    in_the_middle = np.abs(level - np.floor(level) - 0.5) <= BETWEEN_LEVELS
    return not GATES["fp32"].failures(seen) and bool(in_the_middle[drawn != plain].all())


def _by_batch(agree: Fidelity) -> str:
    steps = "1 step" if agree.max_step == 1 else f"{agree.max_step:.0f} steps"
    return f"a picture changes with the batch it is drawn in, by {steps}"


def _worst_class(plain: Images, reference: Reference) -> tuple[str, float] | None:
    classes = reference.generator.spec.classes
    if classes is None or reference.label is None:
        return None
    errors, label = mean_square_steps(plain, reference.pictures.images[: len(plain)]), reference.label[: len(plain)]
    by_class = {int(k): float(errors[label == k].mean()) for k in np.unique(label)}
    worst = max(by_class, key=by_class.__getitem__)
    return classes[worst], psnr_db(by_class[worst])


def _unrounded_psnr_db(unrounded: Run[Any], reference: Reference, n: int) -> float:
    n = min(UNROUNDED_LATENTS, n)
    return unrounded_psnr_db(_in_batches(unrounded, reference, slice(0, n), STRESS_BATCH), reference.pictures.unrounded[:n])


def _divergence(tensors: Tensors, drawn: Images, reference: Reference) -> Divergence:
    few = slice(0, min(LATENTS, len(drawn)))
    z, label = reference.z[few], reference.label[few] if reference.label is not None else None
    expected = reference.pictures.images[few]
    seen = tensors(z, label)
    divergence = first_divergence(reference.generator, seen, z, label)
    apart, fused = (compare(images, expected).psnr_db for images in (seen["images"], drawn[few]))
    if apart > fused + FUSED_DB:
        first = f"a fused kernel of the runtime: {fused:.0f} dB as it runs, {apart:.0f} dB with every layer kept apart"
        return replace(divergence, first=first)
    return divergence


def finite(value: float | None) -> float | None:
    """Two decimals; None for infinity and NaN, which JSON does not have."""
    return round(value, 2) if value is not None and math.isfinite(value) else None
