"""What a network's own attributes and layers say about its latent and its classes."""

from collections.abc import Iterator, Mapping
from typing import Any

from torch import nn

from export.importers.call_forms import innermost

LATENT_NAMES = ("nz", "z_dim", "latent_dim", "latent_size", "z_size", "noise_dim", "noise_size", "dim_z", "latent", "zdim")
CLASS_NAMES = ("n_classes", "num_classes", "classes", "n_class", "num_class", "nclass", "class_num", "c_dim", "label_dim")
IMAGE_NAMES = ("img_shape", "image_shape", "img_size", "image_size")
# Attributes in which a class keeps its constructor's arguments.
OPTIONS = ("args", "opt", "opts", "options", "config", "cfg", "conf", "hparams", "params")


def named_values(module: nn.Module, values: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Where a size may stand under its usual name: the network's attributes, its options, then what lay beside the weights."""
    own = vars(innermost(module))
    yield own
    for name in OPTIONS:
        held = own.get(name)
        if isinstance(held, Mapping):
            yield held
        elif hasattr(held, "__dict__"):
            yield vars(held)
    yield values


def named_sizes(module: nn.Module, values: Mapping[str, Any], names: tuple[str, ...]) -> dict[int, str]:
    """Sizes above 0 that stand under one of `names`, the first first, each with its name."""
    found: dict[int, str] = {}
    for source in named_values(module, values):
        for name in names:
            if type(size := source.get(name)) is int and size > 0:
                found.setdefault(size, name)
    return found


def named_image(*sources: Mapping[str, Any]) -> tuple[int, int, int] | None:
    """A picture's shape (channels, height, width) under one of its usual names."""
    for source in sources:
        for name in IMAGE_NAMES:
            shape = source.get(name)
            if isinstance(shape, (list, tuple)) and len(shape) == 3 and all(type(size) is int for size in shape):
                return shape[0], shape[1], shape[2]
    return None


def widths(module: nn.Module) -> list[int]:
    """Input widths of the layers in order of registration; of a graph, all lengths of its matrices and kernels."""
    layers = [layer for layer in module.modules() if isinstance(layer, (nn.Linear, nn.modules.conv._ConvNd))]
    found = [layer.in_features if isinstance(layer, nn.Linear) else layer.in_channels for layer in layers]
    if not found:
        found = [size for tensor in module.state_dict().values() if tensor.dim() in (2, 4) for size in tensor.shape[:2]]
    return list(dict.fromkeys(found))


def tables(module: nn.Module) -> list[tuple[int, int]]:
    """(rows, width) of every embedding."""
    layers = [layer for layer in module.modules() if isinstance(layer, nn.Embedding)]
    return [*getattr(module, "tables", ()), *((layer.num_embeddings, layer.embedding_dim) for layer in layers)]


def latent_sizes(module: nn.Module, values: Mapping[str, Any], classes: int | None) -> Iterator[int]:
    """Candidates for nz: what it is called, then the input widths of the layers, less what a label may take of them."""
    yield from named_sizes(module, values, LATENT_NAMES)
    found, taken = widths(module), [width for _, width in tables(module)]
    label_widths = [*taken, *(layer.out_features for layer in module.modules() if isinstance(layer, nn.Linear))]
    label_widths += [classes] if classes is not None else [*named_sizes(module, values, CLASS_NAMES), 10]
    some = len(found) if not any(True for _ in module.children()) else 4  # a graph's tensors come in any order
    yield from (width - part for width in found[:some] for part in taken if width > part)
    yield from found[:some]
    yield from (width - part for width in found[: max(2, some)] for part in label_widths if width > part)
    yield from (width // 2 for width in found[:1])
    yield from found[some:24]
