"""An ONNX graph in float64: `onnx.reference`, the standard's own definition of its operators, with PyTorch under the few that
it computes number by number."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import torch
from onnx import TensorProto
from onnx.reference import ReferenceEvaluator
from onnx.reference.op_run import OpRun
from onnx.reference.ops.op_resize import Resize as SlowResize
from torch.nn import functional as F

from export.importers.onnx_canonical import Feed, in_precision

Array = npt.NDArray[Any]


def evaluator(model: onnx.ModelProto, output: str) -> Callable[[Feed], Array]:
    """A function that computes `output` of a canonical graph in float64."""
    wide = in_precision(model, [TensorProto.FLOAT], TensorProto.DOUBLE)
    reference = ReferenceEvaluator(wide, new_ops=[Conv, ConvTranspose, Resize])

    def run(feed: Feed) -> Array:
        values: Any = reference.run([output], dict(feed))
        return np.asarray(values[0])

    return run


class Conv(OpRun):
    def _run(self, x: Array, w: Array, b: Array | None = None, **a: Any) -> tuple[Array]:
        begin, end = _pads(a, x.ndim - 2)
        padded = np.pad(x, [(0, 0), (0, 0), *zip(begin, end, strict=True)])
        bias = _torch(b) if b is not None else None
        out = _CONV[x.ndim](_torch(padded), _torch(w), bias, a["strides"] or 1, 0, a["dilations"] or 1, a["group"] or 1)
        return (out.numpy(),)


class ConvTranspose(OpRun):
    """Computed without padding, then cropped: ONNX pads both ends apart, PyTorch does not."""

    def _run(self, x: Array, w: Array, b: Array | None = None, **a: Any) -> tuple[Array]:
        begin, end = _pads(a, x.ndim - 2)
        extra = a["output_padding"] or [0] * len(begin)
        full = _TRANSPOSED[x.ndim](
            _torch(x), _torch(w), None, a["strides"] or 1, 0, 0, a["group"] or 1, a["dilations"] or 1
        ).numpy()
        full = np.pad(full, [(0, 0), (0, 0), *((0, e) for e in extra)])
        keep = tuple(slice(p, side - q) for p, q, side in zip(begin, end, full.shape[2:], strict=True))
        out = full[(slice(None), slice(None), *keep)]
        return (out if b is None else out + b.reshape(1, -1, *[1] * len(begin)),)


class Resize(OpRun):
    """Nearest by whole factors, where all roundings agree, and bilinear as PyTorch has it; the rest number by number."""

    def _run(self, x: Array, roi: Any = None, scales: Any = None, sizes: Any = None, **a: Any) -> tuple[Array]:
        scales = np.asarray(scales, np.float64) if scales is not None and len(scales) else None
        if a["axes"] is None and not a["antialias"] and x.ndim == 4:
            target = (
                [int(s) for s in sizes] if sizes is not None else [int(n * f) for n, f in zip(x.shape, scales, strict=True)]
            )
            whole = all(big % small == 0 for big, small in zip(target, x.shape, strict=True))
            where = (a["coordinate_transformation_mode"] or "half_pixel").replace("pytorch_", "")
            if a["mode"] == "nearest" and whole and where in ("half_pixel", "asymmetric"):
                for axis, size in enumerate(target):
                    x = np.repeat(x, size // x.shape[axis], axis) if size != x.shape[axis] else x
                return (x,)
            if a["mode"] == "linear" and whole and where in ("half_pixel", "align_corners") and target[:2] == [*x.shape[:2]]:
                out = F.interpolate(
                    _torch(x),
                    target[2:],
                    mode="bilinear",
                    align_corners=where == "align_corners",
                )
                return (out.numpy(),)
        standard: Any = SlowResize  # the same attributes, read by name
        drawn: tuple[Array] = standard._run(self, x, roi, scales, sizes, **a)
        return drawn


_CONV: dict[int, Callable[..., torch.Tensor]] = {3: F.conv1d, 4: F.conv2d, 5: F.conv3d}
_TRANSPOSED: dict[int, Callable[..., torch.Tensor]] = {3: F.conv_transpose1d, 4: F.conv_transpose2d, 5: F.conv_transpose3d}


def _torch(x: Array) -> torch.Tensor:
    return torch.from_numpy(np.require(x, requirements=["C", "W"]))


def _pads(a: dict[str, Any], rank: int) -> tuple[Sequence[int], Sequence[int]]:
    pads = a["pads"] or [0] * (2 * rank)
    return list(pads[:rank]), list(pads[rank:])
