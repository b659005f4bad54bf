"""Objects of other people's classes in a checkpoint, read as plain dictionaries of what they hold. None of their code is run.

torch's restricted reader stops at a class it does not know (Lightning's AttributeDict, a configuration, a schedule).
It is given an empty class of ours under that name instead, which only keeps what the file says.
"""

import io
import re
import warnings
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from pickle import UnpicklingError
from typing import Any, TypeGuard

import torch
from torch import Tensor

from export.importers.pickle_globals import is_attack

MOST = 200  # foreign names in one file
MARK = "foreign class"


class ForeignObject(dict[Any, Any]):
    """What a file says about one object: its attributes and, of a dictionary, its items."""

    def __init__(self, held: Mapping[Any, Any] | None = None, *, kind: str = "", arguments: tuple[Any, ...] = ()) -> None:
        super().__init__(held or {})
        self.kind = kind
        """The object's class, as the file names it."""
        self.arguments = arguments
        """What it is made from, where the file says that."""
        self.elements: list[Any] = []
        """Of a list, what is in it."""


def load_with_stand_ins(data: bytes, known: list[Any]) -> Any:
    """What torch's restricted reader gives, with foreign objects as `ForeignObject`. Raises what the reader raises."""
    stand_ins: dict[str, Any] = {}
    while True:
        try:
            allowed = [*known, *((kind, name) for name, kind in stand_ins.items())]
            with torch.serialization.safe_globals(allowed), warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of storages and quantised tensors, which are between PyTorch and the file
                return _settled(torch.load(io.BytesIO(data), map_location="cpu", weights_only=True), {})
        except UnpicklingError as error:
            named = re.search(r"Unsupported global: GLOBAL ([\w.]+)", str(error))
            name = named.group(1) if named else ""
            if not may_stand_in(name) or name in stand_ins or len(stand_ins) == MOST:
                raise
            stand_ins[name] = _stand_in(name)


def _stand_in(name: str) -> type:
    """A class whose objects are ordered dictionaries: the one type that the reader gives items and attributes."""

    def __new__(cls: type, *arguments: Any, **keywords: Any) -> OrderedDict[str, Any]:
        made: OrderedDict[str, Any] = OrderedDict(*(argument for argument in arguments[:1] if isinstance(argument, Mapping)))
        made.__dict__[MARK] = name
        return made

    return type(name.rpartition(".")[2], (), {"__new__": __new__})


def _settled(content: Any, done: dict[int, Any]) -> Any:
    """The same content with every marked dictionary as a ForeignObject. A reference from a thing into itself becomes None."""
    if not isinstance(content, (dict, list, tuple)):
        return content
    if id(content) in done:
        return done[id(content)]
    done[id(content)] = None
    settled: Any = content
    if isinstance(content, OrderedDict) and MARK in content.__dict__:
        held = {**content.__dict__, **content}
        items = {key: _settled(value, done) for key, value in held.items() if key != MARK}
        settled = ForeignObject(items, kind=content.__dict__[MARK])
    elif isinstance(content, dict):
        for key, value in content.items():
            content[key] = _settled(value, done)
    elif isinstance(content, list):
        content[:] = [_settled(value, done) for value in content]
    elif type(content) is tuple:
        settled = tuple(_settled(value, done) for value in content)
    done[id(content)] = settled
    return settled


def may_stand_in(name: str) -> bool:
    """Whether a global of this name may be replaced. A name without a module is one of Python's own functions."""
    return "." in name and not is_attack(name)


def modules_in(content: Any, at: str = "") -> Iterator[tuple[str, str]]:
    """(dotted key, class) of every whole torch module with weights in a file's content."""
    if is_module(content):
        if _holds_tensors(content):
            yield at, content.kind
    elif isinstance(content, Mapping):
        for key, value in content.items():
            if isinstance(key, str):
                yield from modules_in(value, f"{at}.{key}" if at else key)


def is_module(content: Any) -> TypeGuard[ForeignObject]:
    """Whether this is a whole torch module."""
    return isinstance(content, ForeignObject) and "_parameters" in content


def _holds_tensors(content: Any) -> bool:
    return isinstance(content, Tensor) or (isinstance(content, Mapping) and any(map(_holds_tensors, content.values())))
