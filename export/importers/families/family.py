"""What a family's file gives: a network whose parameters have the file's names, how it is called, and what no tensor tells."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from export.importers.call_signature import CallSignature
from export.importers.noise import Noise
from gansample.bundle.basis import Known
from gansample.bundle.spec import Distribution, ValueRange
from gansample.errors import UsageError

Tensors = Mapping[str, Tensor]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stated:
    """A fact that no tensor tells."""

    name: str
    value: str
    by: str = ""
    """What tells it, as `config.json`; empty for the family's published definition."""
    known: Known = "told"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A file read as one of a family."""

    build: Callable[[], nn.Module]
    """The network without weights. It is built on no device, so it keeps no tensors but parameters and buffers of the file."""
    tensors: Tensors
    """The file's, under the network's names."""
    expected: Mapping[str, tuple[int, ...]] | None = None
    """Names and shapes of the file's tensors, where the network has others; `build` then gives it with its weights."""
    signature: CallSignature
    value_range: ValueRange
    stated: tuple[Stated, ...] = ()
    any_planes: bool = False
    """Whether it takes latents of any height and width."""
    distribution: Distribution = "normal"
    noise_settled: bool = False
    """Whether the network draws no noise, as --noise or its file says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hints:
    """What the user and the values beside the weights say."""

    values: Mapping[str, Any] = field(default_factory=dict)
    latent: tuple[int, ...] | None = None
    noise: Noise | None = None
    """What --noise says."""
    beside: Tensors = field(default_factory=dict)
    """Tensors that lie beside the weights."""

    def planes(self, channels: int, side: int) -> tuple[int, int, int]:
        """The shape of an image-shaped latent, (channels, height, width): as --latent-shape says, else `side` squared.

        Raises UsageError where --latent-shape is none of this network's.
        """
        if self.latent is None:
            return channels, side, side
        if len(self.latent) != 3 or self.latent[0] != channels:
            given = "x".join(map(str, self.latent))
            raise UsageError(
                f"--latent-shape {given}: this decoder takes planes of {channels} channels",
                f"write it like {channels}x{side}x{side}",
            )
        return channels, self.latent[1], self.latent[2]

    def told(self, key: str, default: Any) -> tuple[Any, str]:
        """A value of the configuration beside the weights and who told it; without one, the definition's own."""
        return (self.values[key], "the configuration beside it") if key in self.values else (default, "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """One family. `read` gives None for tensors whose names are not this family's."""

    name: str
    """As it is called in sentences, like `TAESD decoder`."""
    source: str
    """The publication that defines it."""
    read: Callable[[Tensors, Hints], Reading | None]
