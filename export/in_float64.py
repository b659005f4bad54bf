"""float64 for networks that ask for float32 in their forward: `one_hot(label, 10).float()`, `torch.zeros(n, 4)`."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

WIDER = {torch.float32: torch.float64, torch.FloatTensor: torch.DoubleTensor, "torch.FloatTensor": "torch.DoubleTensor"}


@contextmanager
def in_float64() -> Iterator[None]:
    """What runs inside makes float64 wherever it asks for float32, by name or by default."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        with _Wider():
            yield
    finally:
        torch.set_default_dtype(before)


class _Wider(TorchFunctionMode):
    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is Tensor.float:
            return args[0].double()
        return func(*map(_wider, args), **{key: _wider(value) for key, value in (kwargs or {}).items()})


def _wider(argument: Any) -> Any:
    return WIDER.get(argument, argument) if isinstance(argument, (torch.dtype, str, type)) else argument
