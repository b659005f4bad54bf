"""The service's InferenceEngine whose models run in Ray Serve's replicas.

A picture is a function of its latent and nothing else, so the request of a lost replica is simply sent again.
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

from gansample.http.errors import deadline_exceeded, queue_full, shutting_down
from gansample.types import Images, Labels, Rows

REPLICA_LOST = (RayActorError, WorkerCrashedError, TaskCancelledError)
RETRY_DELAY = 0.05  # seconds before a message is sent again
HEALTH_PERIOD = 1.0  # seconds


class RayInferenceEngine:
    """Sends a request to replicas in messages of at most `message` pictures.

    handle    Ray Serve's handle of the deployment.
    healthy   whether a replica can draw; called every HEALTH_PERIOD in a thread.
    """

    def __init__(self, handle: Any, *, message: int, max_waiting: int, deadline: float, healthy: Callable[[], bool]) -> None:
        self._handle, self._message, self._max_waiting, self._deadline = handle, message, max_waiting, deadline
        self.waiting = 0
        self.drawn = 0
        self._rate = 100.0  # pictures/s, a moving average, for Retry-After
        self._alive, self._closing = True, threading.Event()
        self._monitor = threading.Thread(target=self._check_health, args=(healthy,), name="replicas", daemon=True)
        self._monitor.start()

    @property
    def alive(self) -> bool:
        return self._alive and not self._closing.is_set()

    def _check_health(self, healthy: Callable[[], bool]) -> None:
        while not self._closing.wait(HEALTH_PERIOD):
            try:
                self._alive = healthy()
            except Exception:  # the cluster itself is gone
                self._alive = False

    async def infer(self, z: Rows, label: Labels | None) -> Images:
        if self._closing.is_set():
            raise shutting_down()
        if self.waiting + len(z) > self._max_waiting:
            raise queue_full(self.waiting, self._max_waiting, self._rate)
        self.waiting += len(z)
        started = time.monotonic()
        try:
            async with asyncio.timeout(self._deadline):
                parts = [slice(start, start + self._message) for start in range(0, len(z), self._message)]
                async with asyncio.TaskGroup() as group:
                    tasks = [
                        group.create_task(self._send(z[part], label[part] if label is not None else None)) for part in parts
                    ]
            images = [task.result() for task in tasks]
        except TimeoutError:
            raise deadline_exceeded(self._deadline) from None
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from None
        finally:
            self.waiting -= len(z)
        self.drawn += len(z)
        rate = (self.waiting + len(z)) / max(time.monotonic() - started, 1e-6)  # Little's law: queue length by time in it
        self._rate += 0.1 * (rate - self._rate)
        return images[0] if len(images) == 1 else np.concatenate(images)

    async def _send(self, z: Rows, label: Labels | None) -> Images:
        """One message, sent again while its replica is lost."""
        while True:
            try:
                reply = await self._handle.infer.remote((z, label))
            except BackPressureError:
                raise queue_full(self.waiting, self._max_waiting, self._rate) from None
            except (*REPLICA_LOST, DeploymentUnavailableError):
                await asyncio.sleep(RETRY_DELAY)
                continue
            if isinstance(reply, Exception):
                raise reply
            images: Images = reply
            return images

    def close(self) -> None:
        """Refuse new requests and wait for the accepted ones."""
        self._closing.set()
        with contextlib.suppress(RuntimeError):
            self._monitor.join()
        end = time.monotonic() + self._deadline
        while self.waiting and time.monotonic() < end:
            time.sleep(0.02)
