"""What the routes know of engines, queues and processes: one protocol."""

from typing import Protocol

from gansample.types import Images, Labels, Rows


class InferenceEngine(Protocol):
    """Runs a model for many requests at once: `batcher.Batcher` in this process, `ray.inference_engine` on a cluster."""

    waiting: int
    """Pictures that were requested and not yet returned (in one process: not yet scheduled)."""
    drawn: int
    """Pictures since the start."""

    @property
    def alive(self) -> bool:
        """Whether it accepts requests."""

    async def infer(self, z: Rows, label: Labels | None) -> Images:
        """Pictures uint8 (N, H, W, C) for checked latents float32 (N, latent size) and labels int64 (N,), or for styles alone.

        Raises ApiError 429 (the queue is full), 503 (shutting down) or 504 (the deadline has passed).
        """

    def close(self) -> None:
        """Finish all accepted requests, then stop."""
