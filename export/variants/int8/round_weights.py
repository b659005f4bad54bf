"""Weights rounded so that the layer's output moves least, not the weights themselves.

Rounding one weight moves the output; the weights not yet rounded can take most of that back, because inputs after a ReLU are
strongly correlated (GPTQ: Frantar et al. 2023, algorithm 1, here with the covariance of its own patches). The bias takes
the mean error. Moving the weights to undo the noise of the quantised inputs as well overfits: it lost 0.8 dB.
"""

from typing import Any

import torch
from openvino import Model
from torch import Tensor

from export.variants.int8.layers import QuantisedLayer, constant_value, quantised_layers, replace_constant, values_at
from export.variants.int8.patches import Patches
from gansample.types import Labels, Latents

_DAMPING = 0.01  # share of the mean variance added to every variance, as in GPTQ
_ROWS = 8_000
_LARGEST = 4_608  # inputs of one output (512 channels of 3×3): a wider layer's covariance alone would take gigabytes
_POSITIONS = 65_536  # unrolled at a time
_TINY = 1e-30
_LIMIT = 127


def refit_all(model: Model, float_model: Model, z: Latents, label: Labels | None) -> Model:
    """A copy with every layer rounded anew, but for very wide ones, in the order computed: each sees those before it done."""
    model = model.clone()
    for i in range(len(list(quantised_layers(model)))):
        layer = list(quantised_layers(model))[i]
        if Patches.understands(layer.node):
            refit(model, layer, float_model, z, label)
    return model


def refit(model: Model, layer: QuantisedLayer, float_model: Model, z: Latents, label: Labels | None) -> None:
    """Round one layer anew against the float model, in place; the layers before it must be done."""
    original = next(op for op in float_model.get_ops() if op.get_friendly_name() == layer.node.get_friendly_name())
    weight = torch.from_numpy(constant_value(original.input_value(1).get_node())).double()
    unrolled = Patches(layer.node, tuple(weight.shape))
    if unrolled.matrix(weight).shape[0] > _LARGEST:
        return
    rows = _some_rows(unrolled, model, layer.node.input_value(0), z, label)
    seen_mean = rows.mean(0)
    meant_mean = _some_rows(unrolled, float_model, original.input_value(0), z, label).mean(0)
    rows = rows - seen_mean
    covariance = (rows.T @ rows / len(rows)).double()
    covariance += torch.eye(len(covariance), dtype=torch.float64) * (_DAMPING * covariance.diagonal().mean() + 1e-12)
    matrix = unrolled.matrix(weight)
    step = unrolled.matrix(torch.from_numpy(layer.step).expand(weight.shape))
    rounded = gptq(matrix, step, covariance)
    replace_constant(layer.weight, unrolled.weight(rounded / step.clamp_min(_TINY)).round().numpy())
    if layer.bias is not None:
        moved = (meant_mean.double() @ matrix - seen_mean.double() @ rounded).flatten()
        replace_constant(layer.bias, constant_value(layer.bias).flatten() + per_channel(moved, layer, unrolled).numpy())


def per_channel(values: Tensor, layer: QuantisedLayer, unrolled: Patches) -> Tensor:
    """The mean over the columns that belong to one output channel: a transposed convolution has one per phase."""
    assert layer.bias is not None
    count, shape = layer.bias.data.size, list(unrolled.shape)
    index = torch.arange(count, dtype=torch.float64)
    axis = next(i for i, size in enumerate(layer.step.shape) if size == count) if layer.step.size > 1 else 0
    column_channel = unrolled.matrix(index.reshape([-1 if i == axis else 1 for i in range(len(shape))]).expand(shape)).amax(0)
    total = torch.zeros(count, dtype=torch.float64).index_add(0, column_channel.long(), values)
    return total / torch.bincount(column_channel.long(), minlength=count)


def gptq(matrix: Tensor, step: Tensor, covariance: Tensor, block: int = 128) -> Tensor:
    """The matrix (K, columns) on the grid of `step`, −127..127 steps; each row's error is carried into the rows after it."""
    upper = torch.linalg.cholesky(torch.cholesky_inverse(torch.linalg.cholesky(covariance)), upper=True)
    left, rounded = matrix.clone(), torch.empty_like(matrix)
    step = step.clamp_min(_TINY)
    for start in range(0, len(left), block):
        stop = min(start + block, len(left))
        errors = torch.zeros_like(left[start:stop])
        for row in range(start, stop):
            rounded[row] = (left[row] / step[row]).round().clamp(-_LIMIT, _LIMIT) * step[row]
            errors[row - start] = (left[row] - rounded[row]) / upper[row, row]
            left[row + 1 : stop] -= upper[row, row + 1 : stop, None] * errors[row - start]
        left[stop:] -= upper[start:stop, stop:].T @ errors
    return rounded


def _some_rows(unrolled: Patches, model: Model, output: Any, z: Latents, label: Labels | None) -> Tensor:
    """Rows (about _ROWS, K) of what flows into a layer, evenly spaced over as many pictures as hold four times as many rows:
    unrolling all of them costs seconds and says no more."""
    kept: list[Tensor] = []
    stride = done = drawn = 0
    for x in values_at(model, output, z, label):
        positions = x[0, 0].numel() if x.dim() == 4 else 1
        pictures = min(len(z), max(32, 4 * _ROWS // positions))
        x, few = x[: pictures - drawn], max(1, _POSITIONS // positions)
        for start in range(0, len(x), few):
            rows = unrolled.unroll(some := x[start : start + few])
            stride = stride or max(1, len(rows) * pictures // (len(some) * _ROWS))
            kept.append(rows[-done % stride :: stride].clone())
            done += len(rows)
        drawn += len(x)
        if drawn >= pictures:
            break
    return torch.cat(kept)
