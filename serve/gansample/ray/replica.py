"""One engine on one machine, in a Ray Serve replica: verified there before it draws for anyone, with dynamic batching."""

import asyncio
from collections.abc import Sequence

import numpy as np
from ray import serve

from gansample.ray.engine import open_on_worker
from gansample.sampling.options import EngineOptions
from gansample.types import Images, Labels, Rows

Inputs = tuple[Rows, Labels | None]
"""Latents (N, nz) and labels (N,) or None, or styles (N, layers, size) and None.

The service checks them before they are sent, and sends never more than a batch.
"""


def count_pictures(messages: Sequence[Inputs]) -> int:
    """The size of a batch. It must not raise: a replica whose batch size function does hangs forever (ray #66140)."""
    return sum(len(z) for z, _ in messages)


class Replica:
    """Ray Serve makes one in each of its processes; if this raises, the replica is not used and its status has the reason."""

    def __init__(self, options: EngineOptions, sha256: str, variant: str, batch: int) -> None:
        self._sampler = open_on_worker(options, sha256, variant)
        self.infer.set_max_batch_size(batch)

    # No batching delay: while the engine runs one batch, the next one fills.
    @serve.batch(max_batch_size=1, batch_wait_timeout_s=0.0, batch_size_fn=count_pictures)  # type: ignore[untyped-decorator]
    async def infer(self, messages: list[Inputs]) -> list[Images | Exception]:
        """Each message's pictures, or its error: if this raised, Ray would fail all of them."""
        return await asyncio.to_thread(self._infer, messages)

    def _infer(self, messages: list[Inputs]) -> list[Images | Exception]:
        try:
            labels = [label for _, label in messages if label is not None]
            rows = np.concatenate([rows for rows, _ in messages])
            images = self._sampler.draw_rows(rows, np.concatenate(labels) if labels else None)
        except Exception as error:
            if len(messages) == 1:
                return [error]
            return [reply for message in messages for reply in self._infer([message])]
        ends = np.cumsum([len(z) for z, _ in messages])[:-1]
        return list(np.split(images, ends))
