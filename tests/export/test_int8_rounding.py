"""Rounding against the covariance loses less of the layer's output than rounding to the nearest, and unrolling is exact."""

import os
import subprocess
import sys

import numpy as np
import openvino
import pytest
import torch
import torch.nn.functional as F
from openvino import opset13

from export.variants.int8.patches import Patches
from export.variants.int8.round_weights import gptq


def test_gptq_beats_rounding_to_the_nearest_on_correlated_inputs() -> None:
    torch.manual_seed(0)
    x = torch.relu(torch.randn(2000, 8) @ torch.randn(8, 64)).double()
    weight = torch.randn(64, 32).double()
    step = (weight.abs().amax(0) / 7).expand_as(weight)
    x = x - x.mean(0)
    covariance = x.T @ x / len(x)
    covariance += 0.01 * covariance.diagonal().mean() * torch.eye(64)
    rounded = gptq(weight, step, covariance, block=16)
    nearest = (weight / step).round() * step
    assert torch.equal((rounded / step).round().clamp(-127, 127) * step, rounded)
    ours, theirs = (float((x @ (w - weight)).square().mean()) for w in (rounded, nearest))
    assert ours < theirs / 2


@pytest.mark.parametrize(("kernel", "stride", "pad"), [(4, 2, 1), (3, 2, 1), (4, 1, 0), (5, 3, 2)])
def test_a_transposed_convolution_unrolls_to_its_phases(kernel: int, stride: int, pad: int) -> None:
    torch.manual_seed(0)
    x, weight = torch.randn(2, 5, 4, 4), torch.randn(5, 3, kernel, kernel)
    z = opset13.parameter([-1, 5, 4, 4], np.float32)
    node = opset13.convolution_backprop_data(
        z, opset13.constant(weight.numpy()), [stride] * 2, pads_begin=[pad] * 2, pads_end=[pad] * 2
    )
    patches = Patches(node, tuple(weight.shape))
    assert Patches.understands(node)
    matrix = patches.matrix(weight)
    assert torch.equal(patches.weight(matrix), weight)
    taps = -(-kernel // stride)
    columns = (patches.unroll(x) @ matrix).reshape(2, 4 + taps - 1, 4 + taps - 1, 3, stride, stride)
    full = columns.permute(0, 3, 1, 4, 2, 5).reshape(2, 3, stride * (4 + taps - 1), -1)
    wanted = F.conv_transpose2d(x, weight, stride=stride, padding=pad)
    torch.testing.assert_close(
        full[..., pad : pad + wanted.shape[-2], pad : pad + wanted.shape[-1]], wanted, rtol=1e-4, atol=1e-4
    )


def test_a_convolution_unrolls() -> None:
    torch.manual_seed(0)
    x, weight = torch.randn(2, 5, 7, 7), torch.randn(3, 5, 3, 3)
    z = opset13.parameter([-1, 5, 7, 7], np.float32)
    node = opset13.convolution(z, opset13.constant(weight.numpy()), [2, 2], [1, 1], [1, 1], [1, 1])
    patches = Patches(node, tuple(weight.shape))
    drawn = (patches.unroll(x) @ patches.matrix(weight)).reshape(2, 16, 3).transpose(1, 2).reshape(2, 3, 4, 4)
    torch.testing.assert_close(drawn, F.conv2d(x, weight, stride=2, padding=1), rtol=1e-4, atol=1e-4)
    assert torch.equal(patches.weight(patches.matrix(weight)), weight)
    assert isinstance(openvino.Model([opset13.result(node)], [z], "m"), openvino.Model)


FAULTY = """
import sys
import numpy as np, openvino, torch
from openvino import opset13 as op
from export.variants.int8.layers import quantised_layers
from export.variants.int8.wrong_kernel import wrongly_computed

rng = np.random.RandomState(0)
for kernel, stride, size, signed in [(3, 2, 1, True), (5, 2, 2, True), (3, 2, 1, False), (4, 2, 1, True), (3, 2, 2, True)]:
    x = op.parameter([2, 16, size, size], np.float32, name="z")
    low = -3.0 if signed else 0.0
    ends = [op.constant(np.full((1, 1, 1, 1), end, np.float32)) for end in (low, 3 * 127 / 128) * 2]
    weight = rng.randint(-127, 128, (16, 16, kernel, kernel)).astype(np.int8)
    step = op.constant(np.full((1, 16, 1, 1), 0.01, np.float32))
    scaled = op.multiply(op.convert(op.constant(weight), np.float32), step)
    quantised = op.fake_quantize(x, *ends, 256)
    layer = op.convolution_backprop_data(quantised, scaled, [stride] * 2, pads_begin=[0, 0], pads_end=[0, 0])
    model = openvino.Model([op.relu(layer)], [x], "one layer")
    z = rng.randint(low * 128 / 3, 128, (2, 16, size, size)).astype(np.float32) * (3 / 128 if signed else 3 * 127 / 128 / 255)
    drawn = openvino.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})(z)[0]
    wanted = torch.nn.functional.conv_transpose2d(torch.from_numpy(z), torch.from_numpy(weight * 0.01).float(), stride=stride)
    wrong = bool(np.abs(drawn - wanted.relu().numpy()).max() > 0.1 * float(wanted.abs().max()))
    (found,) = quantised_layers(model)
    print(int(wrong), int(wrongly_computed(found)))
"""


def test_layers_that_openvino_computes_wrongly_are_known() -> None:
    """On a processor without AMX, or one told that it has none: the rule names every layer that comes out wrong."""
    environment = {**os.environ, "ONEDNN_MAX_CPU_ISA": "AVX512_CORE_VNNI"}
    command = [sys.executable, "-W", "ignore", "-c", FAULTY]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=True)
    rows = [tuple(line.split()) for line in done.stdout.split("\n") if line]
    assert [named for _, named in rows] == ["1", "1", "0", "0", "0"]
    assert all(named == "1" for wrong, named in rows if wrong == "1")
