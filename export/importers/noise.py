"""Noise that a network draws inside forward, replaced: a picture must follow from its latent (`--noise none|fixed|seeded`).

none     zeros
fixed    one drawing of it for every picture
seeded   further components of the latent, after its own: the seed contract draws them from the same stream, so that each
         picture has a noise of its own and every seed its latent of before
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from export.importers.call_signature import CallSignature
from gansample.bundle.spec import Distribution
from gansample.errors import UsageError

Noise = Literal["none", "fixed", "seeded"]
Kind = Literal["normal", "uniform"]
FACTORIES: dict[Any, Kind] = {torch.randn: "normal", torch.rand: "uniform"}
LIKE: dict[Any, Kind] = {torch.randn_like: "normal", torch.rand_like: "uniform"}
MOST_SEEDED = 16_384  # values a picture: 64 KB of latent


@dataclass(frozen=True, slots=True)
class Draw:
    """One operation that draws, as the first call showed it."""

    kind: Kind
    shape: tuple[int, ...]
    """What it draws for one picture: its rows among those of the batch, then the rest."""
    each: bool
    """Whether every picture has its own: the first dimension is a multiple of the batch, or 1."""

    @property
    def values(self) -> int:
        return math.prod(self.shape)


class NoiseReplaced(nn.Module):
    """`module` with zeros in place of its noise (none), or with one drawing of it for every picture (fixed).

    args   a first call, whose noise is the one that is kept
    batch  its number of pictures, which must be no other length
    """

    def __init__(self, module: nn.Module, noise: Noise, args: tuple[Any, ...], batch: int) -> None:
        super().__init__()
        self.module, self.noise, self.batch = module, noise, batch
        self.draws: list[Draw] = []
        with torch.no_grad():
            self(*args)

    def forward(self, *args: Any) -> Any:
        with _Replaced(self.draw):
            return self.module(*args)

    def draw(self, call: int, kind: Kind, shape: tuple[int, ...]) -> Tensor:
        """The noise of the `call`-th operation, (N, …): the same for each of the N pictures."""
        if call == len(self.draws):
            each = bool(shape) and (shape[0] == 1 or shape[0] % self.batch == 0)
            part = (max(1, shape[0] // self.batch), *shape[1:]) if each else shape
            self.draws.append(Draw(kind, part, each))
            stream = torch.Generator().manual_seed(call)
            make = torch.randn if kind == "normal" else torch.rand
            self.register_buffer(f"noise_{call}", make(part, generator=stream) if self.noise == "fixed" else torch.zeros(part))
        one = cast(Tensor, getattr(self, f"noise_{call}"))
        if not self.draws[call].each:
            return one.clone()
        pictures = shape[0] // one.shape[0]
        return one.expand(pictures, *one.shape).reshape(shape)


class NoiseSeeded(nn.Module):
    """A network whose noise comes with its latents: z (N, nz + m), the m values of noise after the network's own nz.

    fixed      the same network, which knows what it draws
    signature  how that is called
    """

    def __init__(self, fixed: NoiseReplaced, signature: CallSignature) -> None:
        super().__init__()
        self.module, self.called, self.draws = fixed.module, signature, fixed.draws

    def forward(self, *args: Tensor) -> Any:
        place = 1 if self.called.label_first else 0
        own = self.called.latent_size
        latent, noise = args[place][:, :own].reshape(-1, *self.called.latent), args[place][:, own:]
        with _Replaced(partial(self.draw, noise)):
            return self.module(*(latent if i == place else argument for i, argument in enumerate(args)))

    def draw(self, noise: Tensor, call: int, kind: Kind, shape: tuple[int, ...]) -> Tensor:
        """The noise of the `call`-th operation, (N, …), out of all of it, (N, m)."""
        before, drawn = sum(drawn.values for drawn in self.draws[:call]), self.draws[call]
        values = noise[:, before : before + drawn.values].reshape(-1, *drawn.shape[1:])
        if kind == "normal":
            return values
        return 0.5 * (1 + torch.erf(values / math.sqrt(2)))  # Φ, which makes uniform values of normal ones


def seeded(fixed: NoiseReplaced, signature: CallSignature, distribution: Distribution) -> tuple[NoiseSeeded, CallSignature]:
    """The network with its noise in the latent, and how that is called.

    Raises UsageError where its noise is too large, is not one for each picture, or cannot come from the latents' distribution.
    """
    values = sum(drawn.values for drawn in fixed.draws)
    if values > MOST_SEEDED:
        raise UsageError(
            f"--noise seeded: forward draws {values:,} values a picture, at most {MOST_SEEDED:,} become part of the latent",
            "pass --noise fixed or --noise none",
        )
    if not all(drawn.each for drawn in fixed.draws) or signature.label == "joined onehot":
        raise UsageError("--noise seeded: forward draws one noise for the whole batch", "pass --noise fixed or --noise none")
    if distribution != "normal":
        raise UsageError("--noise seeded: noise comes from normal latents, these are uniform", "pass --noise fixed or none")
    longer = replace(signature, latent=(signature.latent_size + values,))
    return NoiseSeeded(fixed, signature), longer


class _Replaced(TorchFunctionMode):
    """Hands out the kept noise, in the order of the calls."""

    def __init__(self, draw: Callable[[int, Kind, tuple[int, ...]], Tensor]) -> None:
        super().__init__()
        self.draw, self.call = draw, 0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func in FACTORIES:
            sizes = kwargs.get("size", args[0] if len(args) == 1 and not isinstance(args[0], int | torch.SymInt) else args)
            return _typed(self._next(FACTORIES[func], tuple(sizes)), kwargs)
        if func in LIKE:
            return torch.zeros_like(args[0]) + self._next(LIKE[func], tuple(args[0].shape)).to(args[0].dtype)
        if func in (Tensor.normal_, Tensor.uniform_) and len(args) == 1 and not kwargs:
            kind: Kind = "normal" if func is Tensor.normal_ else "uniform"
            return args[0].copy_(self._next(kind, tuple(args[0].shape)))
        if func is torch.normal and kwargs.get("generator") is None:
            given = dict(zip(("mean", "std", "size"), args, strict=False)) | kwargs
            mean, std = given.get("mean", 0.0), given.get("std", 1.0)
            like = next((value for value in (mean, std) if isinstance(value, Tensor)), None)
            shape = tuple(like.shape) if like is not None else tuple(given["size"])
            return _typed(self._next("normal", shape), kwargs) * std + mean
        return func(*args, **kwargs)

    def _next(self, kind: Kind, shape: tuple[int, ...]) -> Tensor:
        self.call += 1
        return self.draw(self.call - 1, kind, shape)


def _typed(noise: Tensor, kwargs: dict[str, Any]) -> Tensor:
    return noise.to(kwargs["dtype"]) if kwargs.get("dtype") is not None else noise


def parse_noise(text: str) -> Noise | None:
    """What is to become of noise, None for auto. Raises UsageError for anything else."""
    if text not in ("auto", "none", "fixed", "seeded"):
        raise UsageError(f"--noise {text!r} is unknown", "choose auto, none, fixed or seeded")
    return None if text == "auto" else cast(Noise, text)
