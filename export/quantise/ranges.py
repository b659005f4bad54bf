"""How far an activation's 256 levels reach: as far as costs least, not as far as the largest value seen."""

import numpy as np
import torch
from openvino import Model

from export.quantise.layers import QuantisedLayer, replace_constant, values_at
from gansample.runners import Labels, Latents

_FRACTIONS = np.linspace(0.4, 1.0, 31)
_SAMPLE = 400_000


def fit_ranges(model: Model, layers: list[QuantisedLayer], z: Latents, label: Labels | None) -> None:
    """Set each quantiser to the fraction of its measured range that has the least mean square error. In place.

    A few large values are clipped for a finer step everywhere else. Layers come in order, each sees those before it done.
    """
    for quantiser in {layer.quantiser.get_friendly_name(): layer.quantiser for layer in layers}.values():
        (x,) = values_at(model, [quantiser.input_value(0)], z, label)
        x = x.flatten()[:: max(1, x.numel() // _SAMPLE)].double()
        low, high = min(0.0, float(x.min())), max(0.0, float(x.max()))
        if low == high:
            continue
        levels = int(quantiser.get_attributes()["levels"])
        best = min(_FRACTIONS, key=lambda fraction: _error(x, low * fraction, high * fraction, levels))
        for port, value in ((1, low), (2, high), (3, low), (4, high)):
            replace_constant(quantiser.input_value(port).get_node(), np.full(1, _on_grid(low, high, value, levels) * best))


def _on_grid(low: float, high: float, value: float, levels: int) -> float:
    """`low` and `high` moved so that 0 is exactly a level: integer arithmetic needs it, and ReLU gives many zeros."""
    step = (high - low) / (levels - 1)
    zero = round(-low / step)
    return -zero * step if value == low else (levels - 1 - zero) * step


def _error(x: torch.Tensor, low: float, high: float, levels: int) -> float:
    step = (high - low) / (levels - 1)
    zero = round(-low / step)
    quantised = ((x / step).round() + zero).clamp(0, levels - 1).sub(zero) * step
    return float((quantised - x).square().mean())
