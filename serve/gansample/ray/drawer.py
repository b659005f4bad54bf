"""The service's Drawer whose engines are Ray Serve's replicas, wherever they are.

A picture is a function of its latent and nothing else, so an order whose replica was lost is simply sent again.
"""

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from ray.exceptions import RayActorError, TaskCancelledError, WorkerCrashedError
from ray.serve.exceptions import BackPressureError, DeploymentUnavailableError

from gansample.http.refusals import full, leaving, too_late
from gansample.types import Images, Labels, Latents

LOST = (RayActorError, WorkerCrashedError, TaskCancelledError)
AGAIN = 0.05  # seconds before an order is sent again


class RayDrawer:
    """handle: of the deployment. message: pictures in one, at most. healthy: asked once a second."""

    def __init__(self, handle: Any, *, message: int, max_waiting: int, deadline: float, healthy: Callable[[], bool]) -> None:
        self._handle, self._message, self._max_waiting, self._deadline = handle, message, max_waiting, deadline
        self.waiting = 0
        """Pictures that were asked for and have not come back."""
        self.drawn = 0
        self.resent = 0
        """Messages that were sent again because their replica was lost."""
        self._rate = 100.0  # pictures/s, a moving average: how soon is it worth asking again
        self._alive, self._closing = True, threading.Event()
        self._watch = threading.Thread(target=self._ask, args=(healthy,), name="replicas", daemon=True)
        self._watch.start()

    @property
    def alive(self) -> bool:
        return self._alive and not self._closing.is_set()

    def _ask(self, healthy: Callable[[], bool]) -> None:
        while not self._closing.wait(1.0):
            try:
                self._alive = healthy()
            except Exception:  # the cluster itself is gone
                self._alive = False

    async def draw(self, z: Latents, label: Labels | None) -> Images:
        if self._closing.is_set():
            raise leaving()
        if self.waiting + len(z) > self._max_waiting:
            raise full(self.waiting, self._max_waiting, self._rate)
        self.waiting += len(z)
        started = time.monotonic()
        try:
            async with asyncio.timeout(self._deadline):
                parts = [slice(start, start + self._message) for start in range(0, len(z), self._message)]
                async with asyncio.TaskGroup() as group:
                    asked = [
                        group.create_task(self._send(z[part], label[part] if label is not None else None)) for part in parts
                    ]
            images = [task.result() for task in asked]
        except TimeoutError:
            raise too_late(self._deadline) from None
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from None
        finally:
            self.waiting -= len(z)
        self.drawn += len(z)
        rate = (self.waiting + len(z)) / max(time.monotonic() - started, 1e-6)  # Little's law: what is in there, over how long
        self._rate += 0.1 * (rate - self._rate)
        return images[0] if len(images) == 1 else np.concatenate(images)

    async def _send(self, z: Latents, label: Labels | None) -> Images:
        """One message, until it is answered."""
        while True:
            try:
                answer = await self._handle.draw.remote((z, label))
            except BackPressureError:
                raise full(self.waiting, self._max_waiting, self._rate) from None
            except (*LOST, DeploymentUnavailableError):
                self.resent += 1
                await asyncio.sleep(AGAIN)
                continue
            if isinstance(answer, Exception):
                raise answer
            images: Images = answer
            return images

    def close(self) -> None:
        """Wait for what was accepted."""
        self._closing.set()
        with contextlib.suppress(RuntimeError):
            self._watch.join()
        end = time.monotonic() + self._deadline
        while self.waiting and time.monotonic() < end:
            time.sleep(0.02)
