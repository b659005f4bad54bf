"""What a file's statistics say of a reading's unknowns, and what is taken where they say nothing.

An option that explains the file as well as the best, within the noise of the comparison, is tied with it. Where all that are
tied agree on something, it is measured. Of tied activations the textbook's is taken: the one that the whole network may have
(a network rarely has two of a kind), ReLU before LeakyReLU(0.2). Where none of them is the textbook's, nothing is taken.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import hypot

import torch

from export.importers.from_names.chain import Layer
from export.importers.from_names.evidence import ERRORS, Evidence, Noise, independent_channels
from export.importers.from_names.segments import NONE, Option, Segment, cut, weighed
from gansample.bundle.basis import Fact
from gansample.bundle.spec import Distribution

REPRODUCED = 0.25  # how far statistics are off at most that a right reading reproduces
TEXTBOOK = ("relu", "lrelu0.2")  # in this order
OTHERWISE = "--chain says otherwise"
NOTHING_TELLS = f"no BatchNorm follows that would tell; {OTHERWISE}"


@dataclass(frozen=True, slots=True)
class Weighed:
    """A segment with all its options, the best first, and the noise in which they are compared."""

    part: Segment
    options: Mapping[Option, Evidence]
    noise: Noise

    @property
    def best(self) -> Evidence:
        return next(iter(self.options.values()))

    @property
    def tied(self) -> list[Option]:
        """The options as good as the best."""
        return [option for option, seen in self.options.items() if self.explains(seen)]

    def explains(self, seen: Evidence) -> bool:
        return self.noise.errors_apart(self.best, seen) <= ERRORS

    def margin(self, option: Option, agrees: Sequence[Option]) -> str:
        """How far `option` is off, and by how much the nearest that does not agree with it is worse."""
        seen = self.options[option]
        rival = next((other for other in self.options if other not in agrees), None)
        if rival is None:
            return f"{seen.off:.2f} from the statistics behind it"
        apart = self.noise.errors_apart(seen, self.options[rival])
        name = rival.activation if rival.activation != option.activation else rival.eps or rival.distribution
        of_rival = f"{name} {self.options[rival].off:.2f}, {apart:.1f} standard errors worse"
        return f"{seen.off:.2f} from the statistics behind it; {of_rival}"


@dataclass(frozen=True, slots=True)
class Measured:
    """A reading whose unknowns are filled in."""

    tokens: tuple[str, ...]
    distribution: Distribution
    distribution_margin: str | None
    """By how much it fits better than the other; None where it is assumed."""
    facts: tuple[Fact, ...]
    """The activation of every place, the eps of the BatchNorms, and where the label stands."""
    mismatches: tuple[float, ...]
    """How far each BatchNorm is off."""
    choices: tuple[tuple[str, ...], ...] = ()
    """The tokens of readings that are tied where none is the textbook's; empty where all is decided."""


@torch.no_grad()
def weigh(tokens: Sequence[str], layers: Sequence[Layer], distributions: Sequence[Distribution]) -> list[Weighed]:
    """The segments of a reading that a BatchNorm closes, in order."""
    parts, before = [], None
    for part in cut(tokens, layers)[:-1]:
        options = weighed(part, before, distributions)
        best, seen = next(iter(options.items()))
        before = part.features(best, before)
        parts.append((part, options, independent_channels(before), seen.parts))
    left = [left for *_, left in parts]
    return [
        Weighed(part, options, Noise(independent, (*left[:index], *left[index + 1 :])))
        for index, (part, options, independent, _) in enumerate(parts)
    ]


def measure(tokens: Sequence[str], layers: Sequence[Layer], weights: Sequence[Weighed]) -> Measured:
    """The reading `tokens` with every unknown as the file's statistics or else the textbook say."""
    tied = [entry.tied for entry in weights]
    common = _common(weights, tied)
    chosen: list[Option] = []
    undecided: dict[int, list[str]] = {}
    for index, (entry, options) in enumerate(zip(weights, tied, strict=True)):
        activations = list(dict.fromkeys(option.activation for option in options))
        activation = _activation(activations, common)
        if activation is None:
            undecided[index], activation = activations, activations[0]
        eps = chosen[-1].eps if len(chosen) > 1 else "bn"  # the first often has another eps than those after it
        front = entry.part.tokens[0]
        same = [option for option in options if option.activation == activation]
        key = {option: (option.eps != eps, option.distribution != "normal", option.tokens[0] != front) for option in same}
        chosen.append(min(same, key=key.__getitem__))
    last = cut(tokens, layers)[-1]
    usual = common or next((option.activation for option in reversed(chosen) if option.activation not in (NONE, "prelu")), None)
    eps = chosen[-1].eps if len(chosen) > 1 else ""
    end = _tail(last, usual, eps)
    read = (*(token for option in chosen for token in option.tokens), *end, tokens[-1])
    facts = (*_activation_facts(weights, tied, chosen, undecided, end, last), *_other_facts(weights, tied, chosen, end))
    first = chosen[0] if chosen else None
    return Measured(
        tokens=read,
        distribution=first.distribution if first is not None else "normal",
        distribution_margin=_distribution_margin(weights[0], tied[0], first) if first is not None else None,
        facts=facts,
        mismatches=tuple(entry.options[option].off for entry, option in zip(weights, chosen, strict=True)),
        choices=tuple((*choice, tokens[-1]) for choice in _choices(tied, chosen, undecided, last, eps)),
    )


