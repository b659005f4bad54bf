"""The calls in a pickle that only make plain values, computed by code of ours: tensors, arrays, numbers, dictionaries, bytes.

Exact names alone; what has no entry here is never computed. Sizes are checked against the bytes that are there, and arguments
that such a call never has raise ValueError or TypeError.
"""

import io
import pickletools
from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np
import torch
from torch import Tensor

from export.importers.file_kind import LEGACY_MAGIC
from export.importers.foreign_objects import ForeignObject

SMALL = 1 << 20  # a number in a storage's description up to which nobody's memory is at risk
_DTYPES = frozenset(("f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "b1", "?"))


class Unfinished:
    """A NumPy data type or array between its call and the state that follows it."""

    def __init__(self, finish: Callable[[Any], Any]) -> None:
        self.state: Any = None
        self._finish, self._done = finish, False
        self._value: Any = None

    def finished(self) -> Any:
        if not self._done:
            self._value, self._done = self._finish(self.state), True
        return self._value


def _storage(data: Any) -> Tensor:
    """A storage, which torch writes as a file of its own in its older format, as one row of values on the CPU."""
    if not isinstance(data, (bytes, bytearray)) or LEGACY_MAGIC not in data[:32]:
        raise ValueError("a storage that is not in torch's format")
    pickles = io.BytesIO(data)
    for _ in range(3):  # the magic number, the version, the system
        list(pickletools.genops(pickles))
    described = list(pickletools.genops(pickles))
    if sum(instruction.name == "BINPERSID" for instruction, *_ in described) != 1:
        raise ValueError("a storage that is not one")
    if any(isinstance(argument, int) and argument > max(len(data), SMALL) for _, argument, _ in described):
        raise ValueError("a storage that says it holds more than there is")
    stored = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    if not isinstance(stored, torch.storage.TypedStorage):
        raise ValueError("a storage that holds something else")
    return torch.empty(0, dtype=stored.dtype).set_(stored._untyped_storage)


def _tensor(storage: Any, offset: Any, size: Any, stride: Any, *_: Any) -> Tensor:
    """Part of a storage: torch._utils._rebuild_tensor and _rebuild_tensor_v2, whose further arguments concern training."""
    if not (
        isinstance(storage, Tensor) and storage.dim() == 1 and _are_sizes((offset, *size, *stride)) and len(size) == len(stride)
    ):
        raise ValueError("a tensor whose shape is no shape")
    last = offset + sum((length - 1) * step for length, step in zip(size, stride, strict=True))
    if prod(size) and not last < len(storage):
        raise ValueError("a tensor that is larger than its storage")
    if prod(size) > max(len(storage), SMALL):
        raise ValueError("a tensor that repeats the few numbers that are in the file")
    return storage.as_strided(size, stride, offset)


def _parameter(tensor: Any, *_: Any) -> Tensor:
    if not isinstance(tensor, Tensor):
        raise ValueError("a parameter that is no tensor")
    return tensor.detach()


def _dtype(code: Any, *_: Any) -> Unfinished:
    def finish(state: Any) -> np.dtype[Any]:
        name = code.decode("latin-1") if isinstance(code, bytes) else code
        if name not in _DTYPES:
            raise ValueError("an array of something else than numbers")
        swapped = isinstance(state, tuple) and len(state) > 1 and state[1] == ">"
        return np.dtype(name).newbyteorder(">" if swapped else "<")

    return Unfinished(finish)


def _scalar(dtype: Any, data: Any) -> Any:
    return np.frombuffer(_bytes(data), _number_type(dtype), 1)[0].item()


def _array(*_: Any) -> Unfinished:
    """numpy.…multiarray._reconstruct: an empty array whose state is (version, shape, dtype, is_fortran, bytes)."""

    def finish(state: Any) -> np.ndarray[Any, Any]:
        _, shape, dtype, fortran, data = state
        return _from_buffer(data, dtype, shape, "F" if fortran else "C")

    return Unfinished(finish)


def _from_buffer(data: Any, dtype: Any, shape: Any, order: Any, *_: Any) -> np.ndarray[Any, Any]:
    if not _are_sizes(shape):
        raise ValueError("an array whose shape is no shape")
    return np.frombuffer(_bytes(data), _number_type(dtype)).reshape(shape, order="F" if order == "F" else "C")


def _number_type(dtype: Any) -> np.dtype[Any]:
    dtype = dtype.finished() if isinstance(dtype, Unfinished) else dtype
    if not isinstance(dtype, np.dtype):
        raise TypeError("an array without a data type")
    return dtype


def _bytes(data: Any) -> bytes:
    if isinstance(data, str):  # how Python 2 wrote bytes
        return data.encode("latin-1")
    if not isinstance(data, (bytes, bytearray)):
        raise TypeError("numbers that are no bytes")
    return bytes(data)


def _encoded(text: Any = "", encoding: Any = "") -> bytes:
    """_codecs.encode: how protocols before 3 write bytes."""
    if not isinstance(text, str) or encoding != "latin1":
        raise ValueError("bytes in another way than Python writes them")
    return text.encode("latin-1")


def _dictionary(items: Any = ()) -> dict[Any, Any]:
    """collections.OrderedDict: empty, or in protocols before 2 from pairs."""
    return {str(key): value for key, value in items}


def _list(items: Any = ()) -> list[Any]:
    return list(items) if isinstance(items, (list, tuple)) else []


def _size(sizes: Any) -> tuple[int, ...]:
    if not _are_sizes(sizes):
        raise ValueError("a size that is no size")
    return tuple(sizes)


def _object(kind: Any, *_: Any) -> ForeignObject:
    """copyreg._reconstructor and __newobj__: an object that is described by the state that follows."""
    return ForeignObject(kind=kind.kind if isinstance(kind, ForeignObject) else "")


def _are_sizes(values: Any) -> bool:
    return isinstance(values, (tuple, list)) and all(type(value) is int and 0 <= value < 2**48 for value in values)


REBUILDERS: dict[str, Callable[..., Any]] = {
    "torch.storage._load_from_bytes": _storage,
    "torch._utils._rebuild_tensor": _tensor,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_parameter": _parameter,
    "torch._utils._rebuild_parameter_with_state": _parameter,
    "torch.Size": _size,
    "numpy.dtype": _dtype,
    **{f"numpy.{core}.multiarray.scalar": _scalar for core in ("core", "_core")},
    **{f"numpy.{core}.multiarray._reconstruct": _array for core in ("core", "_core")},
    **{f"numpy.{core}.numeric._frombuffer": _from_buffer for core in ("core", "_core")},
    "_codecs.encode": _encoded,
    "collections.OrderedDict": _dictionary,
    **{f"{builtins}.{name}": _list for builtins in ("builtins", "__builtin__") for name in ("set", "frozenset", "list")},
    **{f"{builtins}.bytearray": bytes for builtins in ("builtins", "__builtin__")},
    **{f"{copyreg}.{name}": _object for copyreg in ("copyreg", "copy_reg") for name in ("_reconstructor", "__newobj__")},
}
