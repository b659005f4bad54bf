"""Noise that a network draws inside forward, replaced: a picture must follow from its latent (`--noise none|fixed`)."""

from typing import Any, Literal, cast

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from gansample.errors import UsageError

Noise = Literal["none", "fixed"]
FACTORIES = {torch.randn: "normal", torch.rand: "uniform"}
LIKE = {torch.randn_like: "normal", torch.rand_like: "uniform"}


class NoiseReplaced(nn.Module):
    """`module` with zeros in place of its noise (none), or with one drawing of it for every picture (fixed).

    args  a first call, whose noise is the one that is kept.
    """

    def __init__(self, module: nn.Module, noise: Noise, args: tuple[Any, ...]) -> None:
        super().__init__()
        self.module, self.noise = module, noise
        self.count = 0
        with torch.no_grad():
            self(*args)

    def forward(self, *args: Any) -> Any:
        with _Replaced(self):
            return self.module(*args)

    def draw(self, call: int, kind: str, shape: tuple[int, ...]) -> Tensor:
        """The noise of the `call`-th operation, (N, …): the same for each of the N pictures."""
        name = f"noise_{call}"
        if call == self.count:
            stream = torch.Generator().manual_seed(call)
            make = torch.randn if kind == "normal" else torch.rand
            one = torch.zeros(1, *shape[1:]) if self.noise == "none" else make((1, *shape[1:]), generator=stream)
            self.register_buffer(name, one)
            self.count += 1
        return cast(Tensor, getattr(self, name)).expand(shape)


class _Replaced(TorchFunctionMode):
    """Hands out the kept noise, in the order of the calls."""

    def __init__(self, owner: NoiseReplaced) -> None:
        super().__init__()
        self.owner, self.call = owner, 0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func in FACTORIES:
            sizes = kwargs.get("size", args[0] if len(args) == 1 and not isinstance(args[0], int | torch.SymInt) else args)
            noise = self._next(FACTORIES[func], tuple(sizes))
            return noise.to(kwargs["dtype"]) if kwargs.get("dtype") is not None else noise
        if func in LIKE:
            return torch.zeros_like(args[0]) + self._next(LIKE[func], (1, *args[0].shape[1:])).to(args[0].dtype)
        if func in (Tensor.normal_, Tensor.uniform_) and len(args) == 1 and not kwargs:
            kind = "normal" if func is Tensor.normal_ else "uniform"
            return args[0].copy_(self._next(kind, tuple(args[0].shape)))
        return func(*args, **kwargs)

    def _next(self, kind: str, shape: tuple[int, ...]) -> Tensor:
        self.call += 1
        return self.owner.draw(self.call - 1, kind, shape)


def parse_noise(text: str) -> Noise | None:
    """What is to become of noise, None for auto. Raises UsageError for anything else."""
    if text not in ("auto", "none", "fixed"):
        raise UsageError(f"--noise {text!r} is unknown", "choose auto, none or fixed")
    return None if text == "auto" else cast(Noise, text)
