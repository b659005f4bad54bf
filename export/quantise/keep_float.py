"""Which layers stay float32: those whose quantisation costs most fidelity for the time it saves, within a time budget."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from openvino import Core, Model

from export.quantise.layers import constant_value, quantised_layers, restore_float
from gansample.fidelity import psnr_db
from gansample.runners import Labels, Latents

BUDGET = 0.92  # of the fully quantised speed: at least 0.90 is asked for, and a timing is only so sure


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """The model with these layers in float32."""

    layers: tuple[str, ...]
    psnr_db: float
    seconds: float


def keep_float(
    model: Model, float_model: Model, z: Latents, label: Labels | None, budget: float = BUDGET
) -> tuple[Model, Trial, float]:
    """The model with the layers restored that pay, the trial that chose them, and its speed beside the model as it came."""
    wanted = draw(float_model, z, label)
    names = [layer.node.get_friendly_name() for layer in quantised_layers(model)]
    singles = _trials(model, float_model, [(), *((name,) for name in names)], wanted, z, label)
    plain = singles[0]
    worth = sorted(singles[1:], key=lambda trial: (plain.psnr_db - trial.psnr_db) / max(trial.seconds - plain.seconds, 1e-6))
    gaining = [trial.layers[0] for trial in worth if trial.psnr_db > plain.psnr_db + 0.1]
    chosen, speed = plain, 1.0
    for name in gaining:
        before, after = _trials(model, float_model, [(), (*chosen.layers, name)], wanted, z, label)
        if before.seconds / after.seconds >= budget and after.psnr_db > chosen.psnr_db:
            chosen, speed = after, before.seconds / after.seconds
    return restored(model, float_model, chosen.layers), chosen, speed


def restored(model: Model, float_model: Model, names: Sequence[str]) -> Model:
    """A copy with the named layers in float32, their weights from the float model."""
    copy = model.clone()
    originals = {op.get_friendly_name(): op for op in float_model.get_ops()}
    for layer in list(quantised_layers(copy)):
        if (name := layer.node.get_friendly_name()) in names:
            restore_float(copy, layer, constant_value(originals[name].input_value(1).get_node()))
    return copy


def draw(model: Model, z: Latents, label: Labels | None) -> npt.NDArray[np.float64]:
    """Levels float64 (N, H, W, C)."""
    return np.asarray(_open(model, z, label).infer()["levels"], np.float64)


def _trials(
    model: Model,
    float_model: Model,
    choices: Sequence[tuple[str, ...]],
    wanted: npt.NDArray[np.float64],
    z: Latents,
    label: Labels | None,
    rounds: int = 12,
) -> list[Trial]:
    """Fidelity of each choice, and its best time; the choices take turns, so that a busy neighbour slows all of them."""
    requests = [_open(restored(model, float_model, names), z, label) for names in choices]
    fidelity = [psnr_db(float(np.square(request.infer()["levels"] - wanted).mean())) for request in requests]
    best = [float("inf")] * len(requests)
    for _ in range(rounds):
        for i, request in enumerate(requests):
            started = time.perf_counter()
            request.infer()
            best[i] = min(best[i], time.perf_counter() - started)
    return [
        Trial(layers=names, psnr_db=decibels, seconds=seconds)
        for names, decibels, seconds in zip(choices, fidelity, best, strict=True)
    ]


def _open(model: Model, z: Latents, label: Labels | None) -> Any:
    settings = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
    request = Core().compile_model(model, "CPU", settings).create_infer_request()
    request.infer({"z": z} if label is None else {"z": z, "label": label})
    return request
