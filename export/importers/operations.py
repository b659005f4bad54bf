"""Which operations of PyTorch a network runs, noted while it runs."""

from collections.abc import Callable
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

# What moves values about without changing them.
MOVES = {"view", "_unsafe_view", "reshape", "permute", "transpose", "slice", "detach", "clone", "_to_copy", "select",
         "unsqueeze", "squeeze", "alias", "t", "expand", "contiguous"}  # fmt: skip


class Operations(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Notes the random operations of everything that runs inside, and the last one that computes values."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.random: set[str] = set()
        self.last = ""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        name = func._schema.name.removeprefix("aten::")
        if torch.Tag.nondeterministic_seeded in func.tags:
            self.random.add(name)
        self.last = self.last if name in MOVES else name.removesuffix("_")
        return func(*args, **(kwargs or {}))


@torch.no_grad()
def operations_of(run: Callable[[], Any]) -> tuple[Any, Operations]:
    """What `run` returns, and the operations that it ran; the caller's random stream stays as it was."""
    with torch.random.fork_rng():
        seen = Operations()
        with seen:
            result = run()
    return result, seen
