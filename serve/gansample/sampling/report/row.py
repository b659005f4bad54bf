"""What a report knows of one engine, a variant on a backend. It grows with every fact that is measured."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from math import inf
from typing import Any, Self

from gansample.bundle.fidelity import Fidelity, Verdict
from gansample.bundle.spec import Variant
from gansample.sampling.verify import Check

BATCHES = (1, 64, 256, 1024)
"""Pictures at once for which the speed is measured."""
STOPPED = "stopped before it was measured"
Cell = float | str
"""A figure, or why there is none."""
Fact = Mapping[str, Any]
"""Fields of `EngineRow` that became known; also `drawn`, once, when the first picture was there."""


@dataclass(slots=True, kw_only=True)
class EngineRow:
    """A verdict and figures. Until it is known to be something else, every one of them is NOT RUN."""

    variant: str
    precision: str
    backend: str
    """What --backend takes."""
    verdict: Verdict = "NOT RUN"
    """PASS once goldens and further latents, all of them, came out within the gate of the variant's precision."""
    reasons: list[str] = field(default_factory=lambda: [STOPPED])
    """Why it is not PASS."""
    on_gpu: bool = False
    """Whether there are copies to measure with and without, and memory of a device."""
    runner: str | None = None
    """What really ran, like onnxruntime-cpu."""
    device: str | None = None
    """The GPU's name, where the runtime chose among GPUs."""
    goldens: dict[int, Fidelity] = field(default_factory=dict)
    """Batch size -> distance from the bundle's goldens."""
    latents: dict[int, Fidelity] = field(default_factory=dict)
    """Batch size -> distance from what the fp32 variant draws on the CPU."""
    rates: dict[int, Cell] = field(default_factory=dict)
    """Batch size -> pictures in host memory per second, copies included."""
    device_rates: dict[int, Cell] = field(default_factory=dict)
    """The same without copies; empty on a CPU, where nothing is copied."""
    cold_seconds: Cell = STOPPED
    """From the start of a process with empty caches to its first picture."""
    warm_seconds: Cell = STOPPED
    """The same again, with what the first process left in the caches."""
    host_mib: Cell = STOPPED
    """Memory of the process at its largest, beyond what it held before the runtime was loaded."""
    device_mib: Cell = STOPPED
    """Device memory taken, with every batch size in use; nothing to report on a CPU."""

    @property
    def opened(self) -> bool:
        """Whether it drew anything."""
        return bool(self.goldens)

    @classmethod
    def from_dict(cls, row: Mapping[str, Any]) -> Self:
        """What `to_dict` gave."""
        new = cls(variant=row["variant"], precision=row["precision"], backend=row["backend"])
        new.learn(row)
        return new

    def learn(self, fact: Fact) -> None:
        """Take over what `measure` yields, which may have passed through JSON: keys of dictionaries become text there."""
        for name, value in fact.items():
            if name in ("goldens", "latents"):
                getattr(self, name).update({int(batch): Fidelity.from_dict(seen) for batch, seen in value.items()})
            elif name in ("rates", "device_rates"):
                getattr(self, name).update({int(batch): cell for batch, cell in value.items()})
            else:
                setattr(self, name, value)

    def settle(self, reason: str) -> None:
        """Nothing more will be measured: every figure that is missing has its reason."""
        for name in ("cold_seconds", "warm_seconds", "host_mib", "device_mib"):
            if getattr(self, name) == STOPPED:
                setattr(self, name, reason)
        for batch in BATCHES:
            self.rates.setdefault(batch, reason)
            if self.on_gpu:
                self.device_rates.setdefault(batch, reason)

    def check(self, variant: Variant) -> Check:
        """As `gan verify` prints it."""
        return Check(
            variant=variant,
            backend=self.backend if self.verdict == "NOT RUN" else self.runner or self.backend,
            verdict=self.verdict,
            reasons=tuple(self.reasons),
            by_batch=self.goldens,
            device=self.device,
        )

    def to_dict(self) -> dict[str, Any]:
        """For a file of JSON."""
        seen = {name: {str(n): each.to_dict() for n, each in getattr(self, name).items()} for name in ("goldens", "latents")}
        rates = {name: {str(n): _round(cell) for n, cell in getattr(self, name).items()} for name in ("rates", "device_rates")}
        rest = {each.name: getattr(self, each.name) for each in fields(self) if each.name not in {*seen, *rates}}
        return {**{name: _round(value) for name, value in rest.items()}, **seen, **rates}


def describe(seen: Fidelity | None) -> str:
    """Like `145.5 dB, max 1`, or `–` where nothing was compared."""
    if seen is None:
        return "–"
    return "identical" if seen.psnr_db == inf else f"{seen.psnr_db:.1f} dB, max {seen.max_step:.0f}"


def _round(value: Any) -> Any:
    return round(value, 3) if isinstance(value, float) else value
