"""Tensors against the names and shapes that a module has: prefixes are tried, and what does not fit is listed as a diff."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn.modules.instancenorm import _InstanceNorm

from export.importers.dictionary_names import is_loose, is_other, rank

Shapes = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class Mismatch:
    """What stands between a state dict and a module."""

    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    reshaped: tuple[tuple[str, tuple[int, ...], tuple[int, ...]], ...]
    """name, shape in the file, shape in the module"""

    @property
    def count(self) -> int:
        return len(self.missing) + len(self.unexpected) + len(self.reshaped)

    def describe(self, most: int = 3) -> str:
        """Each kind with its number and its first few names, and the nearest guess for a missing one."""
        parts = []
        if self.reshaped:
            named = "; ".join(f"{name} is {_x(have)}, the class wants {_x(want)}" for name, have, want in self.reshaped[:most])
            parts.append(f"{len(self.reshaped)} of another shape ({named})")
        if self.missing:
            near = nearest(self.missing[0], self.unexpected)
            guess = f", the file's {near} may be it" if near else ""
            parts.append(f"{len(self.missing)} missing ({', '.join(self.missing[:most])}{guess})")
        if self.unexpected:
            parts.append(f"{len(self.unexpected)} unexpected ({', '.join(self.unexpected[:most])})")
        return ", ".join(parts)


def compare(have: Shapes, want: Shapes, idle: Collection[str] = ()) -> Mismatch:
    """The state dict's shapes against the module's; counters that some versions of PyTorch do not write are optional.

    idle  names that the file may have though the module does not.
    """
    have = {name: shape for name, shape in have.items() if name in want or name not in idle}
    return Mismatch(
        missing=tuple(name for name in want if name not in have and not name.endswith("num_batches_tracked")),
        unexpected=tuple(name for name in have if name not in want and not name.endswith("num_batches_tracked")),
        reshaped=tuple((name, have[name], want[name]) for name in want if name in have and have[name] != want[name]),
    )


@dataclass(frozen=True, slots=True)
class Fitted:
    """Tensors under a module's names."""

    tensors: dict[str, Tensor]
    prefix: str
    """What stood before their names in the file."""
    rivals: tuple[str, ...]
    """Other prefixes under which tensors fit as well."""


def fitted(tensors: Mapping[str, Tensor], want: Shapes) -> Fitted:
    """The tensors under the module's names: common prefixes removed, or added, whichever fits best.

    Tensors of other networks in the same file fall away where a prefix separates them. Of several prefixes that fit equally, an
    average goes first and a discriminator last.
    """
    kept = {name: tensor for name, tensor in tensors.items() if name in want or not is_loose(name)}
    candidates = {"": kept}
    for prefix in dict.fromkeys(name[: i + 1] for name in kept for i, letter in enumerate(name) if letter == "."):
        candidates[prefix] = {name.removeprefix(prefix): tensor for name, tensor in kept.items() if name.startswith(prefix)}
    counts = {prefix: compare(shapes_of(candidate), want).count for prefix, candidate in candidates.items()}
    least = min(counts.values())
    added = dict.fromkeys(name.partition(".")[0] + "." for name in want if "." in name)
    longer = [{prefix + name: tensor for name, tensor in kept.items()} for prefix in added]
    best = min(longer, key=lambda candidate: compare(shapes_of(candidate), want).count, default=None)
    if best is not None and compare(shapes_of(best), want).count < least:
        return Fitted(best, "", ())
    first, *rivals = sorted((prefix for prefix in counts if counts[prefix] == least), key=_preference)
    return Fitted(candidates[first], first, tuple(rivals))


def _preference(prefix: str) -> tuple[bool, bool, tuple[int, int]]:
    name = prefix.removesuffix(".")
    return bool(name), is_other(name), rank(name)


def idle_statistics(module: nn.Module) -> frozenset[str]:
    """Names of running statistics that the module's InstanceNorm layers do without: PyTorch 0.3 saved some all the same."""
    layers = [name for name, layer in module.named_modules() if isinstance(layer, _InstanceNorm) and layer.running_mean is None]
    return frozenset(f"{layer}.{name}" for layer in layers for name in ("running_mean", "running_var", "num_batches_tracked"))


def shapes_of(tensors: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in tensors.items()}


def nearest(name: str, names: tuple[str, ...]) -> str | None:
    """The most alike of `names`, None if none is alike."""
    import difflib

    return next(iter(difflib.get_close_matches(name, names, n=1, cutoff=0.5)), None)


def _x(shape: tuple[int, ...]) -> str:
    return "×".join(str(size) for size in shape) or "a scalar"
