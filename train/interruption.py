"""Ctrl-C and SIGTERM: the first one ends the run with a checkpoint, the second one at once."""

import signal
import sys
from types import FrameType, TracebackType
from typing import Self


class Interruption:
    """While this context is open, the first signal is only noted; a second one exits at once with 128 + its number."""

    def __init__(self) -> None:
        self.signal: int | None = None

    def requested(self) -> bool:
        return self.signal is not None

    @property
    def exit_code(self) -> int:
        """130 after Ctrl-C, 143 after SIGTERM, 0 where no signal came."""
        return 0 if self.signal is None else 128 + self.signal

    def __enter__(self) -> Self:
        self._previous = {number: signal.signal(number, self._note) for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.signal is not None:
            sys.exit(128 + number)
        self.signal = number
