"""Which layers are not quantised: those whose quantisation costs most fidelity for the time it saves, within a time budget.

They are computed in bf16 where the processor has it, else in float32, as the runner has it. What is timed and compared is the
form that ships.
"""

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from openvino import Model

from export.variants.int8.layers import constant_value, feeds, quantised_layers, restore_float, together
from export.variants.int8.phases import Form
from export.variants.int8.timing import block_times, opened, times_as_fast
from gansample.bundle.fidelity import psnr_db
from gansample.runtimes.openvino_cpu import HINTS
from gansample.types import Labels, Latents

BUDGET = 0.9  # of the fully quantised speed, as the issue asks
OPEN = 16  # models held open to be timed side by side, for pictures of 128×128; each holds the activations of a block


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
        """How many times as fast as `other`."""
        return times_as_fast(self.times, other.times)


def keep_float(
    model: Model, float_model: Model, form: Form, z: Latents, label: Labels | None, budget: float = BUDGET
) -> tuple[Model, Trial, float]:
    """The model with the layers restored that pay, the trial that chose them, and its speed beside the model as it came."""
    wanted = infer_unrounded(float_model, z, label, "f32")
    names = [layer.node.get_friendly_name() for layer in quantised_layers(model)]
    pairs = []  # each beside all layers quantised, timed with it
    group = together(model, OPEN, least=2) - 1
    for start in range(0, len(names), group):
        choices = [(), *((name,) for name in names[start : start + group])]
        plain, *singles = _trials(model, float_model, form, choices, wanted, z, label)
        pairs += [(plain, single) for single in singles]
    worth = sorted(pairs, key=lambda pair: (pair[0].psnr_db - pair[1].psnr_db) / max(pair[1].seconds - pair[0].seconds, 1e-6))
    gaining = [single.layers[0] for plain, single in worth if single.psnr_db > plain.psnr_db + 0.1]
    chosen, speed = plain, 1.0
    for name in gaining:
        before, after = _trials(model, float_model, form, [(), (*chosen.layers, name)], wanted, z, label)
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
    request = opened(model, hint)
    return np.concatenate([np.asarray(request.infer(feed)["levels"], np.float64) for feed in feeds(model, z, label)])


def mean_squares(
    model: Model, z: Latents, label: Labels | None, wanted: npt.NDArray[np.float64], hint: str = HINTS["int8"]
) -> npt.NDArray[np.float64]:
    """Mean squared difference of every picture before rounding from `wanted` (N, H, W, C), (N,)."""
    return _squares(opened(model, hint), feeds(model, z, label), wanted)


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
    form: Form,
    choices: Sequence[tuple[str, ...]],
    wanted: npt.NDArray[np.float64],
    z: Latents,
    label: Labels | None,
) -> list[Trial]:
    """Fidelity and times of each choice; they take turns."""
    batch = together(model, len(z))  # each request keeps the memory of its largest batch
    requests = [opened(form(restore_layers(model, float_model, names)), HINTS["int8"]) for names in choices]
    fidelity = [psnr_db(float(_squares(request, feeds(model, z, label, batch), wanted).mean())) for request in requests]
    times = block_times(requests, model, z, label)
    return [
        Trial(layers=names, psnr_db=decibels, times=spent)
        for names, decibels, spent in zip(choices, fidelity, times, strict=True)
    ]
