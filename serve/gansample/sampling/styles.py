"""Pictures that lie between styles instead of latents, of a generator with a mapping.

StyleWalk   --walk 1,7,42              straight from style to style: pictures change evenly (Karras et al. 2019, section 4.1)
MixStyles   --mix-styles 3:0-3,9:4-    the coarse layers of one seed, the fine ones of another (section 3.1)
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np

from gansample.bundle.style_mapping import MAX_LAYERS
from gansample.errors import UsageError
from gansample.latents import Float32, LatentSpace, check_seed
from gansample.sampling.selection import MAX_NAME, Walk
from gansample.system.numbers import whole_number
from gansample.types import Labels, Psi, Styles

ToStyles = Callable[[Float32, Labels | None], Styles]
"""Latents (M, nz) and labels (M,) to styles (M, layers, size)."""
ToStylesAtPsi = Callable[[Float32, Labels | None, float | Psi], Styles]
"""The same for any psi: one for all, or (M,)."""


@runtime_checkable
class InStyles(Protocol):
    """A selection whose pictures have no latents of their own."""

    def styles(self, positions: Sequence[int], labels: Labels | None, to_styles: ToStyles) -> Styles:
        """Styles (len(positions), layers, size).

        labels  (len(positions),) of the pictures, whatever seeds they are made of: a label has no half.
        """


class StyleWalk(Walk):
    """From style to style, straight."""

    def styles(self, positions: Sequence[int], labels: Labels | None, to_styles: ToStyles) -> Styles:
        legs = [position // self.frames for position in positions]
        shares = np.array([position % self.frames / self.frames for position in positions], np.float32)[:, None, None]
        before = to_styles(self.space.from_seeds([self.keys[leg % len(self.keys)] for leg in legs]), labels)
        after = to_styles(self.space.from_seeds([self.keys[(leg + 1) % len(self.keys)] for leg in legs]), labels)
        return np.asarray((1 - shares) * before + shares * after, np.float32)


@dataclass(frozen=True, kw_only=True)
class MixStyles:
    """One picture, each of its layers in the style of one seed."""

    seed_of_layer: tuple[int, ...]
    space: LatentSpace

    @classmethod
    def parse(cls, text: str, space: LatentSpace, layers: int) -> "MixStyles":
        """`3:0-3,9:4-` of a generator with so many layers. Raises UsageError unless every layer has one seed."""
        seeds: list[int | None] = [None] * layers
        for part in text.split(","):
            seed, span = _part(part.strip(), text, layers)
            for layer in span:
                if seeds[layer] is not None:
                    raise UsageError(f"--mix-styles {text} names layer {layer} twice", "give every layer one seed")
                seeds[layer] = seed
        missing = [layer for layer, seed in enumerate(seeds) if seed is None]
        if missing:
            raise UsageError(
                f"--mix-styles {text} gives no seed for layer {', '.join(map(str, missing))}",
                f"this generator has layers 0 to {layers - 1}: name each, like 3:0-1,9:2-",
            )
        return cls(seed_of_layer=tuple(seed for seed in seeds if seed is not None), space=space)

    def __len__(self) -> int:
        return 1

    def latents(self, positions: Sequence[int]) -> Float32:
        raise UsageError("mixed styles belong to no latent", "draw them as styles")

    def styles(self, positions: Sequence[int], labels: Labels | None, to_styles: ToStyles) -> Styles:
        sources = self.sources()
        label = np.repeat(labels[:1], len(sources)) if labels is not None else None
        w = to_styles(self.space.from_seeds(sources), label)
        row = np.stack([w[sources.index(seed), layer] for layer, seed in enumerate(self.seed_of_layer)])
        return np.repeat(row[None], len(positions), 0)

    def seeds(self, positions: Sequence[int]) -> list[int]:
        return [self.seed_of_layer[0]] * len(positions)

    def sources(self) -> Sequence[int]:
        return list(dict.fromkeys(self.seed_of_layer))

    def name(self, position: int) -> str:
        text = "styles" + "-".join(map(str, self.sources()))
        return text if len(text) <= MAX_NAME else "styles"

    def options(self, position: int | None = None) -> Mapping[str, Any]:
        parts, first = [], 0
        for layer in range(1, len(self.seed_of_layer) + 1):
            if layer == len(self.seed_of_layer) or self.seed_of_layer[layer] != self.seed_of_layer[first]:
                last = f"-{layer - 1}" if layer - 1 > first else ""
                parts.append(f"{self.seed_of_layer[first]}:{first}{last}")
                first = layer
        return {"mix_styles": ",".join(parts)}


def check_mix_styles(text: str) -> None:
    """Raise UsageError for what no generator's `--mix-styles` could be."""
    for part in text.split(","):
        _part(part.strip(), text, MAX_LAYERS)


def _part(part: str, text: str, layers: int) -> tuple[int, range]:
    """`9:4-` -> (9, range(4, layers)); `3:2` names one layer."""
    seed_text, colon, span = part.partition(":")
    first_text, dash, last_text = span.partition("-")
    seed, first = whole_number(seed_text), whole_number(first_text)
    last = first if not dash else layers - 1 if not last_text else whole_number(last_text)
    if not colon or seed is None or first is None or last is None:
        raise UsageError(f"cannot read {part!r} in --mix-styles {text!r}", "write seeds with their layers, like 3:0-3,9:4-")
    check_seed(seed)
    if last < first:
        raise UsageError(f"the layers {span} in --mix-styles {text} run backwards", f"write {last}-{first}")
    if last >= layers:
        raise UsageError(f"--mix-styles {text} names layer {last}", f"this generator has layers 0 to {layers - 1}")
    return seed, range(first, last + 1)
