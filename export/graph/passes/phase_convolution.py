"""ConvTranspose -> Conv + DepthToSpace + crop: the same sums, as a convolution of s² phases.

Output o of a transposed convolution with kernel k, stride s, padding p sums w[j]·x[i] over s·i + j = o + p. With
o + p = s·q + r the phase r only ever meets the taps j = r + s·t, each with x[q − t]: a convolution with T = ⌈k/s⌉ taps (those
past the kernel are zero), the same for every q. All s² phases are channels of one convolution over the input padded by
T − 1, interleaved by DepthToSpace, and p is cropped. See Shi et al. 2016, "Is the deconvolution layer the same as a
convolutional layer?".

OpenVINO ignores the bf16 hint for ConvTranspose, not for Conv. The price is a border of T − 1 more inputs.
"""

import numpy as np
import onnx
from onnx import helper

from export.graph.passes.rewrite import Rewrite
from export.graph.passes.transposed import Transposed, transposed_convolutions

_END = np.iinfo(np.int64).max


def phase_convolution(model: onnx.ModelProto) -> list[Rewrite]:
    """Every strided ConvTranspose; one of stride 1 has a single phase and nothing to interleave."""
    return [_rewrite(found) for found in transposed_convolutions(model) if found.stride > 1]


def _rewrite(found: Transposed) -> Rewrite:
    cin, cout, k, _ = found.weight.shape
    s, p, name = found.stride, found.pad, found.node.output[0]
    taps = -(-k // s)
    wide = np.zeros((cin, cout, taps * s, taps * s))
    wide[:, :, :k, :k] = found.weight
    # (Cin, Cout, t, r, t, r), taps reversed: a convolution reads x[q − t] with its last tap first.
    phases = wide.reshape(cin, cout, taps, s, taps, s)[:, :, ::-1, :, ::-1, :]
    weight = phases.transpose(1, 3, 5, 0, 2, 4).reshape(cout * s * s, cin, taps, taps)
    values = {f"{name}.phases": np.ascontiguousarray(weight)}
    inputs = [found.node.input[0], f"{name}.phases"]
    if found.bias is not None:
        values[f"{name}.bias"] = np.repeat(found.bias, s * s)
        inputs.append(f"{name}.bias")
    # A full convolution gives n + T − 1 phases per row, T·s − k more outputs than the transposed one has.
    crop = taps * s - k + p - found.output_padding
    pad_end, crop_end = max(0, -crop), max(0, crop)
    pads = [taps - 1, taps - 1, taps - 1 + -(-pad_end // s), taps - 1 + -(-pad_end // s)]
    crop_end += -(-pad_end // s) * s - pad_end
    values |= {
        f"{name}.from": np.array([p, p]),
        f"{name}.to": np.array([-crop_end if crop_end else _END] * 2),
        f"{name}.axes": np.array([2, 3]),
    }
    nodes = [
        helper.make_node("Conv", inputs, [f"{name}.conv"], kernel_shape=[taps, taps], pads=pads),
        helper.make_node("DepthToSpace", [f"{name}.conv"], [f"{name}.full"], blocksize=s, mode="CRD"),
        helper.make_node("Slice", [f"{name}.full", f"{name}.from", f"{name}.to", f"{name}.axes"], [name]),
    ]
    return Rewrite(old=[found.node], new=nodes, constants=values, probe=(2, cin, 3, 3))
