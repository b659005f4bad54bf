"""A layer as a matrix product, so that its rounding can be solved: patches (rows, K) times weight (K, columns)."""

from collections.abc import Sequence
from typing import Any

import torch.nn.functional as F
from openvino import Node
from torch import Tensor


class Patches:
    """How one Convolution, ConvolutionBackpropData or MatMul unrolls. A transposed convolution unrolls as its phases
    (see passes/phase_convolution.py), whose columns share the patches.

    weight   the layer's own layout, for example (Cin, Cout, k, k)
    """

    def __init__(self, node: Node, shape: tuple[int, ...]) -> None:
        self.kind, self.shape = node.get_type_name(), shape
        has: dict[str, Any] = node.get_attributes()
        if self.kind == "MatMul":
            self.transposed = bool(has["transpose_b"])
            return
        self.stride, self.pad, self.dilation = (_pair(has[name]) for name in ("strides", "pads_begin", "dilations"))
        self.kernel = _pair(shape[2:])
        if self.kind == "ConvolutionBackpropData":
            self.taps = _pair([-(-k // s) for k, s in zip(self.kernel, self.stride, strict=True)])

    @staticmethod
    def understands(node: Node) -> bool:
        """Two-dimensional and, if transposed, not dilated."""
        if node.get_type_name() == "MatMul":
            return not node.get_attributes()["transpose_a"] and len(node.get_output_partial_shape(0)) == 2
        has = node.get_attributes()
        dilated = set(has["dilations"]) != {1}
        return len(has["strides"]) == 2 and not (dilated and node.get_type_name() == "ConvolutionBackpropData")

    def unroll(self, x: Tensor) -> Tensor:
        """The layer's input -> (rows, K)."""
        if self.kind == "MatMul":
            return x
        if self.kind == "Convolution":
            rows = F.unfold(x, self.kernel, self.dilation, self.pad, self.stride)
        else:
            rows = F.unfold(x, self.taps, padding=(self.taps[0] - 1, self.taps[1] - 1))
        return rows.transpose(1, 2).reshape(-1, rows.shape[1])

    def matrix(self, weight: Tensor) -> Tensor:
        """The layer's weight -> (K, columns)."""
        if self.kind == "MatMul":
            return weight.T if self.transposed else weight
        if self.kind == "Convolution":
            return weight.flatten(1).T
        (cin, cout), (s0, s1), (t0, t1) = self.shape[:2], self.stride, self.taps
        wide = F.pad(weight, (0, t1 * s1 - self.kernel[1], 0, t0 * s0 - self.kernel[0]))
        phases = wide.reshape(cin, cout, t0, s0, t1, s1).flip(2, 4)
        return phases.permute(0, 2, 4, 1, 3, 5).reshape(cin * t0 * t1, -1)

    def weight(self, matrix: Tensor) -> Tensor:
        """The way back from `matrix`."""
        if self.kind == "MatMul":
            return matrix.T if self.transposed else matrix
        if self.kind == "Convolution":
            return matrix.T.reshape(self.shape)
        (cin, cout), (s0, s1), (t0, t1) = self.shape[:2], self.stride, self.taps
        phases = matrix.reshape(cin, t0, t1, cout, s0, s1).permute(0, 3, 1, 4, 2, 5).flip(2, 4)
        return phases.reshape(cin, cout, t0 * s0, t1 * s1)[:, :, : self.kernel[0], : self.kernel[1]]


def _pair(values: Sequence[int]) -> tuple[int, int]:
    height, width = values
    return int(height), int(width)
