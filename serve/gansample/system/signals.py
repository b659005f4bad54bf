"""SIGINT and SIGTERM as an exception that lets everybody clean up, at a moment when they can."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

IMPATIENT = 0.5  # seconds


class Stopped(BaseException):
    """A signal arrived. Whoever holds something half done cleans up, and leaves a note of what is kept.

    Not KeyboardInterrupt, which Typer would swallow together with its notes.
    """

    def __init__(self, number: int) -> None:
        super().__init__("interrupted" if number == signal.SIGINT else "terminated")
        self.number = number


class _Listener:
    """Stops at the first signal; at another one, a moment later, without cleaning up."""

    def __init__(self) -> None:
        self.holds = 0
        self._arrived: int | None = None
        self._at = 0.0
        self._raised = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if self._arrived is None:
            self._arrived, self._at = number, time.monotonic()
            if not self.holds:
                self.raise_once()
        elif time.monotonic() - self._at > IMPATIENT:  # timeout(1) and terminals send it twice at once
            os._exit(128 + number)

    def raise_once(self) -> None:
        if self._arrived is not None and not self._raised:
            self._raised = True
            raise Stopped(self._arrived)


_listener = _Listener()


def listen() -> None:
    """Raise Stopped in the main thread when a signal arrives. A job in the background has no SIGINT, and keeps none."""
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _listener)


@contextmanager
def held() -> Iterator[None]:
    """In here a signal waits for `check`, or for the end: an exception out of nowhere leaves locks locked, files half open."""
    _listener.holds += 1
    try:
        yield
    finally:
        _listener.holds -= 1
    if not _listener.holds:
        _listener.raise_once()


def check() -> None:
    """A place in a `held` block where stopping is safe: raises Stopped if a signal has arrived."""
    _listener.raise_once()
