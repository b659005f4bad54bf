"""A module of NVIDIA's pickle format as its file describes it: class name, tensors, inner modules and plain attributes.

The format (`torch_utils.persistence`, version 6 in every published fork) keeps with each module the source text of its class.
That text is never compiled: what a module computes is known from its class's name and its attributes alone.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from export.importers.foreign_objects import ForeignObject, is_module
from export.importers.state_dict import check_tensors
from gansample.errors import ArtefactError

PERSISTENT = "torch_utils.persistence._reconstruct_persistent_obj"
DEEPEST = 16  # modules inside modules
MOST_MODULES = 5_000  # in one generator: StyleGAN2 of 1024×1024 has about 80


@dataclass(frozen=True, slots=True)
class ModuleRecord:
    """One module. `path` says where in the file it is, for messages."""

    path: str
    file: str
    kind: str
    """The class's name, without its module."""
    state: Mapping[str, Any]
    has_source: bool
    """Whether the source text of its class is in the file."""

    def child(self, name: str) -> "ModuleRecord":
        """The module inside it. Raises ArtefactError where there is none."""
        made = _inner_record(self._part("_modules").get(name), f"{self.path}.{name}", self.file)
        if made is None:
            raise self.lacks(name)
        return made

    def children(self) -> Iterator[tuple[str, "ModuleRecord"]]:
        for name in self._part("_modules"):
            if _inner_record(self._part("_modules")[name], "", self.file) is not None:
                yield str(name), self.child(str(name))

    def tensor(self, name: str, *shape: int | None) -> Tensor:
        """A parameter or buffer, float32 on the CPU; `shape` is what it must be, None for any size.

        Raises ArtefactError where it is missing, of another shape, or holds NaN.
        """
        found = self.optional_tensor(name)
        if found is None:
            raise self.lacks(name)
        if len(shape) != found.dim() or any(
            wanted not in (None, size) for wanted, size in zip(shape, found.shape, strict=True)
        ):
            wanted = "×".join("any" if size is None else str(size) for size in shape) or "one number"
            got = "×".join(map(str, found.shape)) or "one number"
            raise ArtefactError(f"{self.path}.{name} in {self.file} is {got}, not {wanted}", "copy or download it again")
        return found

    def optional_tensor(self, name: str) -> Tensor | None:
        found = next((part[name] for part in map(self._part, ("_parameters", "_buffers")) if part.get(name) is not None), None)
        if found is None:
            return None
        if not isinstance(found, Tensor) or found.is_complex():
            raise self.lacks(name)
        checked = check_tensors({f"{self.path}.{name}": found}, self.file)
        return checked.popitem()[1]

    def number(self, name: str) -> float:
        """A plain attribute. Raises ArtefactError where it is missing or no finite number."""
        value = self.state.get(name)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not np.isfinite(value):
            raise self.lacks(name)
        return float(value)

    def optional_number(self, name: str) -> float | None:
        """As `number`, None where the file says that there is none."""
        return None if name in self.state and self.state[name] is None else self.number(name)

    def integer(self, name: str, low: int = 0, high: int = 1 << 20) -> int:
        value = self.number(name)
        if value != int(value) or not low <= value <= high:
            raise ArtefactError(f"{self.path}.{name} in {self.file} is {value:g}, outside {low}..{high}")
        return int(value)

    def integers(self, name: str, count: int | None = None) -> list[int]:
        """A list or array of whole numbers; `count` is how many there must be, None for any number."""
        value = self.state.get(name)
        values = value.tolist() if isinstance(value, np.ndarray) else value
        if not isinstance(values, (list, tuple)) or not all(type(each) is int and abs(each) < 1 << 20 for each in values):
            raise self.lacks(name)
        if count not in (None, len(values)):
            raise self.lacks(f"{name} of {count} numbers")
        return list(values)

    def names(self, name: str) -> list[str]:
        """A list of names."""
        value = self.state.get(name)
        if (
            not isinstance(value, (list, tuple))
            or len(value) > MOST_MODULES
            or not all(isinstance(each, str) for each in value)
        ):
            raise self.lacks(name)
        return list(value)

    def flag(self, name: str) -> bool:
        value = self.state.get(name)
        if not isinstance(value, bool):
            raise self.lacks(name)
        return value

    def text(self, name: str) -> str:
        value = self.state.get(name)
        if not isinstance(value, str):
            raise self.lacks(name)
        return value

    def expect_kind(self, *kinds: str) -> "ModuleRecord":
        """The record itself. Raises ArtefactError where it is of another class."""
        if self.kind not in kinds:
            raise ArtefactError(f"{self.path} in {self.file} is a {self.kind[:60]}, not a {' or '.join(kinds)}", ANOTHER)
        return self

    def lacks(self, name: str) -> ArtefactError:
        return ArtefactError(f"{self.path} in {self.file} ({self.kind[:60]}) has no {name} that can be read", ANOTHER)

    def _part(self, name: str) -> Mapping[str, Any]:
        part = self.state.get(name)
        return part if isinstance(part, Mapping) else {}


ANOTHER = "it is another network than its name says; save its weights where it comes from, and pass its class with --generator"


def record_of(content: Any, path: str, file: str) -> ModuleRecord | None:
    """The module that a reconstruction describes; None where this is none."""
    if not isinstance(content, ForeignObject) or content.kind != PERSISTENT or path.count(".") > DEEPEST:
        return None
    meta = content.arguments[0] if len(content.arguments) == 1 else None
    state = meta.get("state") if isinstance(meta, Mapping) else None
    if not isinstance(meta, Mapping) or not isinstance(state, Mapping) or not isinstance(meta.get("class_name"), str):
        return None
    return ModuleRecord(path, file, meta["class_name"], state, bool(meta.get("module_src")))


def _inner_record(content: Any, path: str, file: str) -> ModuleRecord | None:
    """As `record_of`; inside a module of the format others may be pickled plainly, as R3GAN's and torch's own are."""
    if is_module(content) and path.count(".") <= DEEPEST:
        return ModuleRecord(path, file, content.kind.rpartition(".")[2], content, False)
    return record_of(content, path, file)


def tensors_in(record: ModuleRecord) -> dict[str, Tensor]:
    """{dotted name: tensor} of a module and all inside it, as its state dict has them."""
    found: dict[str, Tensor] = {}
    open_records, seen = [("", record)], 0
    while open_records:
        prefix, inner = open_records.pop()
        if (seen := seen + 1) > MOST_MODULES:
            raise ArtefactError(f"{record.path} in {record.file} has more than {MOST_MODULES:,} modules", "it is no generator")
        for part in ("_parameters", "_buffers"):
            held = inner.state.get(part)
            for name, value in held.items() if isinstance(held, Mapping) else ():
                if isinstance(value, Tensor) and isinstance(name, str):
                    found[prefix + name] = value
        open_records += [(f"{prefix}{name}.", child) for name, child in inner.children()]
    return found


def scalar(tensor: Tensor) -> float:
    """The one number that a tensor is."""
    return float(tensor.reshape(-1)[0].item()) if tensor.numel() else float("nan")
