"""The pictures among what a network returns: one tensor, or several in a tuple, a dictionary or an object of its own."""

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from torch import Tensor

CHANNELS = (1, 3, 4)
SMALLEST_SIDE = 8


def picture_in(out: Any) -> Tensor:
    """The largest picture that a module returned; where none is a picture, the tensor with the most dimensions.

    Raises TypeError where there is no tensor.
    """
    tensors = [tensor for _, tensor in named_tensors(out)]
    if not tensors:
        raise TypeError(f"forward returns {type(out).__name__}, no tensor")
    return max(tensors, key=_likeness)


def describe_choice(out: Any) -> tuple[str, bool]:
    """Which of several outputs the picture is, for people (empty where there is one), and whether others are pictures too."""
    named = list(named_tensors(out))
    if len(named) < 2:
        return "", False
    taken = picture_in(out)
    name = next(name for name, tensor in named if tensor is taken)
    others = [tensor for _, tensor in named if tensor is not taken and _likeness(tensor)[0] == _likeness(taken)[0]]
    shapes = ", ".join("×".join(map(str, tensor.shape[1:])) for tensor in others)
    which = f"{name} of {len(named)}, {'×'.join(map(str, taken.shape[1:]))}"
    return f"{which} (others: {shapes})" if others else which, bool(others)


def named_tensors(out: Any, name: str = "") -> Iterator[tuple[str, Tensor]]:
    """Every tensor in what a module returned, with how it is reached: `image`, `output 2`, `output 1.2`."""
    if isinstance(out, Tensor):
        yield name or "output 1", out
    elif isinstance(out, Mapping):
        for key, value in out.items():
            yield from named_tensors(value, f"{name}.{key}" if name else str(key))
    elif isinstance(out, Sequence) and not isinstance(out, str):
        for i, value in enumerate(out, 1):
            yield from named_tensors(value, f"{name}.{i}" if name else f"output {i}")
    elif dataclasses.is_dataclass(out):
        yield from named_tensors({entry.name: getattr(out, entry.name) for entry in dataclasses.fields(out)}, name)


def access_to(out: Any, tensor: Tensor) -> str | None:
    """How Python reaches `tensor` in what a module returned: `[1]`, `['image']`, `.sample`; None where it is not in it."""
    if isinstance(out, Tensor):
        return "" if out is tensor else None
    parts: list[tuple[str, Any]] = []
    if isinstance(out, Mapping):
        parts = [(f"[{key!r}]", value) for key, value in out.items()]
    elif isinstance(out, Sequence) and not isinstance(out, str):
        parts = [(f"[{i}]", value) for i, value in enumerate(out)]
    elif dataclasses.is_dataclass(out):
        parts = [(f".{entry.name}", getattr(out, entry.name)) for entry in dataclasses.fields(out)]
    found = ((name, access_to(value, tensor)) for name, value in parts)
    return next((name + rest for name, rest in found if rest is not None), None)


def _likeness(tensor: Tensor) -> tuple[int, int, int]:
    """How much a tensor looks like pictures: planes with channels, planes, rows of values, anything else; then its size."""
    shape = tuple(tensor.shape[1:])
    values = math.prod(shape)
    if (
        len(shape) in (2, 3)
        and sorted(shape)[-2] >= SMALLEST_SIDE
        and (len(shape) == 2 or {shape[0], shape[2]} & set(CHANNELS))
    ):
        return len(shape), 0, values
    return int(len(shape) == 1 and is_square(values)), len(shape), values


def is_square(values: int) -> bool:
    """Whether that many values are a square picture of 1, 3 or 4 channels."""
    sides = ((channels, round((values / channels) ** 0.5)) for channels in CHANNELS)
    return any(side >= SMALLEST_SIDE and channels * side * side == values for channels, side in sides)
