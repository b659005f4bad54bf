"""Readings of an activation that the file cannot tell apart: among those, the textbook's is taken.

Two readings of one place are compared channel by channel, by how far the next BatchNorm's statistics are from what each gives.
The channels disagree among themselves by as much as the statistics are noisy, so their scatter is the noise of the comparison:
a textbook reading that is worse by less than a few standard errors is not worse.
"""

import re
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from export.importers.from_names.chain import BatchNorm, Chain, Layer
from export.importers.from_names.hypothesis import channels_off
from gansample.bundle.spec import Distribution
from gansample.latents import latents

TEXTBOOK = ("relu", "lrelu0.2")  # in this order
OTHERS = re.compile(r"lrelu[\d.]+|elu|selu|gelu|silu|tanh")
LATENTS = 256
ERRORS = 3.0  # standard errors that tell two readings apart


@torch.no_grad()
def settled(tokens: Sequence[str], layers: Sequence[Layer], distribution: Distribution) -> tuple[tuple[str, ...], list[str]]:
    """The tokens with a textbook activation where it fits as well, and a note for each activation that was replaced.

    A network rarely has two of a kind, so an activation that is measured at one place is kept at all.
    """
    now, notes = tuple(tokens), []
    for found in dict.fromkeys(token for token in now[:-1] if OTHERS.fullmatch(token)):
        places = [place for place, token in enumerate(now[:-1]) if token == found]
        for textbook in TEXTBOOK[: TEXTBOOK.index(found) if found in TEXTBOOK else None]:
            if all(_tied(now, place, textbook, layers, distribution) for place in places):
                now = tuple(textbook if place in places else token for place, token in enumerate(now))
                notes.append(f"the file cannot tell {found} from {textbook}, which is usual and is taken")
                break
    return now, notes


def _tied(tokens: Sequence[str], place: int, textbook: str, layers: Sequence[Layer], distribution: Distribution) -> bool:
    """Whether `textbook` explains the file as well as what stands at `place`."""
    found = channel_mismatches(tokens, layers, distribution, place)
    other = channel_mismatches((*tokens[:place], textbook, *tokens[place + 1 :]), layers, distribution, place)
    if found is None or other is None or len(found) < 2:
        return True
    apart = other - found
    error = float(apart.std()) / len(apart) ** 0.5
    return bool(float(apart.mean()) <= ERRORS * error)


def channel_mismatches(tokens: Sequence[str], layers: Sequence[Layer], distribution: Distribution, place: int) -> Tensor | None:
    """How far each channel of the next BatchNorm behind `place` is off, float (C,); None where none follows."""
    chain = Chain(" ".join(tokens), layers)
    norms = [module for module in chain.modules() if isinstance(module, BatchNorm)]
    of_layers = [layer for layer in layers if "running_mean" in layer.tensors]
    index = sum(token.startswith("bn") for token in tokens[:place])
    if index >= len(norms):
        return None
    seen: list[Tensor] = []
    handle = norms[index].register_forward_pre_hook(lambda module, args: seen.append(args[0]))
    for norm in norms:
        norm.train()  # as in training: each layer saw its input normalised by the batch
    table: nn.Embedding | None = chain.embedding
    label = torch.arange(LATENTS) % table.num_embeddings if table is not None else None
    size = _latent_size(tokens, layers, table)
    chain(torch.from_numpy(latents(range(LATENTS), size, distribution)), label)
    handle.remove()
    return channels_off(seen[0], of_layers[index])


def _latent_size(tokens: Sequence[str], layers: Sequence[Layer], table: nn.Embedding | None) -> int:
    first = next(layer.weight for layer in layers if table is None or layer.weight is not layers[0].weight)
    width = first.shape[1] if first.dim() == 2 else first.shape[0]
    return width - (table.embedding_dim if table is not None and "+" in tokens[0] else 0)
