"""BatchNorm's two lives: statistics of the batch while training, running averages of them in eval mode. Where they disagree."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from export.importers.call_signature import GeneratorAdapter


def batch_norms(module: nn.Module) -> list[_BatchNorm]:
    return [layer for layer in module.modules() if isinstance(layer, _BatchNorm)]


@contextmanager
def batch_mode(module: nn.Module) -> Iterator[None]:
    """BatchNorm layers, and only they, normalise by the batch; their running statistics stay as they are."""
    layers = batch_norms(module)
    before = [(layer.training, layer.momentum) for layer in layers]
    for layer in layers:
        layer.train()
        layer.momentum = 0.0
    try:
        yield
    finally:
        for layer, (training, momentum) in zip(layers, before, strict=True):
            layer.train(training)
            layer.momentum = momentum


@torch.no_grad()
def recalibrate(adapter: GeneratorAdapter, z: Tensor, label: Tensor | None, batch: int) -> None:
    """Running statistics anew: the mean over batches of `batch` of `z` (N, nz) of what each layer sees in batch mode.

    As torch.optim.swa_utils.update_bn does. A layer without running statistics gets them and uses them from now on.
    """
    layers = batch_norms(adapter)
    for layer in layers:
        if layer.running_mean is None:
            layer.track_running_stats = True
            layer.register_buffer("running_mean", torch.zeros(layer.num_features))
            layer.register_buffer("running_var", torch.ones(layer.num_features))
            layer.register_buffer("num_batches_tracked", torch.tensor(0))
        layer.reset_running_stats()
        layer.momentum = None  # a cumulative mean instead of a moving one
        layer.train()
    for start in range(0, len(z) - batch + 1, batch):
        part = slice(start, start + batch)
        adapter(z[part], label[part] if label is not None else None)
    for layer in layers:
        layer.eval()
        layer.momentum = 0.1
