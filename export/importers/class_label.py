"""How a network takes its class: found by calling it with labels. What they do not change, or nobody tells, is no class.

The number of classes comes from the user, an attribute, or the labels that the network itself accepts; the width of a layer
alone does not tell it, since what goes in there may as well be an embedded class.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import chain

import torch
from torch import nn

from export.importers.call_forms import EmbedsLabel, WithoutLabel, innermost
from export.importers.call_signature import CallSignature, LabelEncoding
from export.importers.module_sizes import CLASS_NAMES, LATENT_NAMES, named_sizes, widths
from export.importers.trial_call import TRIAL_BATCH, Call, Trial
from gansample.bundle.basis import Fact, Known
from gansample.errors import UsageError

MOST_CLASSES = 100_000
CLASS_WORDS = re.compile(r"(class|label|one_?hot|digit|categor)", re.I)
TABLE_WORDS = re.compile(r"(shared|emb|label|class)", re.I)


def with_class(module: nn.Module, signature: CallSignature, trial: Trial, argument: str, *, demanded: bool) -> Iterator[Call]:
    """The ways in which `module` draws for the signature's latent and a class, the likeliest first.

    In the end, if it demands an input that has no effect, the way without classes.

    argument  what forward calls its second input.

    Raises UsageError where it takes vectors and nothing tells how many classes they are, or the label has no effect though the
    user says there are classes.
    """
    deaf: CallSignature | None = None
    for found in chain(_by_number(module, signature, trial, argument), _by_vector(module, signature, trial, argument)):
        if trial.moves(found.module, found.signature):
            yield found
        else:
            deaf = deaf or found.signature
    if deaf is None:
        return
    if trial.hints.classes is not None:
        raise UsageError(f"--classes: {argument} does not change the picture", "leave it out")
    if demanded:
        yield from _ignored(module, signature, trial, argument)


def _by_number(module: nn.Module, signature: CallSignature, trial: Trial, argument: str) -> Iterator[Call]:
    """The class as its number, int64 (N,)."""
    one = trial.shown(module, replace(signature, label="index", classes=1))
    if one is None:
        return
    accepted = _accepted(module, one, trial)
    named = {size: name for size, name in named_sizes(module, trial.hints.values, CLASS_NAMES).items() if size > 1}
    fits = [size for size in named if accepted is None or size <= accepted]
    notes: tuple[str, ...] = ()
    if trial.hints.classes is not None:
        fact = _classes(trial.hints.classes, "told", "--classes")
        if accepted is not None and trial.hints.classes > accepted:
            raise UsageError(
                f"--classes {trial.hints.classes}: the network takes labels up to {accepted - 1}", f"pass --classes {accepted}"
            )
    elif fits:
        fact = _classes(fits[0], "told", named[fits[0]])
        if accepted is not None and accepted != fits[0]:
            notes = (f"labels up to {accepted - 1} are accepted, {named[fits[0]]} says {fits[0]} classes",)
    elif accepted is None:
        any_two = replace(one, classes=2)
        if not trial.moves(module, any_two):
            yield Call(module=module, signature=any_two)
            return
        raise UsageError(
            f"nothing tells which values {argument} takes: any number is accepted",
            f"pass --classes N if it is a class, or wrap the network in a class that sets {argument}",
        )
    elif accepted > 1:
        fact = _classes(accepted, "measured", f"label {accepted} is refused")
    else:
        return
    yield Call(module=module, signature=replace(one, classes=int(fact.value)), facts=(fact,), notes=notes)


def _accepted(module: nn.Module, signature: CallSignature, trial: Trial) -> int | None:
    """How many labels the network takes, from 0 on; None where it takes any."""
    batch = signature.batch or TRIAL_BATCH

    def takes(label: int) -> bool:
        return trial.draw(module, signature, torch.full((batch,), label)) is not None

    if takes(MOST_CLASSES):
        return None
    low, high = 0, 1  # low is taken
    while takes(high):
        low, high = high, high * 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if takes(middle) else (low, middle)
    return high


def _by_vector(module: nn.Module, signature: CallSignature, trial: Trial, argument: str) -> Iterator[Call]:
    """The class as a vector: one-hot, as (N, K) or (N, K, 1, 1), or embedded by a table that forward leaves to its caller."""
    named = named_sizes(module, trial.hints.values, CLASS_NAMES)
    size, found = signature.latent[0], widths(module)[:24]
    told = [trial.hints.classes] if trial.hints.classes is not None else [*named]
    counts = dict.fromkeys([*told, *(width - size for width in found), *found])
    forms: tuple[LabelEncoding, ...] = ("onehot", "onehot planes")
    for form in forms:
        for count in counts:
            if not 1 < count <= 1000:
                continue
            shown = trial.shown(module, replace(signature, label=form, classes=count))
            if shown is None:
                continue
            if form == "onehot":
                yield from _embedded(module, replace(shown, label="index"), trial, count)
            if count in told:
                how = "--classes" if trial.hints.classes is not None else named[count]
                yield Call(module=module, signature=shown, facts=(_classes(count, "told", how),))
            elif not told:
                yield _untold(module, shown, trial, argument)


def _untold(module: nn.Module, found: CallSignature, trial: Trial, argument: str) -> Call:
    """A vector of which nobody tells how many classes it is: taken if its only width has the name of a class, else refused."""
    count, latent = found.classes or 0, found.latent
    known = trial.hints.latent is not None or latent[0] in named_sizes(module, trial.hints.values, LATENT_NAMES)
    other = replace(found, latent=(latent[0] + 1, *latent[1:]), classes=count - 1)
    if trial.moves(module, found) and (not known and count > 2 and trial.draw(module, other) is not None):
        raise UsageError(
            f"latents and {argument} have {latent[0] + count} values together, and nothing tells how many are which",
            f"pass --classes N (or --latent-shape): with --classes {count} it is {count} classes and latents of {latent[0]}",
        )
    if not CLASS_WORDS.search(argument) and trial.moves(module, found):
        raise UsageError(
            f"forward's {argument} takes {count} values, and nothing tells whether they are a one-hot class",
            f"pass --classes {count} if they are; if it is an embedded class, wrap the network: forward(z, label)",
        )
    how = f"the only width that {argument} takes; --classes tells it"
    return Call(module=module, signature=found, facts=(_classes(count, "assumed", how),))


def _embedded(module: nn.Module, signature: CallSignature, trial: Trial, width: int) -> Iterator[Call]:
    """Through each table of that width that forward does not use itself."""
    for name, layer in innermost(module).named_modules():
        if isinstance(layer, nn.Embedding):
            rows, out = layer.num_embeddings, layer.embedding_dim
        elif isinstance(layer, nn.Linear) and TABLE_WORDS.search(name):
            rows, out = layer.in_features, layer.out_features
        else:
            continue
        told = trial.hints.classes
        if out != width or rows < 2 or (told is not None and rows != told) or _runs(module, signature, trial, layer, width):
            continue
        how = f"forward takes them embedded, and `{name}` of {rows} rows and that width is left to its caller"
        form = EmbedsLabel(module, name, signature.label_first).eval()
        yield Call(
            module=form, signature=replace(signature, classes=rows, label_first=False), facts=(_classes(rows, "measured", how),)
        )


def _runs(module: nn.Module, signature: CallSignature, trial: Trial, layer: nn.Module, width: int) -> bool:
    ran = []
    hook = layer.register_forward_hook(lambda *_: ran.append(True))
    try:
        trial.draw(module, replace(signature, label="onehot", classes=width))
    finally:
        hook.remove()
    return bool(ran)


def _ignored(module: nn.Module, signature: CallSignature, trial: Trial, argument: str) -> Iterator[Call]:
    """Without a class, where the second input has to be there and does nothing."""
    values = [None, torch.zeros(1, 0), torch.zeros(1, dtype=torch.int64)]
    values += [torch.zeros(1, size) for size in widths(module)[:24]]
    for value in values:
        form = WithoutLabel(module, value, signature.label_first).eval()
        shown = trial.shown(form, replace(signature, label_first=False))
        if shown is not None:
            note = f"{argument} does not change the picture, so there are no classes"
            yield Call(module=form, signature=shown, notes=(note,))
            return


def _classes(number: int, known: Known, how: str) -> Fact:
    return Fact(name="classes", value=str(number), known=known, how=how)
