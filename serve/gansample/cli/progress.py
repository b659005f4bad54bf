"""How far a long run is: rate and time left on a terminal's stderr, from the second second on; elsewhere nothing."""

import sys
import time
from types import TracebackType
from typing import Any, Self

from gansample.system.streams import with_codes

PATIENCE = 2.0  # seconds


class Progress:
    """Hears how many pictures are written; a context manager."""

    def __init__(self, total: int, quiet: bool) -> None:
        self._total, self._shown = total, not quiet and sys.stderr.isatty()
        self._started = time.perf_counter()
        self._bar: Any = None

    def done(self, count: int) -> None:
        seconds = time.perf_counter() - self._started
        if not self._shown or (self._bar is None and (seconds < PATIENCE or count >= self._total)):
            return
        if self._bar is None:
            self._open()
        self._bar.update(self._task, completed=count, rate=f"{count / seconds:,.0f} pictures/s")

    def _open(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

        columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]}"), TimeRemainingColumn())
        self._bar = Bar(*columns, console=Console(file=with_codes(sys.stderr)), transient=True)
        self._task = self._bar.add_task("", total=self._total, rate="")
        self._bar.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._bar is not None:
            self._bar.stop()
