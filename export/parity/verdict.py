"""The verdict: does the exported model draw the pictures of PyTorch?

The reference is the same network in PyTorch float64. PyTorch's own float32 against it is the noise floor: no export can be
asked to be closer than that, and a floor that is unusually high announces a generator that amplifies every rounding.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from export.effort import Effort, at_once, batch_sizes, fewer
from export.parity.distribution import Shift
from export.parity.first_divergence import LATENTS, Divergence, Tensors, first_divergence
from export.parity.reference import Reference, mean_squares
from export.parity.worst_latent import WorstDrawn, WorstLatent, search_worst_latent
from gansample.bundle.fidelity import GATES, Fidelity, Gate, RunningFidelity, Verdict, compare, psnr_db
from gansample.runtimes.base import Run, each_batch, run_batched
from gansample.system.memory import return_freed_memory
from gansample.types import Images

BETWEEN_LEVELS = 0.05  # steps from the middle of two levels, within which the last bit of float32 decides which one it is
FUSED_DB = 6.0  # half the error gone, only because the runtime may not fuse layers
SHOWN = 36  # pictures a report shows, 6 × 6; fewer of large ones


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
    effort: Effort
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
            "effort": self.effort,
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
    open_unrounded: Callable[[], Run[Any]] | None,
    reference: Reference,
    *,
    variant: str,
    precision: str,
    tensors: Tensors | None = None,
    batches: Mapping[int, int] | None = None,
) -> ParityReport:
    """Compare a variant with the reference.

    run             uint8 pictures (N, H, W, C) from latents and labels, by the very file and runtime that ship
    open_unrounded  opens what gives the same pictures before rounding, where the runtime does; closed before `run` draws
    tensors         everything the graph computes for some latents; called only to find the layer where a failure begins
    batches         batch size -> number of plain seeds compared at that size; None: all that the reference has
    """
    spec, gate = reference.generator.spec, GATES[precision]
    batches = batch_sizes(spec, len(reference.seeds)) if batches is None else batches
    if not batches:
        raise ValueError("a comparison of nothing is no verdict: give at least one batch size")
    widest = max(batches, key=batches.__getitem__)
    shown = fewer(spec, SHOWN, least=4)
    kept = max([shown, *(n for batch, n in batches.items() if batch != widest)])
    unrounded_db = _unrounded_psnr_db(open_unrounded(), reference, batches[widest]) if open_unrounded is not None else None
    return_freed_memory()  # large pictures: the activations of two engines would not be wanted at once
    plain = _draw_plain(run, reference, batches[widest], widest, kept)
    agree, mixed, rows = RunningFidelity(), False, []
    for batch, n in batches.items():  # a picture may not depend on its batch: every size against the one with the most
        drawn = _in_batches(run, reference, slice(0, n), batch) if batch != widest else plain.first
        agree.add(drawn, plain.first[: len(drawn)])
        mixed |= batch != widest and not _same_but_for_rounding(drawn, plain.first[: len(drawn)], reference)
        seen = compare(drawn, reference.images[:n]) if batch != widest else plain.fidelity.result()
        rows.append(_row("seeds", batch, seen, gate))
    for name, part in reference.conditions.items():
        if name != "seeds":
            seen = compare(_in_batches(run, reference, part, widest), reference.images[part])
            rows.append(_row(name, widest, seen, gate.under_stress()))
    shift = reference.distribution.shift(plain.features)
    worst = search_worst_latent(run, plain.worst, reference)
    most = max(rows, key=lambda row: row.fidelity.images)
    failures = (
        # Where all the seeds fail together, every batch size does: saying so once is enough.
        *(
            f"{row.latents}, batch {row.batch}: {failure}"
            for row in ([most] if most.failures else rows)
            for failure in row.failures
        ),
        *([_by_batch(agree.result())] if mixed else []),
        *(f"worst latent: {failure}" for failure in worst.failures(gate)),
        *reference.distribution.failures(shift),
    )
    return ParityReport(
        variant=variant,
        precision=precision,
        reference=reference.generator.reference_name,
        effort=reference.effort,
        rows=tuple(rows),
        batches_agree=agree.result(),
        unrounded_psnr_db=unrounded_db,
        float32_psnr_db=reference.float32_psnr_db,
        shift=shift,
        floor=reference.distribution.floor,
        features=reference.distribution.features.name,
        worst=worst,
        worst_class=_worst_class(plain.fidelity.squares, reference),
        failures=failures,
        divergence=_divergence(tensors, plain.first, reference) if failures and tensors is not None else None,
        shown=plain.first[:shown],
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plain:
    """What is kept of a variant's pictures for the plain seeds; the pictures themselves have gone by."""

    fidelity: RunningFidelity
    features: npt.NDArray[np.float64]
    worst: WorstDrawn
    first: Images


