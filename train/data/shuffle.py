"""The order in which pictures are shown, as state that can be saved: a resumed run continues with the very next picture."""

from typing import Any

import torch
from torch import Tensor


class Shuffle:
    """An endless stream of indices 0..n−1, every epoch in a new order, that continues exactly where its state left off."""

    def __init__(self, n: int, seed: int) -> None:
        self.n = n
        self._random = torch.Generator().manual_seed(seed)
        self._start_epoch()

    def _start_epoch(self) -> None:
        self._order, self._position = torch.randperm(self.n, generator=self._random), 0

    def take(self, count: int) -> Tensor:
        """The next `count` indices, int64 (count,), across the end of an epoch where need be."""
        parts = []
        while count:
            if self._position == self.n:
                self._start_epoch()
            part = self._order[self._position : self._position + count]
            parts.append(part)
            self._position += len(part)
            count -= len(part)
        return torch.cat(parts)

    def state_dict(self) -> dict[str, Any]:
        return {"random": self._random.get_state(), "order": self._order, "position": self._position}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._random.set_state(state["random"])
        self._order, self._position = state["order"], state["position"]
