"""Examples until the time is over."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.strategies import SearchStrategy

Example = TypeVar("Example")
Explore = Callable[[Callable[[Any], None], SearchStrategy[Any]], None]
"""The fixture `fuzz`."""
ROUND = 40  # examples a round of Hypothesis: small enough that the end is met within seconds
# Explaining repeats a failure many times over, which is slow where every example starts a process.
PHASES = (Phase.explicit, Phase.reuse, Phase.generate, Phase.target, Phase.shrink)


@dataclass(kw_only=True)
class Figures:
    """What one target did."""

    target: str
    examples: int = 0
    calls: int = 0
    seconds: float = 0.0
    slowest: float = 0.0
    """Seconds of the slowest call."""
    largest: int = 0
    """Bytes in memory of the largest call."""

    def row(self) -> str:
        return (
            f"| {self.target} | {self.examples:,} | {self.calls:,} | {self.seconds / 60:.1f} | {self.slowest:.1f} s |"
            f" {self.largest / 2**20:,.0f} MB |"
        )


HEAD = "| input | examples | calls | minutes | slowest call | largest call |\n|---|---:|---:|---:|---:|---:|"


def explore(
    check: Callable[[Example], None], examples: SearchStrategy[Example], seconds: float, first: int, figures: Figures
) -> None:
    """Call `check` with `examples` for that many seconds, drawn from the seeds `first`, `first` + 1, … of Hypothesis.

    What fails is shrunk, raised, and tried first the next time.
    """
    started = time.monotonic()
    number, failed = 0, False
    while time.monotonic() - started < seconds:

        @seed(first + number)
        @settings(
            deadline=None,
            max_examples=ROUND,
            phases=PHASES,
            suppress_health_check=list(HealthCheck),
            report_multiple_bugs=False,
        )
        @given(examples)
        def one_round(example: Example) -> None:
            nonlocal failed
            # A failure is tried again however late: were it skipped then, Hypothesis would call it unreliable.
            if failed or time.monotonic() - started < seconds:
                figures.examples += 1
                try:
                    check(example)
                except BaseException:
                    failed = True
                    raise

        one_round()
        number += 1
        figures.seconds = time.monotonic() - started
