"""A pickle read by an interpreter of our own, which imports nothing and calls nothing: what code would do is kept as a record.

Python's own `pickle` imports every name that a file gives and calls it. Here a name stays a name. Calling it makes a
`ForeignObject` that holds the arguments, setting a state fills that object, and only the few exact names in `rebuilders.py`,
those which PyTorch, NumPy and collections write for tensors, arrays and dictionaries, are computed, by code of ours.

Time and memory stay within what the file's size explains: instructions are counted, and whatever copies something that
the file may name again and again takes from an allowance. The memo is a dictionary: an index of four billion takes no room.
"""

import pickletools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from export.importers.foreign_objects import ForeignObject
from export.importers.rebuilders import REBUILDERS, SMALL, Unfinished

MOST_INSTRUCTIONS = 5_000_000  # a StyleGAN of 1024×1024 with its discriminator has about 100,000
MOST_MARKS = 500  # nesting of what is begun and not yet ended
NEWEST_PROTOCOL = 5
LARGEST_KEY = 2**60  # whole numbers up to here have hashes of their own: no file can make a dictionary slow


class NotReadable(Exception):
    """Why a pickle is not read: damage, an instruction that needs code to run, or more of something than any generator has."""


@dataclass(frozen=True, slots=True)
class InertContent:
    """What a pickle holds, and every name of code that it gives."""

    content: Any
    names: frozenset[str]


def read_inert(data: bytes, most_instructions: int = MOST_INSTRUCTIONS) -> InertContent:
    """What the first pickle in `data` holds: plain values, tensors, arrays, and records of everything else.

    Sets come as lists. Raises NotReadable; nothing else, whatever the bytes are.
    """
    reader = _Reader(allowance=4 * len(data) + SMALL)
    try:
        for count, (instruction, argument, _) in enumerate(pickletools.genops(data)):
            if count >= most_instructions:
                raise NotReadable(f"it has more than {most_instructions:,} instructions")
            if instruction.name == "STOP":
                return InertContent(_finished(reader.stack.pop()), frozenset(reader.names))
            reader.follow(instruction.name, argument)
    except NotReadable:
        raise
    except Exception as error:  # damage surfaces as any of a dozen classes, from KeyError to struct.error
        raise NotReadable(f"it is damaged: {' '.join(str(error).split())[:100] or type(error).__name__}") from error
    raise NotReadable("it is truncated")


@dataclass(slots=True)
class _Reader:
    """The machine: a stack, the stacks that marks put aside, and the memo."""

    allowance: int
    """How many more values may be copied."""
    stack: list[Any] = field(default_factory=list)
    aside: list[list[Any]] = field(default_factory=list)
    memo: dict[int, Any] = field(default_factory=dict)
    names: set[str] = field(default_factory=set)

    def follow(self, name: str, argument: Any) -> None:
        """One instruction of pickletools' names."""
        if name in _PLAIN:
            self.stack.append(argument)
        elif name in _CONSTANTS:
            self.stack.append(_CONSTANTS[name]())
        elif name in ("GET", "BINGET", "LONG_BINGET"):
            self.stack.append(self.memo[argument])
        elif name in ("PUT", "BINPUT", "LONG_BINPUT"):
            self.memo[argument] = self.stack[-1]
        elif name in _STEPS:
            _STEPS[name](self, argument)
        elif name in ("PERSID", "BINPERSID"):
            raise NotReadable("it refers to parts that lie outside of it (persistent ids)")
        else:
            raise NotReadable(f"it has the instruction {name}, which no generator needs")

    def spend(self, *copied: Any) -> None:
        self.allowance -= sum(len(value) for value in copied if isinstance(value, (bytes, bytearray, str, list, tuple, dict)))
        if self.allowance < 0:
            raise NotReadable("it copies the same things again and again")

    def memoize(self, _: Any) -> None:
        self.memo[len(self.memo)] = self.stack[-1]

    def mark(self, _: Any) -> None:
        if len(self.aside) == MOST_MARKS:
            raise NotReadable(f"it is nested more than {MOST_MARKS} deep")
        self.aside.append(self.stack)
        self.stack = []

    def since_mark(self) -> list[Any]:
        items, self.stack = self.stack, self.aside.pop()
        return items

    def pop(self, _: Any) -> None:
        if self.stack:
            self.stack.pop()
        else:
            self.since_mark()

    def pop_mark(self, _: Any) -> None:
        self.since_mark()

    def tuple_of(self, n: int) -> None:
        items = tuple(map(_finished, self.stack[-n:]))
        if len(items) < n:
            raise IndexError("stack underflow")
        self.stack[-n:] = [items]

    def named(self, module: Any, name: Any) -> ForeignObject:
        if not (isinstance(module, str) and isinstance(name, str)):
            raise TypeError("a name that is no text")
        self.spend(module, name)
        self.names.add(f"{module}.{name}")
        return ForeignObject(kind=f"{module}.{name}")

    def global_(self, argument: str) -> None:
        self.stack.append(self.named(*argument.split(" ", 1)))

    def stack_global(self, _: Any) -> None:
        name, module = self.stack.pop(), self.stack.pop()
        self.stack.append(self.named(module, name))

    def reduce(self, _: Any) -> None:
        arguments, function = self.stack.pop(), self.stack.pop()
        kind = function.kind if isinstance(function, ForeignObject) else ""
        if kind in REBUILDERS and isinstance(arguments, tuple):
            self.spend(*arguments)
            self.stack.append(REBUILDERS[kind](*arguments))
        else:
            self.stack.append(_record(function, arguments))

    def new_object(self, _: Any) -> None:
        arguments, kind = self.stack.pop(), self.stack.pop()
        self.stack.append(_record(kind, arguments))

    def new_object_with_names(self, _: Any) -> None:
        keywords, arguments, kind = self.stack.pop(), self.stack.pop(), self.stack.pop()
        self.stack.append(_record(kind, (arguments, keywords)))

    def build(self, _: Any) -> None:
        state, target = self.stack.pop(), self.stack[-1]
        if isinstance(target, Unfinished):
            target.state = state
        elif isinstance(target, ForeignObject):
            parts = state if isinstance(state, tuple) and len(state) == 2 else (state,)  # (attributes, slots)
            for part in parts:
                self.spend(part)
                if isinstance(part, dict):
                    _set(target, list(part.items()))
                elif part is not None:
                    target.elements.append(part)
        # attributes of a plain dictionary, such as the versions of a state dict's modules, are left out

    def append(self, _: Any) -> None:
        item = self.stack.pop()
        _extend(self.stack[-1], [item])

    def appends(self, _: Any) -> None:
        items = self.since_mark()
        _extend(self.stack[-1], items)

    def set_item(self, _: Any) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        _set(self.stack[-1], [(key, value)])

    def set_items(self, _: Any) -> None:
        items = self.since_mark()
        _set(self.stack[-1], list(zip(items[::2], items[1::2], strict=True)))

    def dictionary(self, _: Any) -> None:
        items, made = self.since_mark(), dict[Any, Any]()
        _set(made, list(zip(items[::2], items[1::2], strict=True)))
        self.stack.append(made)

    def listed(self, _: Any) -> None:
        items = list(map(_finished, self.since_mark()))
        self.stack.append(items)

    def tupled(self, _: Any) -> None:
        items = tuple(map(_finished, self.since_mark()))
        self.stack.append(items)

    def protocol(self, version: int) -> None:
        if version > NEWEST_PROTOCOL:
            raise NotReadable(f"it is written in protocol {version}, the newest there is is {NEWEST_PROTOCOL}")


