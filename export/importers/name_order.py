"""The order of layers where a file does not keep it: safetensors come in the order of a hash table.

Numbers tell the order (`main.0`, `main.10`). Where siblings are not numbered, or a layer and its norm have the same number, the
usual order is assumed: first what is called input, then by number, a norm after its layer, last what is called output.
"""

import re
from collections.abc import Iterable, Mapping

from torch import Tensor

from gansample.system.numbers import MAX_DIGITS

# fmt: off
FIRST = {
    "label", "emb", "embed", "embedding", "class", "input", "in", "first", "stem", "fc", "linear", "lin", "l", "proj",
    "project", "projection", "dense", "init", "initial", "start", "const", "z", "map", "mapping", "style",
}
LAST = {"out", "output", "final", "last", "rgb", "torgb", "image", "img", "head", "end", "tail"}
NORMS = {"bn", "norm", "batchnorm", "batch", "instancenorm", "gn", "ln"}
# fmt: on

Key = tuple[int, tuple[int, ...], bool, str]


def in_order(tensors: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], bool]:
    """The tensors in the order in which their modules were most likely registered, and whether numbers alone tell it."""
    paths = {name: name.split(".")[:-1] for name in tensors}
    names = sorted(tensors, key=lambda name: ([_key(part) for part in paths[name]], name))
    siblings: dict[tuple[str, ...], set[str]] = {}
    for path in paths.values():
        for depth, part in enumerate(path):
            siblings.setdefault(tuple(path[:depth]), set()).add(part)
    told = all(_numbers_tell(parts) for parts in siblings.values())
    return {name: tensors[name] for name in names}, told


def natural(path: str) -> list[tuple[int, str]]:
    """A sort key that puts `main.2` before `main.10`."""
    return [(_number(part), "") if part.isdecimal() else (0, part) for part in re.split(r"(\d+)", path)]


def _number(digits: str) -> int:
    """A name may have more digits than Python reads."""
    return int(digits[:MAX_DIGITS])


def _key(part: str) -> Key:
    words, numbers = set(re.findall(r"[a-z]+", part.lower())), tuple(map(_number, re.findall(r"\d+", part)))
    norm = bool(words & NORMS)
    if numbers:
        return 1, numbers, norm, part
    if words & LAST:
        return 3, (), norm, part
    if norm:
        return 1, (0,), norm, part
    return 0 if words & FIRST else 2, (), norm, part


def _numbers_tell(parts: Iterable[str]) -> bool:
    """Whether siblings are called alike but for their numbers."""
    stems = {re.sub(r"\d+", "", part) for part in parts}
    return len(stems) < 2
