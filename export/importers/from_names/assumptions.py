"""What may stand between and inside the layers of a chain where names and shapes do not say, and how usual each is."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import torch
from torch import nn

from export.importers.from_names.chain import FRONTS, Layer, convolution, embedding, joined, module
from export.importers.from_names.evidence import statistics_off
from export.importers.from_names.hypothesis import Features, Hypothesis
from export.importers.from_names.layers import gap, kind_of
from gansample.bundle.spec import Distribution
from gansample.latents import latents

LATENTS = 32  # enough for statistics over feature maps, and half the memory of 64: every chain in the search keeps its features
EVIDENCE = 5.0  # weight of a BatchNorm's mismatch: right chains show 0.01 to 0.2, wrong ones 0.4 and more
ACTIVATION_COSTS = {"relu": 0.0, "lrelu0.2": 0.05, "lrelu0.01": 0.15, "lrelu0.1": 0.2, "elu": 0.4, "selu": 0.4, "tanh": 0.8}

# kernel -> (stride, padding, output padding, cost) that people give a ConvTranspose
TRANSPOSED: dict[int, Sequence[tuple[int, int, int, float]]] = {
    1: [(1, 0, 0, 0.0)],
    2: [(2, 0, 0, 0.0)],
    3: [(2, 1, 1, 0.0), (1, 1, 0, 0.1), (2, 0, 0, 0.2), (2, 1, 0, 0.3), (1, 0, 0, 0.4)],
    4: [(2, 1, 0, 0.0), (1, 0, 0, 0.3), (2, 0, 0, 0.4), (2, 2, 0, 0.6), (2, 3, 0, 0.6), (4, 0, 0, 0.5)],
    5: [(2, 2, 1, 0.0), (1, 2, 0, 0.1), (2, 2, 0, 0.4), (2, 1, 0, 0.5), (1, 0, 0, 0.5), (2, 0, 0, 0.6), (3, 1, 0, 0.6)],
    6: [(2, 2, 0, 0.0), (4, 1, 0, 0.3)],
    7: [(1, 3, 0, 0.0), (2, 3, 1, 0.2), (1, 0, 0, 0.4)],
    8: [(4, 2, 0, 0.0), (2, 3, 0, 0.2)],
}


def first_hypotheses(
    first: Layer, label: Layer | None, latent_size: int | None, distributions: Sequence[Distribution]
) -> Iterator[Hypothesis]:
    """Latents of each distribution, with the label joined in every way that fits the first layer."""
    width = inputs(first)
    ways = {"z": width}
    table = None
    if label is not None:
        table, size = embedding(label), label.weight.shape[1]
        ways = {"label*z": width} if size == width else {"z+label": width - size, "label+z": width - size}
    for distribution in distributions:
        for token, size in ways.items():
            if size < 1 or (latent_size is not None and size != latent_size):
                continue
            z = torch.from_numpy(latents(range(LATENTS), size, distribution))
            labels = torch.arange(LATENTS) % label.weight.shape[0] if label is not None else None
            x = joined(z, table(labels) if table is not None else None, FRONTS[token])
            cost = (0.0 if distribution == "normal" else 0.1) + (0.1 if token == "label+z" else 0.0)
            yield Hypothesis((token,), Features((width,), lambda x=x: x), distribution, cost)  # type: ignore[misc]


def inputs(first: Layer) -> int:
    """Width of the first layer's input: a Linear has it second, a ConvTranspose first."""
    return first.weight.shape[1] if first.weight.dim() == 2 else first.weight.shape[0]


def extensions(before: Hypothesis, layer: Layer, usual: bool = False) -> Iterator[Hypothesis]:
    """Every way to go on from `before` through `layer`; with `usual` only the textbook's, whose assumptions cost nothing."""
    between = gap(before.at, layer.path) if before.at else 0
    match kind_of(layer):
        case "prelu":
            after = before.then("prelu", before.features.through(before.shape, module("prelu", lambda: layer)))
            yield replace(after, activated=True, at=layer.path)
        case "bn":
            for start in _before_norm(before, between, len(layer.tensors["running_mean"]), usual):
                yield from _normalised(start, layer, usual)
        case "linear":
            outputs, width = layer.weight.shape
            for start in _activated(before, between, usual):
                if start.shape == (width,):
                    after = start.then("linear", start.features.through((outputs,), module("linear", lambda: layer)))
                    yield replace(after, activated=False, at=layer.path)
        case "conv":
            for start in _activated(before, between, usual):
                left = None if between is None else between - (len(start.tokens) - len(before.tokens))
                for planes in _planes(start, layer, left):
                    for after in _convolved(planes, layer, usual):
                        yield replace(after, activated=False, at=layer.path)


def _before_norm(before: Hypothesis, between: int | None, channels: int, usual: bool) -> Iterator[Hypothesis]:
    """A BatchNorm follows its layer directly, or behind a reshape to planes, or (between ≥ 1) behind an activation."""
    for start in _activated(before, between, usual) if between else [before]:
        if start.shape[0] == channels:
            yield start
        elif len(start.shape) == 1:
            yield from _reshaped(start, channels)


