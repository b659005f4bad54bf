"""Many requests, one engine: pictures of all of them share batches, however many each asked for.

The unit is the picture. While the engine draws one batch, the next fills up by itself, so nobody waits for company. An order of
200 pictures is drawn in several batches, three orders of one picture in the same one. Whoever leaves or is too late is passed
over; a full queue is said at once.
"""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable

import numpy as np

from gansample.http.refusals import full, leaving, too_late
from gansample.types import Images, Labels, Latents

Run = Callable[[Latents, Labels | None], Images]


class _Order:
    """What one request waits for."""

    def __init__(self, z: Latents, label: Labels | None, deadline: float) -> None:
        self.z, self.label, self.deadline = z, label, deadline
        self.loop = asyncio.get_running_loop()
        self.future: asyncio.Future[Images] = self.loop.create_future()
        self.taken = 0
        self.parts: list[Images] = []

    def given_up(self) -> bool:
        return self.future.done() or time.monotonic() > self.deadline


class Batcher:
    """The in-process Drawer: one thread draws, in the order of arrival."""

    def __init__(self, run: Run, *, batch: int, max_waiting: int, deadline: float, name: str = "") -> None:
        self._run, self._batch, self._max_waiting, self._deadline = run, batch, max_waiting, deadline
        self._orders: deque[_Order] = deque()
        self._changed = threading.Condition()
        self._closing = False
        self.waiting = 0  # pictures in the queue
        self.drawn = 0
        self._rate = 100.0  # pictures/s, a moving average: how soon is it worth asking again
        self._thread = threading.Thread(target=self._work, name=f"engine {name}", daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        return self._thread.is_alive() and not self._closing

    async def draw(self, z: Latents, label: Labels | None) -> Images:
        order = _Order(z, label, time.monotonic() + self._deadline)
        with self._changed:
            if self._closing:
                raise leaving()
            if self.waiting + len(z) > self._max_waiting:
                raise full(self.waiting, self._max_waiting, self._rate)
            self.waiting += len(z)
            self._orders.append(order)
            self._changed.notify()
        try:
            async with asyncio.timeout(self._deadline):
                return await order.future
        except TimeoutError:
            raise too_late(self._deadline) from None

    def close(self) -> None:
        """Draw what was accepted, then end."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join()

    def _work(self) -> None:
        while (taken := self._take()) is not None:
            if taken:
                self._draw(taken)

    def _take(self) -> list[tuple[_Order, slice]] | None:
        """Up to a batch of pictures from the head of the queue; None once it is empty and closed."""
        with self._changed:
            while not self._orders and not self._closing:
                self._changed.wait()
            if not self._orders:
                return None
            taken: list[tuple[_Order, slice]] = []
            room = self._batch
            while self._orders and room:
                order = self._orders[0]
                left = len(order.z) - order.taken
                if order.given_up():
                    self._orders.popleft()
                    self.waiting -= left
                    continue
                part = slice(order.taken, order.taken + min(room, left))
                taken.append((order, part))
                order.taken = part.stop
                room -= part.stop - part.start
                self.waiting -= part.stop - part.start
                if order.taken == len(order.z):
                    self._orders.popleft()
            return taken

    def _draw(self, taken: list[tuple[_Order, slice]]) -> None:
        started = time.monotonic()
        try:
            self._hand_out(taken, self._together(taken))
        except BaseException as error:  # whatever it is, the thread that everybody waits for must not die of it
            if len(taken) == 1:
                _tell(taken[0][0], error if isinstance(error, Exception) else RuntimeError(repr(error)))
                return
            for each in taken:  # one of them cannot be drawn: let it fail alone
                self._draw([each])
            return
        count = sum(part.stop - part.start for _, part in taken)
        self.drawn += count
        self._rate += 0.1 * (count / max(time.monotonic() - started, 1e-6) - self._rate)

    def _together(self, taken: list[tuple[_Order, slice]]) -> Images:
        if len(taken) == 1:
            order, part = taken[0]
            return self._run(order.z[part], order.label[part] if order.label is not None else None)
        z = np.concatenate([order.z[part] for order, part in taken])
        labels = [order.label[part] for order, part in taken if order.label is not None]
        return self._run(z, np.concatenate(labels) if labels else None)

    def _hand_out(self, taken: list[tuple[_Order, slice]], images: Images) -> None:
        start = 0
        finished: dict[asyncio.AbstractEventLoop, list[_Order]] = {}
        for order, part in taken:
            stop = start + part.stop - part.start
            order.parts.append(images[start:stop])
            start = stop
            if order.taken == len(order.z) and sum(map(len, order.parts)) == len(order.z):
                finished.setdefault(order.loop, []).append(order)
        for loop, orders in finished.items():
            loop.call_soon_threadsafe(_deliver, orders)  # one wake-up a batch, not one a picture


def _deliver(orders: list[_Order]) -> None:
    for order in orders:
        if not order.future.done():
            order.future.set_result(order.parts[0] if len(order.parts) == 1 else np.concatenate(order.parts))


def _tell(order: _Order, error: Exception) -> None:
    def fail() -> None:
        if not order.future.done():
            order.future.set_exception(error)

    order.loop.call_soon_threadsafe(fail)
