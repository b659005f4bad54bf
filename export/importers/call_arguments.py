"""What forward takes, read off its signature: where the latent stands, and whether the other argument may be a class."""

import inspect
import re
from dataclasses import dataclass

from torch import nn

from gansample.errors import ArtefactError

LABEL_WORDS = re.compile(r"(label|class|cond|categor|one_?hot|attr|digit|target|^y$|^c$|^cls|^ys$|^lbl)", re.I)
LATENT_WORDS = re.compile(r"(noise|latent|^z|^x$|style|input|seed)", re.I)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One way to hand over the inputs."""

    argument: str | None = None
    """What forward calls the class, None where it gets none."""
    label_first: bool = False
    demanded: bool = True
    """Whether forward cannot do without the class."""


def places(module: nn.Module) -> list[Place]:
    """How the inputs may be handed over, the likeliest first.

    Raises ArtefactError where forward demands more than two.
    """
    if isinstance(arity := getattr(module, "arity", None), int):  # a graph says how many inputs it has
        return [Place(argument="its second input" if arity == 2 else None)]
    try:
        parameters = inspect.signature(getattr(module, "callee", module.forward)).parameters.values()
    except (TypeError, ValueError):
        return [Place(), Place(argument="its second input")]
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    demanded = [p for p in positional if p.default is p.empty]
    if len(demanded) > 2:
        names = ", ".join(p.name for p in positional)
        raise ArtefactError(
            f"forward takes {len(demanded)} inputs ({names})", "wrap it in a class whose forward takes z [, label]"
        )
    if any(p.kind is p.VAR_POSITIONAL for p in parameters):
        return [Place(), Place(argument="its second input")]
    if len(demanded) == 2:
        first, second = demanded[0].name, demanded[1].name
        normal, turned = Place(argument=second), Place(argument=first, label_first=True)
        swapped = (bool(LABEL_WORDS.search(first)) and not LABEL_WORDS.search(second)) or (
            bool(LATENT_WORDS.search(second)) and not LATENT_WORDS.search(first)
        )  # fmt: skip
        return [turned, normal] if swapped else [normal, turned]
    other = positional[1] if len(positional) > 1 else None
    if other is None or (other.default is not None and not LABEL_WORDS.search(other.name)):
        return [Place()]  # a number or a switch that has a default
    conditional = bool(LABEL_WORDS.search(other.name)) or any(isinstance(layer, nn.Embedding) for layer in module.modules())
    labelled = Place(argument=other.name, demanded=False)
    return [labelled, Place()] if conditional else [Place(), labelled]
