"""How the time of a report is shared, so that a slow engine takes nothing from the others."""

import time
from collections.abc import Iterator, Sequence

from gansample.sampling.report.row import EngineRow


class Budget:
    """So many seconds from now."""

    def __init__(self, seconds: float) -> None:
        self.seconds, self._end = seconds, time.monotonic() + seconds

    @property
    def left(self) -> float:
        return self._end - time.monotonic()


def shares(rows: Sequence[EngineRow], budget: Budget, reserved: float = 0.0) -> Iterator[tuple[EngineRow, float]]:
    """Each row with the seconds it may take; the next share is reckoned when the row before is done.

    Every backend has the same share of what is left, and so has every variant on it: what one does not use goes to those after.

    reserved  seconds of the budget that are not shared.
    """
    for index, row in enumerate(rows):
        backends = {each.backend for each in rows[index:]}
        beside = sum(each.backend == row.backend for each in rows[index:])
        yield row, (budget.left - reserved) / len(backends) / beside
