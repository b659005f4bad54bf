"""A state dict read as an ordered list of layers, by nothing but names and shapes."""

from collections.abc import Mapping, Sequence

from torch import Tensor

from export.importers.from_names.chain import Layer, LayerKind
from export.importers.name_order import natural
from gansample.errors import ArtefactError

EMBEDDING_NAMES = ("emb", "label", "class")


def layers_of(tensors: Mapping[str, Tensor]) -> list[Layer]:
    """Tensors grouped by module, in the order of the file (which is the order of registration).

    Files that were sorted by name (safetensors) are put back in the order of their numbers.
    """
    groups: dict[str, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        path, _, last = name.rpartition(".")
        groups.setdefault(path, {})[last] = tensor
    paths = list(groups)
    if paths == sorted(paths):
        paths.sort(key=natural)
    return [Layer(path, groups[path]) for path in paths]


def kind_of(layer: Layer) -> LayerKind | None:
    """What a layer is, or None where names and shapes do not tell."""
    names, weight = set(layer.tensors), layer.tensors.get("weight")
    if {"running_mean", "running_var"} <= names:
        return "bn"
    if weight is None or names - {"weight", "bias"}:
        return None
    if weight.dim() == 4 and weight.shape[2] == weight.shape[3]:
        return "conv"
    if weight.dim() == 2:
        return "embedding" if "bias" not in names and _named(layer.path, EMBEDDING_NAMES) else "linear"
    return "prelu" if weight.dim() == 1 and "bias" not in names else None


def gap(before: str, after: str) -> int | None:
    """How many modules without weights stand between two paths; None where the names do not tell.

    `main.1` and `main.4` lie in one Sequential with two modules between them; `block1.bn` and `block2.conv` do not say.
    """
    parent_a, _, a = before.rpartition(".")
    parent_b, _, b = after.rpartition(".")
    return int(b) - int(a) - 1 if parent_a == parent_b and a.isdigit() and b.isdigit() and int(b) > int(a) else None


def check_generator(layers: Sequence[Layer], file: str) -> None:
    """Raise ArtefactError where the first and last layers are those of a discriminator or an image-to-image network."""
    weighted = [layer for layer in layers if kind_of(layer) in ("linear", "conv")]
    if not weighted:
        return
    first, last = weighted[0].weight, weighted[-1].weight
    image_in = first.dim() == 4 and first.shape[1] <= 4 < first.shape[0]
    if image_in and (last.dim() == 2 or last.shape[0] == 1) and not _grows(weighted):
        raise ArtefactError(
            f"{file} looks like a discriminator (it takes {first.shape[1]}-channel pictures, ends in {last.shape[0]} number)",
            "pass the generator's weights",
        )
    if image_in and last.dim() == 4 and min(last.shape[:2]) <= 4:
        raise ArtefactError(
            f"{file} looks like an image-to-image network ({first.shape[1]}-channel pictures in and {min(last.shape[:2])} out)",
            "only generators that draw from a latent are exported",
        )
    if last.dim() == 2 and last.shape[0] < 64:
        raise ArtefactError(
            f"{file} ends in {last.shape[0]} numbers: a classifier, discriminator or mapping network, no picture",
            "pass the generator's weights",
        )


def _grows(weighted: Sequence[Layer]) -> bool:
    return any(layer.weight.dim() == 4 and layer.weight.shape[0] > layer.weight.shape[1] > 4 for layer in weighted[-2:-1])


def _named(path: str, words: Sequence[str]) -> bool:
    return any(word in path.lower() for word in words)
