"""Dynamic batching in one process: pictures of all requests share batches, however many each request asked for.

The unit is the picture. While the engine runs one batch, the next one fills, so there is no batching delay. A request for
200 pictures is split over several batches; three requests for one picture share a batch. Requests that were cancelled (the
client disconnected) or whose deadline has passed are skipped. When the queue is full, a request is refused at once.
"""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable

import numpy as np

from gansample.http.errors import deadline_exceeded, queue_full, shutting_down
from gansample.types import Images, Labels, Rows

Run = Callable[[Rows, Labels | None], Images]


class PendingRequest:
    """One request's inputs, how many of its pictures were scheduled, and the future that its client awaits."""

    def __init__(self, z: Rows, label: Labels | None, deadline: float) -> None:
        self.z, self.label, self.deadline = z, label, deadline
        self.loop = asyncio.get_running_loop()
        self.future: asyncio.Future[Images] = self.loop.create_future()
        self.scheduled = 0
        self.parts: list[Images] = []

    @property
    def cancelled_or_expired(self) -> bool:
        return self.future.done() or time.monotonic() > self.deadline

    @property
    def complete(self) -> bool:
        return sum(map(len, self.parts)) == len(self.z)

    def set_result(self) -> None:
        if not self.future.done():
            self.future.set_result(self.parts[0] if len(self.parts) == 1 else np.concatenate(self.parts))

    def set_exception(self, error: Exception) -> None:
        if not self.future.done():
            self.future.set_exception(error)


BatchPart = tuple[PendingRequest, slice]
"""A request, and which of its pictures are in the batch."""


class Batcher:
    """The in-process InferenceEngine: one thread runs the model, first come, first served."""

    def __init__(self, run: Run, *, batch: int, max_waiting: int, deadline: float, name: str = "") -> None:
        self._run, self._batch, self._max_waiting, self._deadline = run, batch, max_waiting, deadline
        self._queue: deque[PendingRequest] = deque()
        self._changed = threading.Condition()
        self._closing = False
        self.waiting = 0
        self.drawn = 0
        self._rate = 100.0  # pictures/s, a moving average, for Retry-After
        self._thread = threading.Thread(target=self._work, name=f"engine {name}", daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        return self._thread.is_alive() and not self._closing

    async def infer(self, z: Rows, label: Labels | None) -> Images:
        request = PendingRequest(z, label, time.monotonic() + self._deadline)
        with self._changed:
            if self._closing:
                raise shutting_down()
            if self.waiting + len(z) > self._max_waiting:
                raise queue_full(self.waiting, self._max_waiting, self._rate)
            self.waiting += len(z)
            self._queue.append(request)
            self._changed.notify()
        try:
            async with asyncio.timeout(self._deadline):
                return await request.future
        except TimeoutError:
            raise deadline_exceeded(self._deadline) from None

    def close(self) -> None:
        """Finish all accepted requests, then stop the thread."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join()

    def _work(self) -> None:
        while (parts := self._next_batch()) is not None:
            if parts:
                self._run_batch(parts)

    def _next_batch(self) -> list[BatchPart] | None:
        """Up to a batch of pictures from the head of the queue; None once the queue is empty and closed."""
        with self._changed:
            while not self._queue and not self._closing:
                self._changed.wait()
            if not self._queue:
                return None
            parts: list[BatchPart] = []
            room = self._batch
            while self._queue and room:
                request = self._queue[0]
                remaining = len(request.z) - request.scheduled
                if request.cancelled_or_expired:
                    self._queue.popleft()
                    self.waiting -= remaining
                    continue
                count = min(room, remaining)
                parts.append((request, slice(request.scheduled, request.scheduled + count)))
                request.scheduled += count
                room -= count
                self.waiting -= count
                if count == remaining:
                    self._queue.popleft()
            return parts

    def _run_batch(self, parts: list[BatchPart]) -> None:
        started = time.monotonic()
        try:
            images = self._infer(parts)
            _distribute(parts, images)
        except BaseException as error:  # whatever it is, the only engine thread must survive it
            if len(parts) == 1:
                request, failure = parts[0][0], error if isinstance(error, Exception) else RuntimeError(repr(error))
                request.loop.call_soon_threadsafe(request.set_exception, failure)
                return
            for part in parts:  # run each request alone, so that only the failing one gets the error
                self._run_batch([part])
            return
        self.drawn += len(images)
        self._rate += 0.1 * (len(images) / max(time.monotonic() - started, 1e-6) - self._rate)

    def _infer(self, parts: list[BatchPart]) -> Images:
        if len(parts) == 1:
            request, part = parts[0]
            return self._run(request.z[part], request.label[part] if request.label is not None else None)
        z = np.concatenate([request.z[part] for request, part in parts])
        labels = [request.label[part] for request, part in parts if request.label is not None]
        return self._run(z, np.concatenate(labels) if labels else None)


def _distribute(parts: list[BatchPart], images: Images) -> None:
    """Hand each request its rows, and wake the clients whose requests are complete: one wake-up for each event loop."""
    start = 0
    complete: dict[asyncio.AbstractEventLoop, list[PendingRequest]] = {}
    for request, part in parts:
        stop = start + part.stop - part.start
        request.parts.append(images[start:stop])
        start = stop
        if request.complete:
            complete.setdefault(request.loop, []).append(request)
    for loop, requests in complete.items():
        loop.call_soon_threadsafe(_set_results, requests)


def _set_results(requests: list[PendingRequest]) -> None:
    for request in requests:
        request.set_result()
