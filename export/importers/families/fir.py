"""Resampling with a fixed low-pass filter: zeros between the pixels, a margin, a convolution, every n-th pixel kept."""

import torch
from torch import Tensor, nn
from torch.nn import functional

LARGEST_MATRIX = 300  # pixels a side, beyond which most of a matrix would be zeros


class Fir(nn.Module):
    """x (N, C, H, W) -> (N, C, H', W') with H' = (H·up + before + after − taps) // down + 1: `up − 1` zeros behind every pixel,
    the margin, the convolution with `taps`, every `down`-th pixel.

    taps      (T,) for both directions one after the other, or (T, T); its order is that of a convolution, not a correlation
    gain      a factor of the result; up² keeps the brightness that the zeros take
    channels  C
    margin    (before, after), the same in both directions; negative ones cut
    """

    def __init__(
        self, taps: Tensor, channels: int, margin: tuple[int, int], *, up: int = 1, down: int = 1, gain: float = 1.0
    ) -> None:
        super().__init__()
        assert up == 1 or down == 1
        self.up, self.down, self.channels = up, down, channels
        self.size, (self.before, self.after) = taps.shape[-1], margin
        taps = outer(taps) if taps.numel() == 1 else taps
        kernels = [taps * gain] if taps.dim() == 2 else [(taps * gain**0.5)[:, None], (taps * gain**0.5)[None]]
        for index, kernel in enumerate(kernels):
            each = kernel if up > 1 else kernel.flip(0, 1)  # transposing a convolution turns its kernel
            self.register_buffer(f"taps{index}", each.expand(channels, 1, *each.shape).contiguous())

    def forward(self, x: Tensor) -> Tensor:
        if x.dtype == torch.float64 and max(x.shape[2:]) <= LARGEST_MATRIX:
            return self._in_float64(x)
        kernels = list(self.buffers(recurse=False))
        if self.up == 1:
            x = framed(x, self.before, self.after)
            for kernel in kernels:
                x = functional.conv2d(x, kernel, stride=self._steps(kernel, self.down), groups=self.channels)
            return x
        # A transposed convolution gives every pixel that the filter touches, T − 1 more than lie inside.
        cut, end = self.size - 1 - self.before, self.size - self.up - self.after
        inside = cut if cut == end and cut >= 0 else 0
        for kernel in kernels:
            margin = [inside if length > 1 else 0 for length in kernel.shape[2:]]
            x = functional.conv_transpose2d(
                x, kernel, stride=self._steps(kernel, self.up), padding=margin, groups=self.channels
            )
        return x if inside else framed(x, -cut, -end)

    def _in_float64(self, x: Tensor) -> Tensor:
        """The same sums as matrix products. In float64 PyTorch convolves one channel after the other, ten times slower."""
        kernels = [kernel[0, 0] for kernel in self.buffers(recurse=False)]
        taps = kernels[0] if len(kernels) == 1 else kernels[0] @ kernels[1]
        columns, weights, rows = torch.linalg.svd(taps if self.up > 1 else taps.flip(0, 1))
        y: Tensor | None = None
        for column, weight, row in zip(columns.T, weights, rows, strict=True):
            if weight > 1e-12 * weights[0]:
                part = self._matrix(column * weight, x.shape[2]) @ x @ self._matrix(row, x.shape[3]).T
                y = part if y is None else y + part
        assert y is not None
        return y

    def _matrix(self, taps: Tensor, n: int) -> Tensor:
        """(n', n): what one direction's filter makes of n pixels. out[i] = sum over j of taps[T − 1 − j] · wide[i·down + j]"""
        size = (n * self.up + self.before + self.after - len(taps)) // self.down + 1
        j = torch.arange(n) * self.up + self.before - torch.arange(size)[:, None] * self.down
        return torch.where((j >= 0) & (j < len(taps)), taps[(len(taps) - 1 - j).clamp(0, len(taps) - 1)], 0.0)

    @staticmethod
    def _steps(kernel: Tensor, step: int) -> tuple[int, int]:
        """`step` in the directions in which the kernel is long; a kernel of one tap each way takes both at once."""
        height, width = kernel.shape[2:]
        return (1 if height == 1 < width else step, 1 if width == 1 < height else step)


def framed(x: Tensor, before: int, after: int) -> Tensor:
    """x (N, C, H, W) with that many zeros before and after in both directions; negative numbers cut instead."""
    if before < 0 or after < 0:
        height, width = x.shape[2:]
        low, high = max(0, -before), max(0, -after)
        x = x[:, :, low : height - high, low : width - high]
    before, after = max(0, before), max(0, after)
    return functional.pad(x, (before, after, before, after)) if before or after else x


def outer(taps: Tensor) -> Tensor:
    """(T, T) of a filter (T,); one that is (T, T) already as it is."""
    return torch.outer(taps, taps) if taps.dim() == 1 else taps
