"""Rounding against the covariance loses less of the layer's output than rounding to the nearest, and unrolling is exact."""

import numpy as np
import openvino
import pytest
import torch
import torch.nn.functional as F
from openvino import opset13

from export.quantise.patches import Patches
from export.quantise.round_weights import gptq


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
