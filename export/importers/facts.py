"""The facts of an import that its call signature brings, each with how it is known."""

from collections.abc import Mapping
from typing import Any

from torch import nn

from export.importers.call_signature import CallSignature
from export.importers.from_names.recognise import Recognised
from export.importers.import_log import ImportLog
from export.importers.module_sizes import LATENT_NAMES, named_sizes
from export.importers.outputs import describe_choice
from export.importers.picture_layout import other_shapes
from export.importers.request import ImportRequest
from gansample.bundle.spec import Distribution


def record_latent(
    signature: CallSignature, module: nn.Module, request: ImportRequest, values: Mapping[str, Any], log: ImportLog
) -> None:
    """The latent's shape: told, found by calling, or assumed where the network takes planes of any size."""
    shape = "×".join(map(str, signature.latent))
    named = named_sizes(module, values, LATENT_NAMES).get(signature.latent[0])
    if request.latent_shape is not None:
        log.fact("latent shape", shape, "told", "--latent-shape")
    elif len(signature.latent) == 3 and signature.latent[1] > 1:
        log.fact("latent shape", shape, "assumed", "the network takes planes of any size; --latent-shape CxHxW says otherwise")
    elif signature.label in ("onehot", "onehot planes") and request.classes is None and not named:
        how = "other splits of the first layer's input are possible; --latent-shape and --classes say otherwise"
        log.fact("latent shape", shape, "assumed", how)
    else:
        log.fact("latent shape", shape, *(("told", named) if named else ("measured", "found by calling the network")))


def record_distribution(distribution: Distribution, told: str | None, measured: str | None, log: ImportLog) -> None:
    """told, measured  by whom and how, if at all."""
    if told is not None:
        log.fact("latent distribution", distribution, "told", told)
    elif measured is not None:
        log.fact("latent distribution", distribution, "measured", measured)
    else:
        other = "uniform" if distribution == "normal" else "normal"
        log.fact("latent distribution", distribution, "assumed", f"--latent {other} if it was trained on those")


def record_picture(signature: CallSignature, out: Any, request: ImportRequest, told: str | None, log: ImportLog) -> None:
    """Which of several outputs the picture is, its shape, and the order of its values, which a flat output does not tell.

    out   what the network returned.
    told  who names this shape, None if nobody does.
    """
    which, others = describe_choice(out)
    if others:
        log.fact("output", which, "assumed", "the largest picture; a class whose forward returns one tells it")
    elif which:
        log.fact("output", which, "told", "the only one that is a picture")
    picture, flat = "{}×{}×{}".format(*signature.image), signature.layout.startswith("flat")
    if request.image is not None:
        log.fact("picture", picture, "told", "--image")
    elif told is not None:
        log.fact("picture", picture, "told", told)
    elif flat:
        c, h, w = signature.image
        other = " or ".join("×".join(map(str, shape)) for shape in other_shapes(c * h * w, signature.image))
        row = f"the output is one row of {c * h * w} values" + (f", which fit {other} too" if other else "")
        how = f"{row}; --image CxHxW says otherwise"
        log.fact("picture", picture, "assumed", how)
    else:
        log.fact("picture", picture, "told", "the network's output")
    if flat and signature.image[0] > 1 and request.image is None:
        log.fact("order of values", signature.layout, "assumed", "neighbouring pixels are alike in it; --image CxHxW tells it")


def record_reading(found: Recognised, text: str, log: ImportLog) -> None:
    """The layers of a network that was recognised, whose written form is `text`, and every activation with how it is known."""
    log.fact("layers", text, "assumed", "nothing tells the last one's stride and padding; --chain '…' or --generator does")
    for fact in found.measured.facts:
        log.fact(fact.name, fact.value, fact.known, fact.how)
    if found.mismatch is None:
        log.warn("the file has no BatchNorm, so nothing in it confirms these layers: pass its class, or --expect its pictures")
    else:
        log.measured(f"BatchNorm's statistics are {found.mismatch:.2f} from what these layers give (right ones below 0.25)")
        if found.mismatch > 0.4:
            log.warn("these layers do not reproduce BatchNorm's statistics: pass the class, or correct the --chain")
    if found.runner_up is not None:
        log.warn(f"nearly as plausible: --chain '{found.runner_up}'")
