"""Convolutions with one kernel for each picture (StyleGAN2's modulated convolution), in a form that a graph holds.

Such networks fold the batch into the channels and convolve in as many groups as there are pictures; a graph's `group` is a
constant. Here the same sum is taken the other way round: for every tap of the kernel, one matrix product a picture.

    out[n, o, y, x] = sum over i, a, b of  kernel[n, o, i, a, b] · input[n, i, y·s + a, x·s + b]
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode


class PerSampleConvolutions(TorchFunctionMode):
    """While it is active, `conv2d` and `conv_transpose2d` in (symbolic) batch size groups become products."""

    def __torch_function__(
        self, function: Callable[..., Any], types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if function is functional.conv2d and isinstance(_named(args, kwargs, "groups", 6), torch.SymInt):
            return _convolution(*args, **kwargs)
        if function is functional.conv_transpose2d and isinstance(_named(args, kwargs, "groups", 6), torch.SymInt):
            return _transposed(*args, **kwargs)
        return function(*args, **kwargs)


def _named(args: Sequence[Any], kwargs: Mapping[str, Any], name: str, position: int) -> Any:
    return kwargs[name] if name in kwargs else args[position] if len(args) > position else 1


def _convolution(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: Any = 1,
) -> Tensor:
    """input (1, N·i, H, W), weight (N·o, i, kh, kw) -> (1, N·o, H', W')"""
    _only(bias is None and _pair(dilation) == (1, 1) and not isinstance(padding, str))
    (top, left), (down, right) = _pair(padding), _pair(stride)
    kernels = weight.reshape(-1, weight.shape[0] // groups, *weight.shape[1:])
    x = functional.pad(input.reshape(-1, weight.shape[1], *input.shape[2:]), (left, left, top, top))
    return _sum_of_taps(x, kernels, down, right)


def _transposed(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Any = 1, padding: Any = 0, output_padding: Any = 0,
    groups: Any = 1, dilation: Any = 1,
) -> Tensor:  # fmt: skip
    """input (1, N·i, H, W), weight (N·i, o, kh, kw) -> (1, N·o, H', W'): zeros between pixels, kernels turned around"""
    _only(bias is None and _pair(dilation) == (1, 1))
    (top, left), (down, right), (below, beside) = _pair(padding), _pair(stride), _pair(output_padding)
    inner, (outer, kh, kw) = weight.shape[0] // groups, weight.shape[1:]
    kernels = weight.reshape(-1, inner, outer, kh, kw).transpose(1, 2).flip(3, 4)
    height, width = input.shape[2:]
    x = input.reshape(-1, inner, height, 1, width, 1)
    x = functional.pad(x, (0, right - 1, 0, 0, 0, down - 1)).reshape(-1, inner, height * down, width * right)
    x = x[:, :, : (height - 1) * down + 1, : (width - 1) * right + 1]
    x = functional.pad(x, (kw - 1 - left, kw - 1 - left + beside, kh - 1 - top, kh - 1 - top + below))
    return _sum_of_taps(x, kernels, 1, 1)


def _sum_of_taps(x: Tensor, kernels: Tensor, down: int, right: int) -> Tensor:
    """x (N, i, H, W) already padded, kernels (N, o, i, kh, kw) -> (1, N·o, H', W')"""
    kh, kw = kernels.shape[3:]
    height, width = (x.shape[2] - kh) // down + 1, (x.shape[3] - kw) // right + 1
    inner, out = x.shape[1], None
    for a in range(kh):
        for b in range(kw):
            tap = x[:, :, a : a + (height - 1) * down + 1 : down, b : b + (width - 1) * right + 1 : right]
            product = kernels[:, :, :, a, b] @ tap.reshape(-1, inner, height * width)
            out = product if out is None else out + product
    assert out is not None
    return out.reshape(1, -1, height, width)


def _pair(value: Any) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else (value[0], value[1])


def _only(holds: bool) -> None:
    if not holds:
        raise NotImplementedError("a convolution in as many groups as pictures, with a bias or dilation")
