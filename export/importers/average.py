"""An average of the weights that has no names: a list in the parameters' order (FastGAN's g_ema, torch_ema)."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from export.importers.dictionary_names import is_other, rank
from gansample.errors import UsageError

BUFFERS = ("running_mean", "running_var", "num_batches_tracked", "weight_u", "weight_v")  # BatchNorm's, spectral_norm's


@dataclass(frozen=True, slots=True)
class Average:
    """Averaged parameters without names. Buffers, like BatchNorm's statistics, are not among them."""

    key: str
    """Where in the file it lay, dotted."""
    parameters: tuple[Tensor, ...]
    raw: str
    """The state dict that it is the average of, for its names and buffers."""

    def named(self, names: Sequence[str], tensors: Mapping[str, Tensor], file: str) -> dict[str, Tensor]:
        """`tensors` with the average in the place of the parameters `names`. Raises UsageError where it does not fit them."""
        want = [tuple(tensors[name].shape) for name in names]
        have = [tuple(tensor.shape) for tensor in self.parameters]
        if want != have:
            where = next((i for i, (a, b) in enumerate(zip(have, want, strict=False)) if a != b), min(len(have), len(want)))
            raise UsageError(
                f"{file} holds an average of the weights, {self.key!r}, a list of {len(have)} tensors that are not the "
                f"{len(want)} parameters of {self.raw or 'the state dict'!r} in their order (they differ at number {where})",
                f"pass the class it was trained with, or --key {self.raw or repr('')} for the weights as they are without it",
            )
        return {**tensors, **dict(zip(names, self.parameters, strict=True))}


def averages_in(content: Any, at: str = "") -> Iterator[tuple[str, tuple[Tensor, ...]]]:
    """Every list of tensors in a file that is called an average, with its dotted key."""
    if not isinstance(content, Mapping):
        return
    for key, value in content.items():
        if not isinstance(key, str):
            continue
        name = f"{at}.{key}" if at else key
        if is_other(name):
            continue
        if isinstance(value, (list, tuple)) and value and all(isinstance(v, Tensor) for v in value):
            if rank(name)[0] == 0 and any(v.dim() > 0 for v in value):
                yield name, tuple(value)
        else:
            yield from averages_in(value, name)


def parameter_names(tensors: Mapping[str, Tensor]) -> list[str]:
    """The names that are no buffers, in the file's order: the parameters, as far as names tell."""
    return [name for name in tensors if name.rpartition(".")[2] not in BUFFERS]
