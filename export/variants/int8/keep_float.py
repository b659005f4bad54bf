"""Which layers are not quantised: those whose quantisation costs most fidelity for the time it saves, within a time budget.

They are computed in bf16 where the processor has it, else in float32, as the runner has it. What is timed is processor time,
in the blocks that the runner draws: wall time on a busy machine moves by more than the budget, and the choice with it.
"""

import statistics
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from openvino import Core, Model

from export.variants.int8.layers import constant_value, feeds, quantised_layers, restore_float, together
from export.variants.openvino_model import feed_of
from gansample.bundle.fidelity import psnr_db
from gansample.runtimes.openvino_cpu import BLOCK, HINTS
from gansample.types import Labels, Latents

BUDGET = 0.9  # of the fully quantised speed, as the issue asks
OPEN = 16  # models held open to be timed side by side, for pictures of 128×128; each holds the activations of a block
ROUNDS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """The model with these layers not quantised."""

    layers: tuple[str, ...]
    psnr_db: float
    times: tuple[float, ...]
    """Processor seconds of one block, all threads together, in each round."""

    @property
    def seconds(self) -> float:
        return statistics.median(self.times)

    def speed_beside(self, other: "Trial") -> float:
        """How many times as fast as `other`, round by round: what slows a round slows both."""
        return statistics.median(theirs / mine for theirs, mine in zip(other.times, self.times, strict=True))


def keep_float(
    model: Model, float_model: Model, z: Latents, label: Labels | None, budget: float = BUDGET
) -> tuple[Model, Trial, float]:
    """The model with the layers restored that pay, the trial that chose them, and its speed beside the model as it came."""
    wanted = infer_unrounded(float_model, z, label, "f32")
    names = [layer.node.get_friendly_name() for layer in quantised_layers(model)]
    pairs = []  # each beside all layers quantised, timed with it
    group = together(model, OPEN, least=2) - 1
    for start in range(0, len(names), group):
        choices = [(), *((name,) for name in names[start : start + group])]
        plain, *singles = _trials(model, float_model, choices, wanted, z, label)
        pairs += [(plain, single) for single in singles]
    worth = sorted(pairs, key=lambda pair: (pair[0].psnr_db - pair[1].psnr_db) / max(pair[1].seconds - pair[0].seconds, 1e-6))
    gaining = [single.layers[0] for plain, single in worth if single.psnr_db > plain.psnr_db + 0.1]
    chosen, speed = plain, 1.0
    for name in gaining:
        before, after = _trials(model, float_model, [(), (*chosen.layers, name)], wanted, z, label)
        if (beside := after.speed_beside(before)) >= budget and after.psnr_db > chosen.psnr_db:
            chosen, speed = after, beside
    return restore_layers(model, float_model, chosen.layers), chosen, speed


def restore_layers(model: Model, float_model: Model, names: Sequence[str]) -> Model:
    """A copy with the named layers not quantised, their weights from the float model."""
    copy = model.clone()
    originals = {op.get_friendly_name(): op for op in float_model.get_ops()}
    for layer in list(quantised_layers(copy)):
        if (name := layer.node.get_friendly_name()) in names:
            restore_float(copy, layer, constant_value(originals[name].input_value(1).get_node()))
    return copy


def infer_unrounded(model: Model, z: Latents, label: Labels | None, hint: str = HINTS["int8"]) -> npt.NDArray[np.float64]:
    """Pictures before rounding, float64 (N, H, W, C); what is not quantised is computed in precision `hint`."""
    request = _open(model, hint)
    return np.concatenate([np.asarray(request.infer(feed)["levels"], np.float64) for feed in feeds(model, z, label)])


def mean_squares(
    model: Model, z: Latents, label: Labels | None, wanted: npt.NDArray[np.float64], hint: str = HINTS["int8"]
) -> npt.NDArray[np.float64]:
    """Mean squared difference of every picture before rounding from `wanted` (N, H, W, C), (N,)."""
    return _squares(_open(model, hint), feeds(model, z, label), wanted)


def _squares(
    request: Any, fed: Iterable[dict[str, npt.NDArray[Any]]], wanted: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    parts, done = [], 0
    for feed in fed:
        drawn = request.infer(feed)["levels"]
        parts.append(np.square(drawn - wanted[done : done + len(drawn)]).mean((1, 2, 3)))
        done += len(drawn)
    return np.concatenate(parts)


def _trials(
    model: Model,
    float_model: Model,
    choices: Sequence[tuple[str, ...]],
    wanted: npt.NDArray[np.float64],
    z: Latents,
    label: Labels | None,
    seconds: float = 0.4,
) -> list[Trial]:
    """Fidelity of each choice, and its median time over about `seconds` each; the choices take turns."""
    batch = together(model, len(z))  # each request keeps the memory of its largest batch
    requests = [_open(restore_layers(model, float_model, names), HINTS["int8"]) for names in choices]
    fidelity = [psnr_db(float(_squares(request, feeds(model, z, label, batch), wanted).mean())) for request in requests]
    n = together(model, BLOCK)
    block = feed_of(model, z[:n], label[:n] if label is not None else None)
    rounds = min(ROUNDS, together(model, ROUNDS, least=4))
    times: list[list[float]] = [[] for _ in requests]
    until = time.perf_counter() + seconds * len(requests)
    while len(times[0]) < rounds or time.perf_counter() < until:
        for spent, request in zip(times, requests, strict=True):
            started = time.process_time()
            request.infer(block)
            spent.append(time.process_time() - started)
    return [
        Trial(layers=names, psnr_db=decibels, times=tuple(spent))
        for names, decibels, spent in zip(choices, fidelity, times, strict=True)
    ]


def _open(model: Model, hint: str) -> Any:
    settings = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": hint}
    return Core().compile_model(model, "CPU", settings).create_infer_request()