def _record(kind: Any, arguments: Any) -> ForeignObject:
    name = kind.kind if isinstance(kind, ForeignObject) else ""
    return ForeignObject(kind=name, arguments=arguments if isinstance(arguments, tuple) else (arguments,))


def _finished(value: Any) -> Any:
    """An array or data type whose state has come; anything else as it is."""
    return value.finished() if isinstance(value, Unfinished) else value


def _set(target: Any, items: list[tuple[Any, Any]]) -> None:
    if not isinstance(target, dict):
        raise TypeError("an item of what is no dictionary")
    for key, value in items:
        key = _finished(key)
        if not (key is None or isinstance(key, (str, bytes)) or (isinstance(key, int) and abs(key) < LARGEST_KEY)):
            raise NotReadable("it has a dictionary whose keys are no names or numbers")
        target[key] = _finished(value)


def _extend(target: Any, items: list[Any]) -> None:
    finished = map(_finished, items)
    if isinstance(target, list):
        target.extend(finished)
    elif isinstance(target, ForeignObject):
        target.elements.extend(finished)
    else:
        raise TypeError("an item of what is no list")


_PLAIN = frozenset(
    {"INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"}
    | {"STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8"}
    | {"BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"}
)
_CONSTANTS: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None, "NEWTRUE": lambda: True, "NEWFALSE": lambda: False,
    "EMPTY_LIST": list, "EMPTY_DICT": dict, "EMPTY_TUPLE": tuple, "EMPTY_SET": list,
}  # fmt: skip
_STEPS: dict[str, Callable[[_Reader, Any], None]] = {
    "PROTO": _Reader.protocol,
    "FRAME": lambda reader, _: None,
    "MEMOIZE": _Reader.memoize,
    "MARK": _Reader.mark,
    "POP": _Reader.pop,
    "POP_MARK": _Reader.pop_mark,
    "DUP": lambda reader, _: reader.stack.append(reader.stack[-1]),
    "TUPLE": _Reader.tupled,
    "TUPLE1": lambda reader, _: reader.tuple_of(1),
    "TUPLE2": lambda reader, _: reader.tuple_of(2),
    "TUPLE3": lambda reader, _: reader.tuple_of(3),
    "LIST": _Reader.listed,
    "DICT": _Reader.dictionary,
    "FROZENSET": _Reader.tupled,
    "APPEND": _Reader.append,
    "APPENDS": _Reader.appends,
    "ADDITEMS": _Reader.appends,
    "SETITEM": _Reader.set_item,
    "SETITEMS": _Reader.set_items,
    "GLOBAL": _Reader.global_,
    "STACK_GLOBAL": _Reader.stack_global,
    "REDUCE": _Reader.reduce,
    "NEWOBJ": _Reader.new_object,
    "NEWOBJ_EX": _Reader.new_object_with_names,
    "BUILD": _Reader.build,
}
