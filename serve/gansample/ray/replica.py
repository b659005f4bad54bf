"""One engine on one machine, in Ray Serve. It is proven there before it draws for anyone, and draws many orders at once."""

import asyncio
from collections.abc import Sequence
from typing import Any

import numpy as np
from ray import serve

from gansample.ray.engine import open_there
from gansample.types import Images, Labels, Latents

Order = tuple[Latents, Labels | None]
"""Latents (N, nz) and labels (N,) or None: checked by the service before they come here, never more than a batch."""


def pictures(orders: Sequence[Order]) -> int:
    """How large a batch is. It cannot raise: a replica whose batch size function does hangs for ever (ray #66140)."""
    return sum(len(z) for z, _ in orders)


class Replica:
    """Ray Serve makes one in each of its processes; raising here keeps it from being used, with the reason in its status."""

    def __init__(self, path: str, sha256: str, wishes: dict[str, Any], batch: int) -> None:
        self._sampler = open_there(path, sha256, wishes)
        self.draw.set_max_batch_size(batch)

    # No waiting for company: while the engine draws one batch, the next fills up by itself.
    @serve.batch(max_batch_size=1, batch_wait_timeout_s=0.0, batch_size_fn=pictures)  # type: ignore[untyped-decorator]
    async def draw(self, orders: list[Order]) -> list[Images | Exception]:
        """Each order's pictures; in the place of one that cannot be drawn, its error: Ray would fail them all together."""
        return await asyncio.to_thread(self._draw, orders)

    def _draw(self, orders: list[Order]) -> list[Images | Exception]:
        try:
            labels = [label for _, label in orders if label is not None]
            images = self._sampler.draw(np.concatenate([z for z, _ in orders]), np.concatenate(labels) if labels else None)
        except Exception as error:
            return [error] if len(orders) == 1 else [answer for order in orders for answer in self._draw([order])]
        ends = np.cumsum([len(z) for z, _ in orders])[:-1]
        return list(np.split(images, ends))
