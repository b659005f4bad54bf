"""What draws for the service: everything that the routes know of engines, queues and processes."""

from typing import Protocol

from gansample.types import Images, Labels, Latents


class Drawer(Protocol):
    """Draws checked latents for many requests at once: `batcher.Batcher` in this process, `cluster.drawer` on others."""

    waiting: int
    """Pictures that were asked for and are not begun."""
    drawn: int

    @property
    def alive(self) -> bool:
        """Whether it can draw."""

    async def draw(self, z: Latents, label: Labels | None) -> Images:
        """Pictures uint8 (N, H, W, C). Raises Refusal 429 (queue full), 503 (leaving) or 504 (too late)."""

    def close(self) -> None:
        """Draw what was accepted, then end."""
