"""What an export decided by timing, so that another one can repeat it: `python -m export --like BUNDLE`.

Four things depend on this machine: which variants it can run at all, which graph passes pay, which layers of the int8 variant
stay in float, and whether its transposed convolutions are computed as their phases. A bundle's manifest records all four.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from gansample.bundle.open import Bundle, open_bundle
from gansample.bundle.spec import Spec, Variant
from gansample.errors import UsageError

KEEP_FLOAT = "keep float"  # the int8 variant's step of that name


@dataclass(frozen=True, slots=True, kw_only=True)
class TimingDecisions:
    """What is None is decided by timing."""

    variants: tuple[str, ...] | None = None
    passes: Mapping[str, bool] | None = None
    """Pass of the reference graph -> whether it was kept."""
    float_layers: tuple[str, ...] | None = None
    """Layers of the int8 variant that are not quantised."""
    int8_phases: bool | None = None
    """Whether the int8 variant has convolutions of phases for its transposed ones."""

    @classmethod
    def from_bundle(cls, bundle: Bundle) -> Self:
        """The decisions of the export that made `bundle`."""
        int8 = [variant for variant in bundle.variants if variant.precision == "int8"]  # an older one has no such pass
        layers = [step.get("layers", []) for variant in bundle.variants for step in _steps(variant)]  # [] if dropped
        return cls(
            variants=tuple(variant.name for variant in bundle.variants),
            passes={note["pass"]: bool(note["kept"]) for note in bundle.variants[0].notes.get("passes", [])},
            float_layers=tuple(layers[0]) if layers else None,
            int8_phases=any(note["kept"] for note in int8[0].notes.get("passes", [])) if int8 else None,
        )


def decisions_like(like: Path | None, spec: Spec) -> TimingDecisions:
    """What the export of the bundle `like` decided. Raises UsageError where it holds another generator than `spec`'s."""
    if like is None:
        return MEASURE_ALL
    bundle = open_bundle(like)
    for fact in ("latent_size", "height", "width", "channels"):
        if getattr(bundle.spec, fact) != getattr(spec, fact):
            words = f"its {fact.replace('_', ' ')} is {getattr(bundle.spec, fact)}, not {getattr(spec, fact)}"
            raise UsageError(f"--like {like} holds another generator ({words})", "pass a bundle of the same one")
    return TimingDecisions.from_bundle(bundle)


def _steps(variant: Variant) -> list[dict[str, Any]]:
    return [step for step in variant.notes.get("steps", []) if step.get("step") == KEEP_FLOAT]


MEASURE_ALL = TimingDecisions()
