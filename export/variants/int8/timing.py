"""Processor time of models that take turns: wall time on a busy machine moves by more than what is decided by it."""

import statistics
import time
from collections.abc import Sequence
from typing import Any

from openvino import Core, Model

from export.variants.int8.layers import together
from export.variants.openvino_model import feed_of
from gansample.runtimes.openvino_cpu import BLOCK
from gansample.types import Labels, Latents

ROUNDS = 12


def opened(model: Model, hint: str) -> Any:
    """A request that draws with `model`; what is not quantised is computed in precision `hint`."""
    settings = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": hint}
    return Core().compile_model(model, "CPU", settings).create_infer_request()


def timed_rows(model: Model, z: Latents) -> int:
    """How many of these latents are drawn in a run that is timed: a block, and of small pictures more."""
    return min(together(model, BLOCK), len(z))


def opened_for_rows(model: Model, hint: str, n: int) -> Any:
    """The same for exactly `n` latents, as the runner fixes its blocks.

    On one thread: of several, one that another program keeps from its work has the rest spin.
    """
    fixed = model.clone()
    fixed.reshape({port.get_any_name(): [n, *list(port.get_partial_shape())[1:]] for port in fixed.inputs})
    settings = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": hint, "INFERENCE_NUM_THREADS": 1}
    return Core().compile_model(fixed, "CPU", settings).create_infer_request()


def block_times(
    requests: Sequence[Any], model: Model, z: Latents, label: Labels | None, seconds: float = 0.4
) -> list[tuple[float, ...]]:
    """Processor seconds of the block that the runner draws, all threads together: for each request in each round.

    model    one of those behind the requests; it tells how large the pictures are
    seconds  how long to measure, for each request
    """
    n = timed_rows(model, z)
    block = feed_of(model, z[:n], label[:n] if label is not None else None)
    rounds = min(ROUNDS, together(model, ROUNDS, least=4))
    times: list[list[float]] = [[] for _ in requests]
    until = time.perf_counter() + seconds * len(requests)
    while len(times[0]) < rounds or time.perf_counter() < until:
        for spent, request in zip(times, requests, strict=True):
            started = time.process_time()
            request.infer(block)
            spent.append(time.process_time() - started)
    return [tuple(spent) for spent in times]


def times_as_fast(mine: Sequence[float], theirs: Sequence[float]) -> float:
    """Round by round: what slows a round slows both."""
    return statistics.median(other / one for one, other in zip(mine, theirs, strict=True))
