"""What in a generator has no effect on its pictures: weights that forward never uses, classes that draw the same."""

import torch
from torch import Tensor, nn

from export.importers.call_signature import GeneratorAdapter
from export.importers.import_log import ImportLog

PICTURES, FEW_ABOVE = 4, 128  # pictures whose slopes are computed; one alone above that many pixels a side
MOST_CLASSES = 256
NAMED = 3


def note_idle(adapter: GeneratorAdapter, module: nn.Module, z: Tensor, label: Tensor | None, log: ImportLog) -> None:
    """Warn of the network's weights and classes that have no effect.

    module  the network itself, under whose names its weights are known
    z       latents (N, nz), with their labels (N,)
    """
    idle = idle_weights(adapter, module, z, label)
    if idle:
        named = ", ".join(idle[:NAMED]) + (", …" if len(idle) > NAMED else "")
        every = sum(1 for _ in module.parameters())
        log.warn(f"{len(idle)} of the network's {every} weights do not change the picture: {named}")
    for same in equal_classes(adapter, z):
        log.warn(f"the classes {', '.join(map(str, same[:8]))}{', …' if len(same) > 8 else ''} draw the same pictures")


def idle_weights(adapter: GeneratorAdapter, module: nn.Module, z: Tensor, label: Tensor | None) -> list[str]:
    """Names of the parameters of `module` on which no pixel depends; none where the gradient cannot be had."""
    named = [(name, parameter) for name, parameter in module.named_parameters() if parameter.is_floating_point()]
    batch = slice(0, adapter.signature.batch or (1 if max(adapter.signature.image) > FEW_ABOVE else PICTURES))
    before = [parameter.requires_grad for _, parameter in named]
    try:
        for _, parameter in named:
            parameter.requires_grad_(True)
        with torch.enable_grad(), torch.random.fork_rng():
            pictures = adapter(z[batch], label[batch] if label is not None else None)
            if not named or not pictures.requires_grad:
                return []
            weight = torch.randn(pictures.shape, generator=torch.Generator().manual_seed(0))
            slopes = torch.autograd.grad((pictures * weight).sum(), [parameter for _, parameter in named], allow_unused=True)
    except RuntimeError:  # a forward that writes in place has no gradient
        return []
    finally:
        for (_, parameter), flag in zip(named, before, strict=True):
            parameter.requires_grad_(flag)
    return [name for (name, _), slope in zip(named, slopes, strict=True) if slope is None or not slope.any()]


@torch.no_grad()
def equal_classes(adapter: GeneratorAdapter, z: Tensor) -> list[list[int]]:
    """Groups of classes, of the first MOST_CLASSES, that draw one and the same picture for a latent."""
    classes = min(adapter.signature.classes or 0, MOST_CLASSES)
    groups: dict[bytes, list[int]] = {}
    for start in range(0, classes, 16):
        labels = torch.arange(start, min(start + 16, classes))
        with torch.random.fork_rng():
            pictures = adapter(z[:1].expand(len(labels), -1), labels)
        for label, picture in zip(labels.tolist(), pictures, strict=True):
            groups.setdefault((0.0 + (picture * 2**12).round()).numpy().tobytes(), []).append(label)
    return [same for same in groups.values() if len(same) > 1]
