"""One call of a network with latents and labels that may be wrong, and what came of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from export.importers.call_signature import CallSignature, inputs
from export.importers.from_names.recognise import Size
from export.importers.outputs import picture_in
from export.importers.picture_layout import with_layout
from gansample.bundle.basis import Fact

TRIAL_BATCH = 5  # a number that no layer has


@dataclass(frozen=True, slots=True, kw_only=True)
class Hints:
    """What is known before the first call: from the command line, or from values beside the weights."""

    latent: tuple[int, ...] | None = None
    classes: int | None = None
    image: Size | None = None
    flat_image: Size | None = None
    """The shape that the network itself names, for an output that is one row of values."""
    values: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A network, in the form in which it is called like all others, how, and what is known about that."""

    module: nn.Module
    signature: CallSignature
    facts: tuple[Fact, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(slots=True)
class Trial:
    """Calls of one network; what it raises is kept."""

    hints: Hints
    errors: list[str] = field(default_factory=list)

    def draw(self, module: nn.Module, signature: CallSignature, labels: Tensor | None = None) -> Tensor | None:
        """What the module gives for one batch, None where it refuses that.

        labels  one for each picture, of which all then have the same latent; without, labels go through the classes.
        """
        batch = signature.batch or TRIAL_BATCH
        if signature.latent_size < 1:
            return None
        z = torch.randn(batch, signature.latent_size, generator=torch.Generator().manual_seed(0))
        if labels is not None:
            z = z[:1].expand(batch, -1)
        elif signature.classes is not None:
            labels = torch.arange(batch) % signature.classes
        with torch.random.fork_rng():  # a forward that draws noise must not move the caller's stream
            torch.manual_seed(0)
            try:
                return picture_in(module(*inputs(signature, z, labels)))
            except Exception as error:  # whatever forward raises, it does not take this
                self.errors.append(f"{type(error).__name__}: {' '.join(str(error).split())}")
                return None

    def shown(self, module: nn.Module, signature: CallSignature) -> CallSignature | None:
        """The signature with the pictures' layout, None where none come."""
        drawn = self.draw(module, signature)
        if drawn is None:
            return None
        batch = signature.batch or TRIAL_BATCH
        flat = self.hints.flat_image
        if self.hints.image is None and flat is not None and drawn.dim() == 2:
            told = with_layout(drawn, signature, flat, batch)
            if told is not None:
                return told
        return with_layout(drawn, signature, self.hints.image, batch)

    def moves(self, module: nn.Module, signature: CallSignature) -> bool:
        """Whether the label changes the picture."""
        batch, classes = signature.batch or TRIAL_BATCH, signature.classes or 1
        first = self.draw(module, signature, torch.zeros(batch, dtype=torch.int64))
        for start in range(0, min(classes, 64), batch):
            drawn = self.draw(module, signature, (start + torch.arange(batch)) % classes)
            if drawn is None or first is None or not torch.equal(drawn, first):
                return True
        return False