def _draw_plain(run: Run[Any], reference: Reference, n: int, batch: int, kept: int) -> _Plain:
    """Draw the first `n` plain seeds, `batch` at a time, and keep the first `kept` pictures."""
    fidelity, worst, first, done = RunningFidelity(), WorstDrawn(), [], 0
    extract, features = reference.distribution.features.extract, []
    for drawn in each_batch(run, reference.z[:n], reference.label, batch):
        images = drawn.astype(np.uint8, copy=False)
        fidelity.add(images, reference.images[done : done + len(images)])
        worst.add(done, images, fidelity.squares[done:])
        features.append(extract(images))
        if done < kept:
            first.append(images[: kept - done])
        done += len(images)
    return _Plain(fidelity=fidelity, features=np.concatenate(features), worst=worst, first=np.concatenate(first))


def _in_batches(run: Run[Any], reference: Reference, part: slice, batch: int) -> Images:
    label = reference.label[part] if reference.label is not None else None
    return run_batched(run, reference.z[part], label, batch).astype(np.uint8, copy=False)


def _row(latents: str, batch: int, seen: Fidelity, gate: Gate) -> Row:
    return Row(latents=latents, batch=batch, fidelity=seen, failures=tuple(gate.failures(seen)))


def _same_but_for_rounding(drawn: Images, plain: Images, reference: Reference) -> bool:
    """Whether pictures are those of another batch size, but for channels that float64 has in the middle of two levels."""
    differs, level = drawn != plain, reference.unrounded[: len(drawn)]
    in_the_middle = np.abs(level - np.floor(level) - 0.5) <= BETWEEN_LEVELS
    known = len(level)  # of later pictures nobody knows how near the middle they were
    return (
        not GATES["fp32"].failures(compare(drawn, plain))
        and bool(in_the_middle[differs[:known]].all())
        and not differs[known:].any()
    )


def _by_batch(agree: Fidelity) -> str:
    steps = "1 step" if agree.max_step == 1 else f"{agree.max_step:.0f} steps"
    return f"a picture changes with the batch it is drawn in, by {steps}"


def _worst_class(errors: npt.NDArray[np.float64], reference: Reference) -> tuple[str, float] | None:
    classes = reference.generator.spec.classes
    if classes is None or reference.label is None:
        return None
    label = reference.label[: len(errors)]
    by_class = {int(k): float(errors[label == k].mean()) for k in np.unique(label)}
    worst = max(by_class, key=by_class.__getitem__)
    return classes[worst], psnr_db(by_class[worst])


def _unrounded_psnr_db(unrounded: Run[Any], reference: Reference, n: int) -> float:
    n, squares, done = min(len(reference.unrounded), n), [], 0
    for drawn in each_batch(unrounded, reference.z[:n], reference.label, at_once(reference.generator.spec)):
        squares.append(mean_squares(drawn, reference.unrounded[done : done + len(drawn)]))
        done += len(drawn)
    return psnr_db(float(np.concatenate(squares).mean()))


def _divergence(tensors: Tensors, drawn: Images, reference: Reference) -> Divergence:
    few = slice(0, min(LATENTS, fewer(reference.generator.spec, 4 * LATENTS), len(drawn)))
    z, label = reference.z[few], reference.label[few] if reference.label is not None else None
    expected = reference.images[few]
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
