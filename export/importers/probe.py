"""How a network draws: which latents and labels it takes and how it lays out pictures, found by calling it."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

import torch
from torch import nn

from export.importers.call_arguments import Place, places
from export.importers.call_forms import CallsPart, InList
from export.importers.call_signature import CallSignature
from export.importers.class_label import with_class
from export.importers.module_sizes import latent_sizes, widths
from export.importers.no_generator import no_generator
from export.importers.trial_call import Call, Hints, Trial
from gansample.bundle.basis import Fact
from gansample.errors import UsageError

FIXED_BATCHES = (1, 2, 4, 8, 10, 16, 32, 50, 64, 100, 128, 256)
SPATIAL = (2, 4, 7, 8)
MOST_TAKEN = 128  # values of a first layer that a class is looked for in
SMALLEST = 16  # pixels a side below which a picture is believed only if nothing larger comes
PARTS = ("decode", "generate", "generator", "decoder")
"""Methods and parts that draw where forward does not, the likeliest first."""
# What PyTorch's errors say where a batch size is written into the code.
FIXED_BATCH_ERROR = r"shape '?\[|size of tensor|invalid for input|Sizes of tensors|batch|expand"


@torch.no_grad()
def find_call(module: nn.Module, hints: Hints, name: str, part: str | None = None) -> Call:
    """How to call `module` so that it draws.

    part  its method or part that is called in place of forward; None looks for one where forward draws from no latent.

    Raises ArtefactError saying what the module seems to be where no latent makes it draw a picture; UsageError where more must
    be said.
    """
    module.eval()
    if part is not None:
        told = Fact(name="call", value=part, known="told", how="--call")
        form = CallsPart(module, part).eval()
        return _with_fact(_search(form, Trial(hints)) or _listed(form, hints) or _refuse(form, hints, name), told)
    trial = Trial(hints)
    found = _search(module, trial)
    if found is None or _takes_pictures(found.signature):
        for other in _parts(module):
            drawn = _search(CallsPart(module, other).eval(), Trial(hints))
            if drawn is not None and not _takes_pictures(drawn.signature):
                how = "forward takes pictures, not latents; --call forward says otherwise"
                return _with_fact(drawn, Fact(name="call", value=other, known="measured", how=how))
    return found or _listed(module, hints) or _refuse(module, hints, name, trial)


def _search(module: nn.Module, trial: Trial) -> Call | None:
    small: Call | None = None
    ways = places(module)
    for batch in (None, *FIXED_BATCHES):
        for found in _calls(module, trial, ways, batch):
            if min(found.signature.image[1:]) >= SMALLEST or trial.hints.image is not None or trial.hints.latent is not None:
                return found
            small = small or found
        if small is not None and batch is None:
            return small
        if batch is None and not _may_be_fixed(trial.errors):
            break
    return None


def _calls(module: nn.Module, trial: Trial, ways: Sequence[Place], batch: int | None) -> Iterator[Call]:
    """Calls that give pictures, the likeliest first."""
    untold: Fact | None = None
    refused: UsageError | None = None
    for way in ways:
        for latent in _latents(module, trial.hints, way):
            signature = CallSignature(latent=latent, batch=batch, label_first=way.label_first)
            if way.argument is None:
                yield from _without_class(module, signature, trial, () if untold is None else (untold,))
                continue
            try:
                yield from with_class(module, signature, trial, way.argument, demanded=way.demanded)
            except UsageError as error:
                refused = refused or (error if way.demanded or trial.hints.classes is not None else None)
                untold = Fact(name="class", value=f"{way.argument} left at its default", known="assumed", how=str(error))
    if refused is not None:
        raise refused


def _without_class(module: nn.Module, signature: CallSignature, trial: Trial, facts: tuple[Fact, ...]) -> Iterator[Call]:
    classes = trial.hints.classes
    if classes is not None and signature.latent[0] > classes:
        signature = replace(signature, label="joined onehot", classes=classes)
        how = "a class whose forward takes z and label tells it"
        facts = (
            Fact(name="classes", value=str(classes), known="told", how="--classes"),
            Fact(name="label", value="one-hot, joined after the latent", known="assumed", how=how),
        )
    if (shown := trial.shown(module, signature)) is not None:
        yield Call(module=module, signature=shown, facts=facts)


def _latents(module: nn.Module, hints: Hints, way: Place) -> Iterator[tuple[int, ...]]:
    if hints.latent is not None:
        yield hints.latent
        if len(hints.latent) == 1:
            yield (*hints.latent, 1, 1)
        return
    every = latent_sizes(module, hints.values, hints.classes)
    sizes = [size for size in dict.fromkeys(every) if size > 1]  # a 1 would fit anything by broadcasting
    yield from ((size, *rest) for size in sizes for rest in ((), (1, 1)))
    yield from ((size, side, side) for side in SPATIAL for size in sizes if size > 4)
    yield from ((1, size) for size in sizes)
    if way.argument is not None:  # whatever part of the first layers the class may take
        first = [width for width in widths(module)[:2] if width > 2]
        yield from (
            (width - part,) for width in first for part in range(1, min(width - 1, MOST_TAKEN)) if width - part not in sizes
        )


def _takes_pictures(signature: CallSignature) -> bool:
    """Whether what goes in has as many values as the picture that comes out, as in an autoencoder."""
    channels, height, width = signature.image
    return signature.latent_size == channels * height * width


def _parts(module: nn.Module) -> list[str]:
    """Methods and parts of its own that may draw in place of forward."""
    return [name for name in PARTS if callable(getattr(module, name, None)) and not hasattr(nn.Module, name)]


def _listed(module: nn.Module, hints: Hints) -> Call | None:
    """A network that takes its latent in a list."""
    if getattr(module, "arity", None) is not None:
        return None
    found = _search(InList(module).eval(), Trial(hints))
    how = "forward takes no tensor"
    return _with_fact(found, Fact(name="call", value="the latent in a list", known="measured", how=how)) if found else None


def _with_fact(found: Call, fact: Fact) -> Call:
    return replace(found, facts=(fact, *found.facts))


def _refuse(module: nn.Module, hints: Hints, name: str, trial: Trial | None = None) -> Call:
    raise no_generator(module, name, trial or Trial(hints))


def _may_be_fixed(errors: Sequence[str]) -> bool:
    """Whether a failure may come from a batch size written into the code."""
    return any(re.search(FIXED_BATCH_ERROR, error) for error in errors)
