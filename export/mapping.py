"""Networks of two parts, as StyleGAN's: a mapping from latents to styles, and a synthesis of pictures from those.

Whoever brings a network says so by its attributes: `mapping`, `synthesis` and `w_avg`, as below. Its forward(z [, label]) must
be synthesis(mapping(z [, label])).
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from gansample.bundle.spec import Spec
from gansample.types import Latents, Styles


@runtime_checkable
class HasMapping(Protocol):
    """What psi, style mixing and walks in W need of a network; each a method or a module."""

    w_avg: Tensor
    """The mean style, (size,) or (layers, size): what psi moves styles towards."""

    def mapping(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        """Latents (N, nz) [and labels (N,)] to styles (N, layers, size), untruncated."""

    def synthesis(self, w: Tensor) -> Tensor:
        """Styles (N, layers, size) to pictures (N, C, H, W), in the range of forward's."""


class MappingNetwork(nn.Module):
    """The first graph: latents (N, nz), psi (N,) [and labels (N,)] to styles (N, layers, size).

    w = (1 - psi) * w_avg + psi * mapping(z), which is mapping(z) itself at psi 1, to the last bit, and w_avg at psi 0: the
    truncation trick in W of Karras et al. 2019, section 3.2.
    """

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network

    def forward(self, z: Tensor, psi: Tensor, label: Tensor | None = None) -> Tensor:
        w: Tensor = self.network.mapping(z) if label is None else self.network.mapping(z, label)
        share = psi.to(w.dtype)[:, None, None]
        styles: Tensor = (1 - share) * self.network.w_avg + share * w
        return styles


class SynthesisNetwork(nn.Module):
    """The second graph: styles (N, layers, size) to pictures (N, C, H, W)."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network

    def forward(self, w: Tensor) -> Tensor:
        pictures: Tensor = self.network.synthesis(w)
        return pictures


class AtPsi(nn.Module):
    """Both, at one psi: latents (N, nz) [and labels (N,)] to pictures (N, C, H, W)."""

    def __init__(self, network: Any, psi: float) -> None:
        super().__init__()
        self.styles, self.pictures, self.psi = MappingNetwork(network), SynthesisNetwork(network), psi

    def forward(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        drawn: Tensor = self.pictures(self.styles(z, z.new_full((len(z),), self.psi), label))
        return drawn


@dataclass(frozen=True, slots=True, kw_only=True)
class SynthesisSpec(Spec):
    """Of the second graph alone, for whoever builds one of its forms: it takes styles where others take latents."""

    whole: Spec
    """The generator's own, which every form's file carries."""
    styles: Callable[[Latents], Styles]
    """Latents (N, nz) to the styles that the graph is given of them, at psi 1, classes in turn."""

    def latents(self, seeds: Iterable[int], truncation: float | None = None) -> Styles:
        """The styles of `seeds`, float32 (N, layers, size)."""
        return self.styles(self.whole.latents(seeds, truncation))

    def to_dict(self) -> dict[str, Any]:
        return self.whole.to_dict()

    @classmethod
    def from_whole(cls, whole: Spec, styles: Callable[[Latents], Styles]) -> "SynthesisSpec":
        """Of a generator with a mapping."""
        assert whole.mapping is not None
        return cls(
            name=whole.name,
            latent_size=whole.mapping.layers * whole.mapping.size,
            height=whole.height,
            width=whole.width,
            channels=whole.channels,
            value_range=whole.value_range,
            mapping=whole.mapping,
            whole=whole,
            styles=styles,
        )


@torch.no_grad()
def shape_of_styles(network: HasMapping, latent_size: int, conditional: bool) -> tuple[int, int]:
    """(layers, size) of the styles that a network makes of a latent."""
    assert isinstance(network, nn.Module)
    dtype = next((p.dtype for p in network.parameters()), torch.float32)
    z = torch.zeros(2, latent_size, dtype=dtype)
    w = network.mapping(z, torch.zeros(2, dtype=torch.int64)) if conditional else network.mapping(z)
    _, layers, size = w.shape
    return int(layers), int(size)
