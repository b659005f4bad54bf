"""A generator's architecture from its tensors alone: no class, no configuration.

Names and shapes give the order of the layers, their kernels and channels. What they do not give (stride, padding, activation,
upsampling, BatchNorm's eps, even the latent's distribution) is searched for, and the file itself judges: a BatchNorm's running
statistics are those of its input during training, so the right assumption reproduces them and a wrong one does not. A first
layer on uniform instead of normal latents, for example, is off by a factor of three in variance.

The search goes through the chains cheapest first; a chain costs how far its BatchNorm statistics are off and how unusual its
assumptions are, less what a right chain would have cost so far, or the search would come back to every short one.
"""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import count
from statistics import fmean

import torch

from export.importers.from_names.assumptions import extensions, first_hypotheses, inputs
from export.importers.from_names.chain import Chain, Layer
from export.importers.from_names.hypothesis import Hypothesis
from export.importers.from_names.layers import kind_of
from export.importers.from_names.measure import REPRODUCED, Measured, Weighed, measure, weigh
from export.importers.from_names.segments import ACTIVATION, DISTRIBUTIONS
from gansample.bundle.spec import Distribution
from gansample.errors import ArtefactError

MOST_STEPS = 4000
RIGHT = 0.7  # what a BatchNorm behind right assumptions costs, generously
NEARLY = 0.3  # a second chain this close in cost is named beside the first
USUAL_SIZES, POSSIBLE_SIZES = (28, 32, 64, 128), (16, 48, 96, 256)
PASS_CLASS = "pass its class: --generator model.py:Generator"

Size = tuple[int, int, int]  # channels, height, width


@dataclass(frozen=True, slots=True)
class Recognised:
    """The most plausible chain, and what of it is known."""

    text: str
    layers: tuple[Layer, ...]
    measured: Measured
    runner_up: str | None
    """The best chain of another shape, if it is nearly as plausible."""

    @property
    def mismatch(self) -> float | None:
        """Mean distance of the BatchNorm statistics from what the chain produces; None without BatchNorm. 0 is perfect."""
        return fmean(self.measured.mismatches) if self.measured.mismatches else None

    def network(self) -> Chain:
        return Chain(self.text, self.layers)


@torch.no_grad()
def recognise(
    layers: Sequence[Layer],
    file: str,
    image: Size | None = None,
    latent_size: int | None = None,
    distributions: Sequence[Distribution] = DISTRIBUTIONS,
) -> Recognised:
    """The chain of `layers`. `image`, `latent_size` and `distributions` are what is known beforehand.

    The textbook's shapes come first: another one is taken only where the file's statistics are clear evidence against them.

    Raises ArtefactError where the layers are no chain that ends in a picture.
    """
    body, label = _body_and_label(layers, file)
    everything = [label, *body] if label else body
    usual, _ = _search(body, label, image, latent_size, distributions[:1], usual=True)
    taken, others = usual[:1], []
    weights = weigh(taken[0].tokens, everything, distributions) if taken else []
    if not taken or any(entry.best.off > REPRODUCED for entry in weights):
        found, deepest = _search(body, label, image, latent_size, distributions, usual=False)
        if not found and not taken:
            raise _refusal(file, body, deepest, image)
        if found:
            freely = weigh(found[0].tokens, everything, distributions)
            if not taken or _clearly_better(freely, weights):
                taken, others, weights = found[:1], found[1:], freely
    measured = measure(taken[0].tokens, everything, weights)
    other = next((entry for entry in others if _shape(entry.tokens) != _shape(taken[0].tokens)), None)
    return Recognised(" ".join(measured.tokens), tuple(everything), measured, " ".join(other.tokens) if other else None)


def _search(
    body: Sequence[Layer],
    label: Layer | None,
    image: Size | None,
    latent_size: int | None,
    distributions: Sequence[Distribution],
    usual: bool,
) -> tuple[list[Hypothesis], int]:
    """The most plausible chain, what is nearly as plausible, and how many layers the longest of all chains took."""
    order, deepest, taken = count(), 0, 0
    queue = [(start.cost, next(order), 0, start) for start in first_hypotheses(body[0], label, latent_size, distributions)]
    finished: list[Hypothesis] = []
    while queue and taken < MOST_STEPS and len(finished) < 2:
        _, _, index, before = heapq.heappop(queue)
        taken, deepest = taken + 1, max(deepest, index)
        if finished and before.cost > finished[0].cost + NEARLY:
            break
        if index > len(body):
            finished += [before] if not finished or _shape(before.tokens) != _shape(finished[0].tokens) else []
            continue
        steps = [_finished(before, image, usual)] if index == len(body) else extensions(before, body[index], usual)
        for after in steps:
            if after is not None:
                priority = after.cost - RIGHT * len(after.mismatches)
                heapq.heappush(queue, (priority, next(order), index + 1, after))
    return finished, deepest


