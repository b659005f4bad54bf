"""Examples until the time is over."""

import random
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


def explore(check: Callable[[Example], None], examples: SearchStrategy[Example], seconds: float, figures: Figures) -> None:
    """Call `check` with `examples` for that many seconds. What fails is shrunk, raised, and tried first the next time."""
    first, started = random.SystemRandom().randrange(2**32), time.monotonic()
    number = 0
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
            if time.monotonic() - started < seconds:
                figures.examples += 1
                check(example)

        one_round()
        number += 1
        figures.seconds = time.monotonic() - started