def _normalised(before: Hypothesis, layer: Layer, usual: bool) -> Iterator[Hypothesis]:
    off = statistics_off(before.features.values, layer)
    # 0.8 is the eps of PyTorch-GAN and its many copies, where it was meant to be the momentum. Only the next BatchNorm can
    # confirm it, so the last one follows its forerunners.
    plain, odd = (0.15, 0.0) if "bn0.8" in before.tokens else (0.0, 0.35)
    for text, cost in (("bn", plain),) if usual else (("bn", plain), ("bn0.8", odd)):
        norm = module(text, lambda: layer)
        norm.train()  # as in training: each layer saw its input normalised by the batch
        after = before.then(text, before.features.through(before.shape, norm), EVIDENCE * off + cost)
        yield replace(after, mismatches=(*before.mismatches, off), at=layer.path)


def _activated(before: Hypothesis, between: int | None, usual: bool) -> Iterator[Hypothesis]:
    """Every activation that may stand here; `between` is the number of nameless modules, None if unknown."""
    if before.activated or between == 0:
        yield before
        return
    yield replace(before, cost=before.cost + 0.3)
    earlier = {token for token in before.tokens if token in ACTIVATION_COSTS}
    for token, cost in ACTIVATION_COSTS.items():
        if usual and cost:
            continue
        changed = 0.3 if earlier and token not in earlier else 0.0
        features = before.features.through(before.shape, module(token, _no_layer))
        yield replace(before.then(token, features, cost + changed), activated=True)


def _no_layer() -> Layer:
    raise AssertionError("an activation has no weights")


def _planes(start: Hypothesis, layer: Layer, left: int | None) -> Iterator[Hypothesis]:
    """Features as planes of the channels that `layer` takes, upsampled or not; `left` nameless modules may do it."""
    a, b, kernel = layer.weight.shape[:3]
    flat = len(start.shape) == 1
    for channels in {a, b}:
        for planes in _reshaped(start, channels) if flat else [start]:
            side = planes.shape[1]
            if planes.shape[0] == channels:
                unused = 0.0 if flat or not left else 0.2 * left  # Dropout, Reshape or Identity
                yield replace(planes, cost=planes.cost + unused)
                if kernel % 2 and channels == b and 1 < side <= 128 and left != 0:
                    upsampled = planes.features.through((channels, 2 * side, 2 * side), nn.Upsample(scale_factor=2))
                    yield planes.then("up2", upsampled, 0.0 if left else 0.1)
            elif not flat and planes.shape[0] == 4 * channels and left != 0:
                shuffled = planes.features.through((channels, 2 * side, 2 * side), nn.PixelShuffle(2))
                yield planes.then("shuffle2", shuffled, 0.1)


def _reshaped(start: Hypothesis, channels: int) -> Iterator[Hypothesis]:
    """Flat features (N, C·s·s) as square planes; a latent (N, C) as C×1×1 without a token, which the chain does by itself."""
    area, rest = divmod(start.shape[0], channels)
    side = round(area**0.5)
    if rest or side * side != area:
        return
    planes = start.features.through((channels, side, side), lambda x: x.reshape(-1, channels, side, side))
    bare = len(start.tokens) == 1 and side == 1
    yield replace(start, features=planes) if bare else start.then(f"view{channels}x{side}x{side}", planes)


def _convolved(start: Hypothesis, layer: Layer, usual: bool) -> Iterator[Hypothesis]:
    a, b, kernel, _ = layer.weight.shape
    channels, side, _ = start.shape
    upsampled = start.tokens[-1].startswith(("up", "shuffle"))
    biases = len(layer.tensors["bias"]) if "bias" in layer.tensors else None
    if channels == a and biases in (None, b):
        # on one pixel the stride says nothing: the kernel is the picture
        ways = [(1, 0, 0, 0.0)] if side == 1 else TRANSPOSED.get(kernel, [(2, (kernel - 1) // 2, kernel % 2, 0.3)])
        rather_convolution = 0.8 if upsampled or (a == b and kernel % 2) else 0.0
        for stride, padding, extra, cost in ways:
            out = (side - 1) * stride - 2 * padding + kernel + extra
            if 1 < out <= 1024 and not (usual and cost):
                features = start.features.through((b, out, out), convolution(layer, True, kernel, stride, padding, extra))
                token = f"convt{kernel}s{stride}p{padding}" + (f"o{extra}" if extra else "")
                yield start.then(token, features, cost + rather_convolution)
    if channels == b and side > 1 and kernel % 2 and biases in (None, a):
        for padding, cost in [(kernel // 2, 0.0), (0, 0.5)][: 2 if kernel > 1 else 1]:
            out = side + 2 * padding - kernel + 1
            if out > 1 and not (usual and cost):
                features = start.features.through((a, out, out), convolution(layer, False, kernel, 1, padding, 0))
                yield start.then(f"conv{kernel}s1p{padding}", features, cost)
