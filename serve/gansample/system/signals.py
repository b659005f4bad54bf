"""SIGINT and SIGTERM as an exception, raised at a moment when it is safe to clean up."""

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

IMPATIENT = 0.5  # seconds
PATIENCE = 2.0  # seconds


class Stopped(BaseException):
    """A signal arrived. Whoever has half-written files removes them, and notes on the exception what is kept.

    Not KeyboardInterrupt, which Typer would swallow together with its notes.
    """

    def __init__(self, number: int) -> None:
        super().__init__("interrupted" if number == signal.SIGINT else "terminated")
        self.number = number


class _Listener:
    """Raises Stopped at the first signal; ends the process at another one more than IMPATIENT seconds later."""

    def __init__(self) -> None:
        self.delays = 0
        self._arrived: int | None = None
        self._at = 0.0
        self._raised = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if self._arrived is None:
            self._arrived, self._at = number, time.monotonic()
            if not self.delays:
                self.raise_once()
        elif time.monotonic() - self._at > IMPATIENT:  # timeout(1) and terminals send it twice at once
            os._exit(128 + number)

    @property
    def waiting(self) -> bool:
        """Whether a signal has arrived that nobody has been told of yet."""
        return not self._raised

    def raise_once(self) -> None:
        if self._arrived is not None and not self._raised:
            self._raised = True
            raise Stopped(self._arrived)


_listener = _Listener()


def listen() -> None:
    """Raise Stopped in the main thread when a signal arrives. One that is ignored, as in a background job, stays ignored."""
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _listener)
    # Python calls the listener between two of its own instructions, so not while a runtime computes: a batch may take minutes.
    # The number of a signal is written into this pipe at once, and read by a thread that such a call does not hold up.
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    threading.Thread(target=_watch, args=(reader,), name="gansample-signals", daemon=True).start()


def _watch(reader: int) -> None:
    """End the process at a second signal, wherever its main thread is."""
    first: float | None = None
    while numbers := os.read(reader, 1):
        if signal.getsignal(numbers[0]) is not _listener:  # others have their own ideas, as the service and a training run
            continue
        if first is None:
            first = time.monotonic()
            teller = threading.Timer(PATIENCE, _tell)
            teller.daemon = True
            teller.start()
        elif time.monotonic() - first > IMPATIENT:
            os._exit(128 + numbers[0])


def _tell() -> None:
    if _listener.waiting and sys.stderr is not None:
        print("waiting for the engine to finish a batch, another signal ends the run at once", file=sys.stderr, flush=True)


@contextmanager
def delayed_signals() -> Iterator[None]:
    """In this block a signal waits for `raise_pending`, or for the end: raised anywhere, it could leave a lock locked.

    Signals arrive in the main thread, so a block in another one, such as a web page's, delays nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    _listener.delays += 1
    try:
        yield
    finally:
        _listener.delays -= 1
    if not _listener.delays:
        _listener.raise_once()


def raise_pending() -> None:
    """Raise Stopped if a signal has arrived: called in a `delayed_signals` block where stopping is safe."""
    if threading.current_thread() is threading.main_thread():
        _listener.raise_once()
