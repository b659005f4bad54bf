"""What a verdict rests on: every fact of an export that decides its pixels, and how it is known.

Parity says that a bundle draws what the exporter read from a file. The basis says how far that reading itself is known: *told*
by the user or the file, *measured*, or *assumed*.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

from gansample.errors import ArtefactError

Known = Literal["told", "measured", "assumed"]
NOT_RECORDED = "what had to be assumed is not recorded (bundles did not say it yet when this one was exported)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One fact of an export, like the latents' distribution."""

    name: str
    value: str
    known: Known
    how: str = ""
    """Who told it, the margin of the measurement, or how to say otherwise."""

    def __str__(self) -> str:
        return f"{self.name}: {self.value}" + (f" ({self.how})" if self.how else "")

    def to_dict(self) -> dict[str, str]:
        return {"name": self.name, "value": self.value, "known": self.known, "how": self.how}


@dataclass(frozen=True, slots=True, kw_only=True)
class Basis:
    """All facts of an export, in the order in which they were found."""

    facts: tuple[Fact, ...]
    compared: int = 0
    """How many of the author's own pictures were drawn again and matched (`--expect`)."""

    @property
    def assumptions(self) -> tuple[Fact, ...]:
        return tuple(fact for fact in self.facts if fact.known == "assumed")

    def confirmed(self, pictures: int, still_open: Collection[str] = ()) -> "Basis":
        """With every assumption told by that many of the author's pictures, but for those in `still_open`."""
        how = f"confirmed by {pictures} of the author's pictures"
        facts = tuple(
            replace(fact, known="told", how=how) if fact.known == "assumed" and fact.name not in still_open else fact
            for fact in self.facts
        )
        return Basis(facts=facts, compared=pictures)

    def to_dict(self) -> dict[str, Any]:
        return {
            "verdict": grade("PASS", self),
            "facts": [fact.to_dict() for fact in self.facts],
            "compared_with_the_author": self.compared,
        }

    @classmethod
    def from_dict(cls, data: Any, source: str) -> "Basis | None":
        """Read what `to_dict` wrote; None where nothing was recorded. Raises ArtefactError naming `source`."""
        if data is None:
            return None
        try:
            facts = tuple(_fact(entry) for entry in data["facts"])
            return cls(facts=facts, compared=int(data.get("compared_with_the_author", 0)))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ArtefactError(f"{source}: basis cannot be read ({error})", "export again") from None


def _fact(entry: Mapping[str, Any]) -> Fact:
    if entry["known"] not in get_args(Known):
        raise ValueError(f"known is {entry['known']!r}")
    return Fact(name=str(entry["name"]), value=str(entry["value"]), known=entry["known"], how=str(entry.get("how", "")))


def grade(verdict: str, basis: Basis | None) -> str:
    """`PASS, AS ASSUMED` for a PASS that rests on an assumption, else the verdict as it is."""
    return f"{verdict}, AS ASSUMED" if verdict == "PASS" and basis is not None and basis.assumptions else verdict


def verdict_line(verdict: str, basis: Basis | None, parity: Mapping[str, Any]) -> str:
    """The verdict of an export with the number of latents behind it: `PASS over 128 latents (quick)`.

    parity  the receipt of the variant. One from before efforts were recorded counts as full.
    """
    latents = max((row["images"] for row in parity.get("rows", [])), default=0)
    over = f" over {latents:,} latents" if latents else ""
    return f"{grade(verdict, basis)}{over}{' (quick)' if parity.get('effort') == 'quick' else ''}"


def format_basis(basis: Basis | None) -> list[str]:
    """Lines for people: what the verdict rests on, one for every assumption."""
    if basis is None:
        return [NOT_RECORDED]
    lines = [f"assumed: {fact}" for fact in basis.assumptions]
    if basis.compared:
        lines.append(f"compared: {basis.compared} of the author's own pictures match")
    return lines or ["nothing about the network had to be assumed"]