def _clearly_better(found: Sequence[Weighed], usual: Sequence[Weighed]) -> bool:
    """Whether a BatchNorm's statistics speak for the shape that was found and against the textbook's, outside the noise."""
    return any(not better.explains(other.best) for better, other in zip(found, usual, strict=True))


def _shape(tokens: Sequence[str]) -> tuple[str, ...]:
    """The tokens that decide shapes: without activations and eps."""
    return tuple(token for token in tokens if not ACTIVATION.fullmatch(token) and not token.startswith("bn"))


def _body_and_label(layers: Sequence[Layer], file: str) -> tuple[list[Layer], Layer | None]:
    """The layers in order without the label's embedding, and that."""
    for layer in layers:
        if kind_of(layer) is None:
            names = ", ".join(f"{name} {tuple(tensor.shape)}" for name, tensor in layer.tensors.items())
            raise ArtefactError(f"{file} is no chain of known layers ({layer.path or 'top'}: {names})", PASS_CLASS)
    body = [layer for layer in layers if kind_of(layer) != "embedding"]
    embeddings = [layer for layer in layers if kind_of(layer) == "embedding"]
    if len(embeddings) > 1 or not body or kind_of(body[0]) not in ("linear", "conv"):
        raise ArtefactError(f"{file} is no chain of known layers", PASS_CLASS)
    return body, embeddings[0] if embeddings else None


def _finished(before: Hypothesis, image: Size | None, usual: bool) -> Hypothesis | None:
    """With the last activation and the cost of the picture's size; None where it is no picture, or not the wanted one."""
    shape = before.shape
    if len(shape) == 1:
        channels, side = flat_picture(shape[0], image)
        if not side:
            return None
        token = f"view{channels}x{side}x{side}"
        before = replace(before, tokens=(*before.tokens, token))
        shape = (channels, side, side)
    if shape[0] not in (1, 3, 4) or (image is not None and shape != image):
        return None
    unusual = 0.0 if image is not None or shape[1] in USUAL_SIZES else 0.4 if shape[1] in POSSIBLE_SIZES else 2.0
    if image is None and (shape[1] < 12 or (usual and unusual)):
        return None
    return before.then("tanh", before.features, unusual)


def flat_picture(values: int, image: Size | None) -> tuple[int, int]:
    """(channels, side) of a flat square picture, (0, 0) if it is none: grey before RGB before RGBA."""
    if image is not None:
        return (image[0], image[1]) if image[0] * image[1] * image[2] == values and image[1] == image[2] else (0, 0)
    for channels in (1, 3, 4):
        side = round((values / channels) ** 0.5)
        if side >= 8 and channels * side * side == values:
            return channels, side
    return 0, 0


def _refusal(file: str, body: Sequence[Layer], deepest: int, image: Size | None) -> ArtefactError:
    if deepest >= len(body):
        wanted = f"a {image[0]}×{image[1]}×{image[2]} picture" if image else "a picture"
        hint = "pass --image CxHxW, or its class: --generator model.py:Generator"
        return ArtefactError(f"{file}: no usual stride and padding turns its layers into {wanted}", hint)
    layer = body[deepest]
    shape = tuple(next(iter(layer.tensors.values())).shape)
    return ArtefactError(f"{file} is no chain of known layers (at {layer.path}, shape {shape})", PASS_CLASS)


def latent_size(chain: Chain, layers: Sequence[Layer]) -> int:
    """Size of z for a chain: the first layer's input, less the embedded label that is joined to it."""
    first = next(layer for layer in layers if kind_of(layer) != "embedding")
    table = chain.embedding
    return inputs(first) - (table.embedding_dim if table is not None and chain.label in ("after", "before") else 0)
