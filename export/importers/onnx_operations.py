"""What each ONNX operation is in PyTorch: attributes and inputs -> output. See onnx/docs/Operators.md.

Small integer tensors (shapes, axes, indices) are plain Python numbers and lists, so that a graph that computes a shape from the
batch's size stays free in that size when PyTorch traces it.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

Plain = int | list[int]
Attributes = Mapping[str, Any]


def conv(a: Attributes, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    x, padding = _padded(a, x, weight)
    return F.conv2d(x, weight, bias, a.get("strides", 1), padding, a.get("dilations", 1), a.get("group", 1))


def conv_transpose(a: Attributes, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    begin, end = _pads(a)
    _refuse(a, "output_shape", "auto_pad")
    extra = a.get("output_padding", [0, 0])
    strides, dilations = a.get("strides", [1, 1]), a.get("dilations", [1, 1])
    if begin == end and all(e < s for e, s in zip(extra, strides, strict=True)):
        return F.conv_transpose2d(x, weight, bias, strides, begin, extra, a.get("group", 1), dilations)
    full = F.conv_transpose2d(x, weight, bias, strides, 0, 0, a.get("group", 1), dilations)
    height, width = full.shape[2] - end[0], full.shape[3] - end[1]
    return F.pad(full[:, :, begin[0] : height, begin[1] : width], (0, extra[1], 0, extra[0]))


def _pads(a: Attributes) -> tuple[list[int], list[int]]:
    pads = a.get("pads", [0, 0, 0, 0])
    return list(pads[:2]), list(pads[2:])


def _padded(a: Attributes, x: Tensor, weight: Tensor) -> tuple[Tensor, list[int]]:
    if a.get("auto_pad", "NOTSET") not in ("NOTSET", "VALID"):
        raise ValueError(f"auto_pad {a['auto_pad']} is not read")
    begin, end = _pads(a)
    return (x, begin) if begin == end else (F.pad(x, (begin[1], end[1], begin[0], end[0])), [0, 0])


def batch_norm(a: Attributes, x: Tensor, scale: Tensor, shift: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
    return F.batch_norm(x, mean, variance, scale, shift, training=False, eps=a.get("epsilon", 1e-5))


def instance_norm(a: Attributes, x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    return F.instance_norm(x, weight=scale, bias=shift, eps=a.get("epsilon", 1e-5))


def layer_norm(a: Attributes, x: Tensor, scale: Tensor, shift: Tensor | None = None) -> Tensor:
    return F.layer_norm(x, list(x.shape[a.get("axis", -1) :]), scale, shift, a.get("epsilon", 1e-5))


def gemm(a: Attributes, x: Tensor, y: Tensor, z: Tensor | None = None) -> Tensor:
    left, right = (x.T if a.get("transA") else x), (y.T if a.get("transB") else y)
    product = a.get("alpha", 1.0) * (left @ right)
    result: Tensor = product if z is None else product + a.get("beta", 1.0) * z
    return result


def resize(a: Attributes, x: Tensor, *rest: Any) -> Tensor:
    """Upsampling of the last two axes by nearest or (bi)linear, in the ways PyTorch writes it."""
    scales = rest[-1] if len(rest) == 1 else rest[1] if len(rest) > 1 else None
    sizes = rest[2] if len(rest) > 2 else None
    if sizes is not None:
        size = [int(s) for s in _numbers(sizes)][2:]
    else:
        factors = a["scales"] if scales is None else scales
        size = [math.floor(length * factor) for length, factor in zip(x.shape[2:], factors[2:], strict=True)]
    mode, where = a.get("mode", "nearest"), a.get("coordinate_transformation_mode", "half_pixel")
    if mode == "linear":
        return F.interpolate(x, size=size, mode="bilinear", align_corners=where == "align_corners")
    if mode == "nearest" and all(big % small == 0 for big, small in zip(size, x.shape[2:], strict=True)):
        return F.interpolate(x, size=size, mode="nearest")  # by whole factors all roundings agree
    return F.interpolate(x, size=size, mode="nearest-exact" if where == "half_pixel" else "nearest")


def reshape(a: Attributes, x: Any, shape: Any) -> Any:
    if not isinstance(x, Tensor):
        return x
    sizes = [x.shape[i] if size == 0 and not a.get("allowzero") else size for i, size in enumerate(_numbers(shape))]
    return x.reshape(sizes)


def flatten(a: Attributes, x: Tensor) -> Tensor:
    axis = a.get("axis", 1) % (x.dim() + 1)
    return x.flatten(1) if axis == 1 else x.reshape(math.prod(x.shape[:axis]), -1)


def unsqueeze(a: Attributes, x: Any, axes: Any = None) -> Any:
    if not isinstance(x, Tensor):
        return x if isinstance(x, list) else [x]
    where = _numbers(a.get("axes") if axes is None else axes)
    rank = x.dim() + len(where)
    for axis in sorted(axis % rank for axis in where):
        x = x.unsqueeze(axis)
    return x


def squeeze(a: Attributes, x: Any, axes: Any = None) -> Any:
    where = a.get("axes") if axes is None else axes
    if not isinstance(x, Tensor):
        return x[0] if isinstance(x, list) and len(x) == 1 else x
    return x.squeeze() if where is None else x.squeeze(tuple(_numbers(where)))


def concat(a: Attributes, *parts: Any) -> Any:
    if not any(isinstance(part, Tensor) for part in parts):
        return [number for part in parts for number in _numbers(part)]
    return torch.cat([_tensor(part) for part in parts], a["axis"])


def slice_(a: Attributes, x: Any, starts: Any = None, ends: Any = None, axes: Any = None, steps: Any = None) -> Any:
    begin, end = _numbers(a.get("starts") if starts is None else starts), _numbers(a.get("ends") if ends is None else ends)
    where = _numbers(axes) if axes is not None else a.get("axes") or list(range(len(begin)))
    strides = _numbers(steps) if steps is not None else [1] * len(begin)
    if not isinstance(x, Tensor):
        return x[begin[0] : end[0] : strides[0]]
    for axis, first, last, stride in zip(where, begin, end, strides, strict=True):
        x = x[(slice(None),) * (axis % x.dim()) + (slice(first, min(last, 2**31), stride),)]
    return x


def split(a: Attributes, x: Tensor, sizes: Any = None) -> tuple[Tensor, ...]:
    given, axis = a.get("split") if sizes is None else _numbers(sizes), a.get("axis", 0)
    if given is None:
        return x.chunk(a["num_outputs"], axis)
    return torch.split(x, list(given), axis)


def gather(a: Attributes, x: Any, index: Any) -> Any:
    if not isinstance(x, Tensor):
        return [x[i] for i in index] if isinstance(index, list) else x[index]
    axis = a.get("axis", 0) % x.dim()
    if isinstance(index, int):
        return x.select(axis, index)
    which = _tensor(index)
    rows = x.index_select(axis, which.flatten())
    return rows.reshape([*x.shape[:axis], *which.shape, *x.shape[axis + 1 :]])


def expand(a: Attributes, x: Tensor, shape: Any) -> Tensor:
    return x * torch.ones(_numbers(shape), dtype=x.dtype)


def pad(a: Attributes, x: Tensor, pads: Any = None, value: Any = None, axes: Any = None) -> Tensor:
    _refuse({"axes": axes} if axes is not None else {}, "axes")
    widths = _numbers(a.get("pads") if pads is None else pads)
    pairs = [width for axis in reversed(range(x.dim())) for width in (widths[axis], widths[axis + x.dim()])]
    mode = {"constant": "constant", "reflect": "reflect", "edge": "replicate"}[a.get("mode", "constant")]
    if mode == "constant":
        return F.pad(x, pairs, value=float(value if value is not None else a.get("value", 0.0)))
    return F.pad(x, pairs[:4], mode=mode)


def depth_to_space(a: Attributes, x: Tensor) -> Tensor:
    n, c, h, w = x.shape
    b = a["blocksize"]
    if a.get("mode", "DCR") == "CRD":
        return F.pixel_shuffle(x, b)
    return x.reshape(n, b, b, c // b**2, h, w).permute(0, 3, 4, 1, 5, 2).reshape(n, c // b**2, h * b, w * b)


def clip(a: Attributes, x: Tensor, low: Any = None, high: Any = None) -> Tensor:
    least, most = a.get("min") if low is None else float(low), a.get("max") if high is None else float(high)
    return x if least is None and most is None else x.clamp(least, most)


def cast(a: Attributes, x: Any) -> Any:
    if not isinstance(x, Tensor):
        return x
    # a cast between float types keeps the precision that the module was moved to
    floating = a["to"] in (1, 10, 11, 16)
    return (x if x.is_floating_point() else x.to(torch.get_default_dtype())) if floating else x.to(_INTEGERS[a["to"]])


_INTEGERS = {2: torch.uint8, 3: torch.int8, 6: torch.int32, 7: torch.int64, 9: torch.bool}


def constant_of_shape(a: Attributes, shape: Any) -> Tensor:
    value = np.asarray(a.get("value", np.zeros(1, np.float32))).reshape(-1)[0]
    return torch.full(_numbers(shape), value.item(), dtype=torch.from_numpy(np.array([value])).dtype)


def one_hot(a: Attributes, index: Tensor, depth: Any, values: Tensor) -> Tensor:
    hot = F.one_hot(index.long(), int(_numbers(depth)[0])).to(values.dtype)
    return hot * (values[1] - values[0]) + values[0]


def reduce(function: Callable[..., Tensor]) -> Callable[..., Any]:
    def reduced(a: Attributes, x: Any, axes: Any = None) -> Any:
        if not isinstance(x, Tensor):
            return math.prod(x) if function is _prod else sum(x)
        where = a.get("axes") if axes is None else _numbers(axes)
        dims = list(range(x.dim())) if where is None else list(where)
        return function(x, dims, bool(a.get("keepdims", 1)))

    return reduced


def _prod(x: Tensor, dims: list[int], keep: bool) -> Tensor:
    for dim in sorted((dim % x.dim() for dim in dims), reverse=True):
        x = x.prod(dim, keepdim=keep)
    return x


def arithmetic(function: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    """A binary operation on tensors, or elementwise on plain numbers."""

    def computed(a: Attributes, x: Any, y: Any) -> Any:
        if isinstance(x, Tensor) or isinstance(y, Tensor):
            return function(_tensor(x), _tensor(y))
        if isinstance(x, list) or isinstance(y, list):
            left, right = _numbers(x), _numbers(y)
            length = max(len(left), len(right))
            pairs = zip(left * (length // len(left)), right * (length // len(right)), strict=True)
            return [function(u, v) for u, v in pairs]
        return function(x, y)

    return computed


def _divide(x: Any, y: Any) -> Any:
    return x / y if isinstance(x, Tensor) and x.is_floating_point() else x // y


def _numbers(value: Any) -> list[Any]:
    if isinstance(value, Tensor):
        return [int(number) for number in value.flatten().tolist()]
    return list(value) if isinstance(value, (list, tuple)) else [value]


def _tensor(value: Any) -> Tensor:
    return value if isinstance(value, Tensor) else torch.tensor(value)


def _refuse(a: Attributes, *names: str) -> None:
    for name in names:
        if name in a and a[name] not in ("NOTSET", None):
            raise ValueError(f"{name} is not read")


def _unary(function: Callable[[Tensor], Tensor]) -> Callable[..., Tensor]:
    return lambda a, x: function(x)


OPERATIONS: dict[str, Callable[..., Any]] = {
    "Conv": conv, "ConvTranspose": conv_transpose, "Gemm": gemm, "MatMul": lambda a, x, y: x @ y,
    "BatchNormalization": batch_norm, "InstanceNormalization": instance_norm, "LayerNormalization": layer_norm,
    "Add": arithmetic(lambda x, y: x + y), "Sub": arithmetic(lambda x, y: x - y), "Mul": arithmetic(lambda x, y: x * y),
    "Div": arithmetic(_divide), "Pow": arithmetic(lambda x, y: x**y), "Neg": _unary(torch.neg), "Sqrt": _unary(torch.sqrt),
    "Mod": arithmetic(lambda x, y: x % y), "Equal": arithmetic(lambda x, y: x == y),
    "Where": lambda a, which, x, y: torch.where(_tensor(which), _tensor(x), _tensor(y)),
    "Exp": _unary(torch.exp), "Abs": _unary(torch.abs), "Erf": _unary(torch.erf), "Reciprocal": _unary(torch.reciprocal),
    "Max": arithmetic(torch.maximum), "Min": arithmetic(torch.minimum), "Clip": clip,
    "Relu": _unary(F.relu), "Tanh": _unary(torch.tanh), "Sigmoid": _unary(torch.sigmoid), "Softplus": _unary(F.softplus),
    "LeakyRelu": lambda a, x: F.leaky_relu(x, a.get("alpha", 0.01)), "Elu": lambda a, x: F.elu(x, a.get("alpha", 1.0)),
    "Selu": _unary(F.selu), "PRelu": lambda a, x, slope: torch.where(x >= 0, x, x * slope),
    "Gelu": lambda a, x: F.gelu(x, approximate=a.get("approximate", "none")),
    "Softmax": lambda a, x: torch.softmax(x, a.get("axis", -1)),
    "Identity": lambda a, x: x, "Dropout": lambda a, x, *rest: x, "Cast": cast, "ConstantOfShape": constant_of_shape,
    "Shape": lambda a, x: list(x.shape)[a.get("start", 0) : a.get("end")], "Reshape": reshape, "Flatten": flatten,
    "Transpose": lambda a, x: x.permute(a.get("perm") or list(reversed(range(x.dim())))),
    "Unsqueeze": unsqueeze, "Squeeze": squeeze, "Concat": concat, "Slice": slice_, "Split": split, "Gather": gather,
    "Expand": expand, "Pad": pad, "Resize": resize, "Upsample": resize, "DepthToSpace": depth_to_space, "OneHot": one_hot,
    "ReduceMean": reduce(torch.mean), "ReduceSum": reduce(torch.sum), "ReduceProd": reduce(_prod),
}  # fmt: skip
