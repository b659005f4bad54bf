"""How fast a variant draws on this machine: the figure that travels with it in the bundle."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from export.effort import at_once
from export.export_model import cycled_labels
from gansample.bundle.spec import Spec
from gansample.runtimes.base import images_per_second
from gansample.system.processors import processor_name, usable_processors
from gansample.types import Runner


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredSpeed:
    """How fast a variant draws, and where that was measured."""

    images_per_second: Mapping[int, float]
    """Batch size -> pictures per second, median over runs."""
    processor: str
    cores: int

    @property
    def largest(self) -> float:
        """Pictures per second at the largest batch."""
        return self.images_per_second[max(self.images_per_second)]

    def to_dict(self) -> dict[str, Any]:
        rates = {str(batch): round(rate, 1) for batch, rate in self.images_per_second.items()}
        return {"images_per_second": rates, "processor": self.processor, "cores": self.cores}


def measured_speed(runner: Runner, spec: Spec, seconds: float = 0.4) -> MeasuredSpeed:
    """Speed on this machine, one by one and in batches of 64 (fewer of pictures beyond 128×128), each over `seconds`."""
    rates = {}
    for batch in sorted({1, at_once(spec)}):
        rates[batch] = images_per_second(runner.run, spec.latents(range(batch)), cycled_labels(spec, batch), seconds)
    return MeasuredSpeed(images_per_second=rates, processor=processor_name(), cores=usable_processors())


def speedup(before: Runner, after: Runner, spec: Spec, seconds: float = 1.0) -> float:
    """How many times faster `after` draws. Both take turns and the best run of each counts: neighbours only ever add time."""
    batch = at_once(spec)
    z, label = spec.latents(range(batch)), cycled_labels(spec, batch)
    best = {before: float("inf"), after: float("inf")}
    for runner in best:
        runner.run(z, label)  # the first run allocates and settles
    rounds, until = 0, time.perf_counter() + seconds
    while rounds < 3 or time.perf_counter() < until:
        for runner in best:
            started = time.perf_counter()
            runner.run(z, label)
            best[runner] = min(best[runner], time.perf_counter() - started)
        rounds += 1
    return best[before] / best[after]
