"""Networks that draw in another way than forward(z [, label]), each wrapped so that it is called like all others."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from gansample.errors import UsageError


class CallForm(nn.Module):
    """`module`, called in its own way."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module


class CallsPart(CallForm):
    """A method or a part of `module` in place of its forward: `decode`, `decoder`.

    Raises UsageError where it has none of that name.
    """

    def __init__(self, module: nn.Module, part: str) -> None:
        super().__init__(module)
        self.part = part
        if not callable(getattr(module, part, None)):
            parts = [name for name, _ in module.named_children()]
            raise UsageError(f"--call {part}: {type(module).__name__} has no such method", f"its parts are: {', '.join(parts)}")

    @property
    def callee(self) -> Callable[..., Any]:
        """What is called; its signature says how."""
        called: Callable[..., Any] = getattr(self.module, self.part)
        return called.forward if isinstance(called, nn.Module) else called

    def forward(self, *args: Any) -> Any:
        return getattr(self.module, self.part)(*args)


class InList(CallForm):
    """The latent goes in as a list of one: `G([z])`, as StyleGAN2's style mixing wants it."""

    def forward(self, z: Tensor) -> Any:
        return self.module([z])


class EmbedsLabel(CallForm):
    """The label goes through the table that forward leaves to its caller: `G(z, G.shared(y))`."""

    def __init__(self, module: nn.Module, table: str, label_first: bool) -> None:
        super().__init__(module)
        self.table, self.label_first = table, label_first

    def forward(self, z: Tensor, label: Tensor) -> Any:
        vector = embedded(innermost(self).get_submodule(self.table), label, z.dtype)
        return self.module(vector, z) if self.label_first else self.module(z, vector)


class WithoutLabel(CallForm):
    """A second input that has no effect is always the same: `value` (1, …), repeated, or None."""

    value: Tensor | None

    def __init__(self, module: nn.Module, value: Tensor | None, label_first: bool) -> None:
        super().__init__(module)
        self.label_first = label_first
        self.register_buffer("value", value)

    def forward(self, z: Tensor) -> Any:
        value = self.value.expand(z.shape[0], *self.value.shape[1:]) if self.value is not None else None
        return self.module(value, z) if self.label_first else self.module(z, value)


def embedded(table: nn.Module, label: Tensor, dtype: torch.dtype) -> Tensor:
    """label int64 (N,) as the table gives it: (N, width)."""
    hot = one_hot(label, table.in_features).to(dtype) if isinstance(table, nn.Linear) else label
    out: Tensor = table(hot)
    return out


def innermost(module: nn.Module) -> nn.Module:
    """The network itself, without the forms around it."""
    while isinstance(module, CallForm):
        module = module.module
    return module