def _common(weights: Sequence[Weighed], tied: Sequence[Sequence[Option]]) -> str | None:
    """The activation that the whole network may have; None where several may and none of them is the textbook's.

    All places together tell apart what a single one does not.
    """
    found: dict[str, list[tuple[Weighed, Evidence]]] = {}
    places = 0
    for entry, options in zip(weights, tied, strict=True):
        names = dict.fromkeys(option.activation for option in options if option.activation != NONE)
        if not names or "prelu" in names:
            continue
        places += 1
        for name in names:
            found.setdefault(name, []).append((entry, next(entry.options[o] for o in options if o.activation == name)))
    everywhere = {name: seen for name, seen in found.items() if len(seen) == places}
    if not everywhere:
        return None
    best = min(everywhere.values(), key=lambda seen: sum(evidence.off for _, evidence in seen))
    left = []
    for name, seen in everywhere.items():
        pairs = zip(best, seen, strict=True)
        apart = [entry.noise.errors_apart(least, other) for (entry, least), (_, other) in pairs]
        if hypot(*apart) <= ERRORS:
            left.append(name)
    return next((name for name in TEXTBOOK if name in left), left[0] if len(left) == 1 else None)


def _activation(tied: Sequence[str], common: str | None) -> str | None:
    """Of the tied activations of one place the one to take; None where that is not decided."""
    if len(tied) == 1:
        return tied[0]
    usual = [name for name in (*([common] if common else []), *TEXTBOOK, NONE) if name in tied]
    several = len(set(tied) - {NONE}) > 1
    return None if not usual or (usual[0] == NONE and several) else usual[0]


def _tail(last: Segment, usual: str | None, eps: str) -> tuple[str, ...]:
    """The tokens behind the last BatchNorm, with the eps and the activation of those before, as nothing there tells them."""
    tokens = tuple(usual if usual is not None and place in last.places and place != "prelu" else place for place in last.tokens)
    return (eps, *tokens[1:]) if eps and tokens[0].startswith("bn") else tokens


def _activation_facts(
    weights: Sequence[Weighed],
    tied: Sequence[Sequence[Option]],
    chosen: Sequence[Option],
    undecided: Mapping[int, Sequence[str]],
    end: Sequence[str],
    last: Segment,
) -> list[Fact]:
    facts: list[Fact] = []

    def add(value: str, known: bool, how: str) -> None:
        name = f"activation, hidden {len(facts) + 1}"
        facts.append(Fact(name=name, value=value, known="measured" if known else "assumed", how=how))

    for entry, options, option in zip(weights, tied, chosen, strict=True):
        part = Segment(option.tokens, entry.part.layers, entry.part.closing)
        agrees = [other for other in options if other.activation == option.activation]
        others = list(dict.fromkeys(other.activation for other in options if other not in agrees))
        for place in part.places:
            if place == "prelu":
                add(place, True, "its slope is in the file")
            elif len(part.places) > 1:
                add(place, False, f"{len(part.places)} places before the next BatchNorm; {OTHERWISE}")
            elif others:
                add(place, False, f"{', '.join(others)} explain the file as well; {OTHERWISE}")
            else:
                add(place, True, entry.margin(option, agrees))
    for place in Segment(tuple(end), last.layers, None).places:
        add(place, place == "prelu", NOTHING_TELLS if place != "prelu" else "its slope is in the file")
    return facts


def _other_facts(
    weights: Sequence[Weighed], tied: Sequence[Sequence[Option]], chosen: Sequence[Option], end: Sequence[str]
) -> list[Fact]:
    """The eps of the BatchNorms, of which nothing tells the last one's, and where the label stands."""
    facts = []
    norms = [option.eps for option in chosen if option.eps] + [token for token in end if token.startswith("bn")]
    if norms:
        facts.append(
            Fact(
                name="BatchNorm's eps",
                value=", ".join(token.removeprefix("bn") or "1e-5" for token in norms),
                known="assumed",
                how=f"nothing tells the last one's; {OTHERWISE}",
            )
        )
    if chosen and "+" in chosen[0].tokens[0]:
        agrees = [option for option in tied[0] if option.tokens[0] == chosen[0].tokens[0]]
        known, how = (
            ("measured", weights[0].margin(chosen[0], agrees)) if len(agrees) == len(tied[0]) else ("assumed", OTHERWISE)
        )
        facts.append(Fact(name="label's place", value=chosen[0].tokens[0], known=known, how=how))  # type: ignore[arg-type]
    return facts


def _distribution_margin(entry: Weighed, tied: Sequence[Option], first: Option) -> str | None:
    agrees = [option for option in entry.options if option.distribution == first.distribution]
    if any(option.distribution != first.distribution for option in tied) or len(agrees) == len(entry.options):
        return None
    return entry.margin(first, agrees)


def _choices(
    tied: Sequence[Sequence[Option]],
    chosen: Sequence[Option],
    undecided: Mapping[int, Sequence[str]],
    last: Segment,
    eps: str,
) -> list[tuple[str, ...]]:
    """The readings that are tied, without the output: each undecided activation in turn, at all the places where it may be."""
    readings = []
    for name in dict.fromkeys(name for names in undecided.values() for name in names if name != NONE):
        parts = [
            next((other.tokens for other in tied[index] if index in undecided and other.activation == name), option.tokens)
            for index, option in enumerate(chosen)
        ]
        readings.append((*(token for part in parts for token in part), *_tail(last, name, eps)))
    return list(dict.fromkeys(readings))
