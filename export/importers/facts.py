"""The facts of an import that its call signature brings, each with how it is known."""

from collections.abc import Mapping
from typing import Any

from torch import nn

from export.importers.call_signature import CallSignature
from export.importers.import_log import ImportLog
from export.importers.probe import CLASS_NAMES, LATENT_NAMES
from export.importers.request import ImportRequest
from gansample.bundle.spec import Distribution


def record_latent(
    signature: CallSignature, module: nn.Module, request: ImportRequest, values: Mapping[str, Any], log: ImportLog
) -> None:
    """The latent's shape: told, found by calling, or assumed where the network takes planes of any size."""
    shape = "×".join(map(str, signature.latent))
    named = [name for name in LATENT_NAMES if signature.latent[0] in (getattr(module, name, None), values.get(name))]
    if request.latent_shape is not None:
        log.fact("latent shape", shape, "told", "--latent-shape")
    elif len(signature.latent) == 3 and signature.latent[1] > 1:
        log.fact("latent shape", shape, "assumed", "the network takes planes of any size; --latent-shape CxHxW says otherwise")
    elif signature.label in ("onehot", "onehot planes") and request.classes is None and not named:
        how = "other splits of the first layer's input are possible; --latent-shape and --classes say otherwise"
        log.fact("latent shape", shape, "assumed", how)
    else:
        log.fact("latent shape", shape, *(("told", named[0]) if named else ("measured", "found by calling the network")))


def record_distribution(distribution: Distribution, told: str | None, measured: str | None, log: ImportLog) -> None:
    """told, measured  by whom and how, if at all."""
    if told is not None:
        log.fact("latent distribution", distribution, "told", told)
    elif measured is not None:
        log.fact("latent distribution", distribution, "measured", measured)
    else:
        other = "uniform" if distribution == "normal" else "normal"
        log.fact("latent distribution", distribution, "assumed", f"--latent {other} if it was trained on those")


def record_picture(signature: CallSignature, request: ImportRequest, in_file: bool, log: ImportLog) -> None:
    """The picture's shape and the order of its values, which a flat output does not tell.

    in_file  whether the shape stands beside the weights.
    """
    picture, flat = "{}×{}×{}".format(*signature.image), signature.layout.startswith("flat")
    if request.image is not None:
        log.fact("picture", picture, "told", "--image")
    elif in_file:
        log.fact("picture", picture, "told", "the file")
    elif flat:
        log.fact("picture", picture, "assumed", "the output is one row of values; --image CxHxW says otherwise")
    else:
        log.fact("picture", picture, "told", "the network's output")
    if flat and signature.image[0] > 1 and request.image is None:
        log.fact("order of values", signature.layout, "assumed", "neighbouring pixels are alike in it; --image CxHxW tells it")


def record_classes(
    signature: CallSignature, module: nn.Module, request: ImportRequest, values: Mapping[str, Any], log: ImportLog
) -> None:
    """The number of classes and the form of the label; nothing for an unconditional generator."""
    if signature.classes is None:
        return
    named = [name for name in CLASS_NAMES if signature.classes in (getattr(module, name, None), values.get(name))]
    number = str(signature.classes)
    if request.classes is not None or request.class_names is not None:
        log.fact("classes", number, "told", "--classes" if request.classes is not None else "--class-names")
    elif named:
        log.fact("classes", number, "told", named[0])
    elif signature.label == "index":
        log.fact("classes", number, "told", "the rows of the table that the label looks up")
    else:
        log.fact("classes", number, "assumed", "a width that the network takes; --classes tells it")
    if signature.label == "joined onehot":
        log.fact("label", "one-hot, joined after the latent", "assumed", "a class whose forward takes z and label tells it")
