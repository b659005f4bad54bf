"""A reading cut at its BatchNorms: what lies between two of them is judged by the statistics of the second alone.

Each BatchNorm normalises by its batch while training, so what a segment gives depends on nothing before it but the form of its
input. What is unknown in a segment (the latents' distribution, the eps in front, the activations) is thus weighed on its own.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from export.importers.from_names.chain import FRONTS, Chain, Layer, modules
from export.importers.from_names.evidence import Evidence, evidence
from export.importers.from_names.layers import gap
from gansample.bundle.spec import Distribution
from gansample.latents import latents

ACTIVATIONS = ("relu", "lrelu0.2", "lrelu0.01", "lrelu0.1", "lrelu0.3", "elu", "selu", "gelu", "silu", "tanh")
ACTIVATION = re.compile(r"relu|lrelu[\d.]+|prelu|elu|selu|gelu|silu|tanh|sigmoid")
LAYER = re.compile(r"convt?\d.*|linear")
UPSAMPLING = re.compile(r"(up|bilinear|shuffle)\d+")
NONE = "none"
DISTRIBUTIONS: tuple[Distribution, ...] = ("normal", "uniform")
LATENTS = 256
VALUES, FEWEST = 4096, 32  # values per channel that are enough for a mean and a variance; pictures, however large they are


@dataclass(frozen=True, slots=True)
class Option:
    """One way to fill in what is unknown in a segment."""

    tokens: tuple[str, ...]
    distribution: Distribution

    @property
    def activation(self) -> str:
        return next((token for token in self.tokens if ACTIVATION.fullmatch(token)), NONE)

    @property
    def eps(self) -> str:
        """The token of the BatchNorm in front; empty in front of the latents."""
        return self.tokens[0] if self.tokens[0].startswith("bn") else ""


@dataclass(frozen=True, slots=True)
class Segment:
    """The tokens from one BatchNorm (or the latents) up to the next, the weights that they take, and the next BatchNorm."""

    tokens: tuple[str, ...]
    layers: tuple[Layer, ...]
    closing: Layer | None

    @property
    def places(self) -> tuple[str, ...]:
        """What stands where an activation may stand: in front of each layer but the latents' own, and where one stands."""
        found: list[str] = []
        pending = False
        for token in self.tokens:
            if ACTIVATION.fullmatch(token):
                found, pending = [*found, token], False
            elif LAYER.fullmatch(token):
                found, pending = [*found, *([NONE] if pending else [])], True
            pending = pending or token.startswith("bn")
        return tuple(found)

    def options(self, distributions: Sequence[Distribution]) -> Iterator[Option]:
        """Every way to fill it in; the activations of several places are swapped together."""
        first = not self.tokens[0].startswith("bn")
        joined = first and FRONTS[self.tokens[0]] in ("after", "before")
        heads = ("z+label", "label+z") if joined else (self.tokens[0],) if first else ("bn", "bn0.8")
        for tail in dict.fromkeys(self._tails()):
            for head in heads:
                for distribution in distributions if first else distributions[:1]:
                    yield Option((head, *tail), distribution)

    def _tails(self) -> Iterator[tuple[str, ...]]:
        tail, at = self.tokens[1:], self._place()
        yield tail
        if at is None:
            return
        bare = (*tail[:at], *tail[at + 1 :]) if ACTIVATION.fullmatch(tail[at]) else tail
        modules_there = self._modules_at(at)
        if modules_there is None or modules_there > 0:
            several = len([token for token in tail if ACTIVATION.fullmatch(token)]) > 1
            for activation in ACTIVATIONS:
                swapped = tuple(activation if ACTIVATION.fullmatch(token) else token for token in tail)
                yield swapped if several else (*bare[:at], activation, *bare[at:])
            if not several:
                yield bare

    def _place(self) -> int | None:
        """Where in the tokens after the first an activation is weighed; None where it is a PReLU's, or nowhere."""
        tail = self.tokens[1:]
        stands = [index for index, token in enumerate(tail) if ACTIVATION.fullmatch(token)]
        if stands:
            return None if tail[stands[0]] == "prelu" else stands[0]
        layers = [index for index, token in enumerate(tail) if LAYER.fullmatch(token)]
        if self.tokens[0].startswith("bn"):
            return 0 if layers else None
        return layers[0] + 1 if len(layers) > 1 else None

    def _modules_at(self, at: int) -> int | None:
        """How many modules without a name in the file stand there, less the upsampling; None if the names do not say."""
        tail = self.tokens[1:]
        weighted = [index for index, token in enumerate(tail) if LAYER.fullmatch(token) and index < at]
        before = len(weighted) + len(self.layers) - sum(map(bool, map(LAYER.fullmatch, tail))) - 1
        behind = (*self.layers, *([self.closing] if self.closing is not None else []))[before + 1 :]
        between = gap(self.layers[before].path, behind[0].path) if before >= 0 and behind else None
        if between is None:
            return None
        start = weighted[-1] + 1 if weighted else 0
        end = next((index for index in range(start, len(tail)) if LAYER.fullmatch(tail[index])), len(tail))
        return between - sum(map(bool, map(UPSAMPLING.fullmatch, tail[start:end])))

    def features(self, option: Option, before: Tensor | None) -> Tensor:
        """What the next layer sees: (N, …) float32. `before` is what the BatchNorm in front saw, None for latents."""
        if before is None:
            chain = Chain(" ".join(option.tokens), self.layers)
            table, first = chain.embedding, self.layers[1 if chain.embedding is not None else 0].weight
            width = first.shape[1] if first.dim() == 2 else first.shape[0]
            size = width - (table.embedding_dim if table is not None and chain.label in ("after", "before") else 0)
            label = torch.arange(LATENTS) % table.num_embeddings if table is not None else None
            drawn: Tensor = chain(torch.from_numpy(latents(range(LATENTS), size, option.distribution)), label)
        else:
            network = nn.Sequential(*modules(option.tokens, iter(self.layers), planes=before.dim() == 4))
            drawn = network.train()(before)  # as in training: each layer saw its input normalised by the batch
        positions = drawn[0, 0].numel()
        return drawn[: max(FEWEST, VALUES // positions)]


def cut(tokens: Sequence[str], layers: Sequence[Layer]) -> list[Segment]:
    """The segments of a reading without its last activation."""
    remaining, found = iter(layers), []
    part = Segment((), (), None)
    for index, token in enumerate(tokens[:-1]):
        takes = FRONTS[token] != "none" if index == 0 else token == "prelu" or LAYER.fullmatch(token) is not None
        if token.startswith("bn"):
            norm = next(remaining)
            found.append(replace(part, closing=norm))
            part = Segment((token,), (norm,), None)
        else:
            part = Segment((*part.tokens, token), (*part.layers, *([next(remaining)] if takes else [])), None)
    return [*found, part]


def weighed(part: Segment, before: Tensor | None, distributions: Sequence[Distribution]) -> dict[Option, Evidence]:
    """Every option of a segment that a BatchNorm closes, with what that says, the best first."""
    assert part.closing is not None
    closing = part.closing
    seen = {option: evidence(part.features(option, before), closing) for option in part.options(distributions)}
    return dict(sorted(seen.items(), key=lambda entry: entry[1].off))
