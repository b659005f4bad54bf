"""Which family a file of weights belongs to, by the names and shapes of all its tensors."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from export.importers.call_signature import CallSignature
from export.importers.families import (
    biggan_names,
    fastgan,
    kl_decoder,
    lightweight_gan,
    progan,
    r3gan,
    residual_gan,
    rosinality,
    taesd,
)
from export.importers.families.family import Family, Hints, Reading, Tensors
from export.importers.match import compare, shapes_of
from export.importers.outputs import CHANNELS
from export.importers.request import ImportRequest
from export.importers.state_dict import StateDict
from export.importers.told import Told, check_options
from gansample.bundle.basis import Fact
from gansample.bundle.spec import MAX_LATENT, MAX_SIDE
from gansample.errors import ArtefactError, GansampleError, UsageError

FAMILIES: tuple[Family, ...] = (
    taesd.FAMILY,
    kl_decoder.FAMILY,
    r3gan.FAMILY,
    fastgan.FAMILY,
    lightweight_gan.FAMILY,
    biggan_names.FAMILY,
    biggan_names.CONVERTED_FAMILY,
    rosinality.FAMILY,
    progan.FAMILY,
    residual_gan.FAMILY,
)

BATCH = 3
# What building a network from shapes that no network of the family has raises.
UNFIT = (KeyError, IndexError, ValueError, TypeError, RuntimeError, ZeroDivisionError)


@dataclass(frozen=True, slots=True)
class Member:
    """A network of a known family, in eval mode with the file's weights."""

    family: Family
    network: nn.Module
    reading: Reading

    @property
    def definition(self) -> str:
        """What tells the facts that no tensor tells."""
        return f"the published definition, {self.family.source}; no tensor tells"


def family_of(weights: StateDict, request: ImportRequest) -> Member | None:
    """The network that `weights` are of; None where no family has names like these.

    Raises ArtefactError with a diff where a family's names have other shapes; UsageError for options that this network denies.
    """
    hints = Hints(values=weights.values, latent=request.latent_shape, noise=request.noise, beside=weights.beside)
    for tensors in _candidates(weights):
        for family in FAMILIES:
            try:
                if (reading := family.read(tensors, hints)) is not None:
                    check_options(family.name, reading.signature, request, any_planes=reading.any_planes)
                    _check_picture(family, reading.signature, weights.file)
                    return Member(family, _filled(family, reading, weights.file), reading)
            except UNFIT as error:
                if isinstance(error, GansampleError):
                    raise
                raise _refusal(family, weights.file, _described(error)) from error
    return None


def told_by(found: Member, request: ImportRequest) -> Told:
    """What the tensors of a recognised network tell, and what rests on the family's definition."""
    family, reading, signature = found.family, found.reading, found.reading.signature
    facts = [("layers", family.name, f"the names and shapes of all {len(reading.tensors)} tensors")]
    planes = "the network takes any height and width; --latent-shape CxHxW exports another"
    how = "--latent-shape" if request.latent_shape is not None else planes if reading.any_planes else "the tensors' shapes"
    facts.append(("latent shape", "×".join(map(str, signature.latent)), how))
    facts.append(("picture", "{}×{}×{}".format(*signature.image), "the tensors' shapes and the latent's"))
    if signature.classes is not None:
        facts.append(("classes", str(signature.classes), "the tensors' shapes"))
    return Told(
        signature=signature,
        value_range=reading.value_range,
        by=found.definition,
        facts=(
            *(Fact(name=name, value=value, known="told", how=how) for name, value, how in facts),
            *(
                Fact(name=each.name, value=each.value, known=each.known, how=each.by or found.definition)
                for each in reading.stated
            ),
        ),
        noise_settled=reading.noise_settled,
    )


def _filled(family: Family, reading: Reading, file: str) -> nn.Module:
    if empty := [name for name, tensor in reading.tensors.items() if tensor.numel() == 0]:
        raise _refusal(family, file, f"{empty[0]} is empty")
    if reading.expected is not None:
        _check_fit(family, reading, reading.expected, file)
        return reading.build().eval().requires_grad_(False)
    with torch.device("meta"), torch.no_grad():
        network = reading.build().eval()
        drawn = tuple(network(*_arguments(reading.signature)).shape)
    if drawn != (BATCH, *reading.signature.image):
        raise _refusal(family, file, f"its layers give {drawn[1:]}, not a picture of {reading.signature.image}")
    want = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    _check_fit(family, reading, want, file)
    uncounted = {name: torch.zeros(shape, dtype=torch.int64) for name, shape in want.items() if name not in reading.tensors}
    network.load_state_dict({**reading.tensors, **uncounted}, assign=True)
    return network.requires_grad_(False)


def _check_fit(family: Family, reading: Reading, want: Mapping[str, tuple[int, ...]], file: str) -> None:
    """Raise ArtefactError where the file's tensors have other names or shapes."""
    differ = compare(shapes_of(reading.tensors), dict(want))
    if differ.count:
        raise _refusal(family, file, differ.describe())


def _check_picture(family: Family, signature: CallSignature, file: str) -> None:
    """Raise ArtefactError for what is no picture, UsageError for latents or pictures that are larger than a bundle's."""
    channels, height, width = signature.image
    if channels not in CHANNELS:
        raise ArtefactError(f"{file} draws {channels} channels", "only pictures of 1, 3 or 4 channels are exported")
    if signature.latent_size > MAX_LATENT or max(height, width) > MAX_SIDE:
        latent = "x".join(map(str, signature.latent))
        raise UsageError(
            f"latents of {latent} give this {family.name} pictures of {height}x{width}: a bundle's have at most "
            f"{MAX_LATENT:,} numbers and {MAX_SIDE:,} pixels a side",
            "choose smaller planes with --latent-shape CxHxW",
        )


def _arguments(signature: CallSignature) -> tuple[Tensor, ...]:
    """Latents, and labels where it takes some, without values."""
    z = torch.empty(BATCH, *signature.latent)
    if signature.classes is None:
        return (z,)
    label = torch.empty(BATCH, signature.classes) if signature.label == "onehot" else torch.empty(BATCH, dtype=torch.int64)
    return z, label


def _refusal(family: Family, file: str, why: str) -> ArtefactError:
    return ArtefactError(
        f"{file} is named like the family {family.name!r} and does not fit it: {why}",
        "pass its class: --generator model.py:Class",
    )


def _described(error: Exception) -> str:
    return f"it has no {error.args[0]}" if isinstance(error, KeyError) else " ".join(str(error).split())


def _candidates(weights: StateDict) -> Iterator[Tensors]:
    """The tensors as they are named, without what stands before all names, and the dictionary that they are a part of."""
    for tensors in (weights.tensors, weights.whole):
        while tensors:
            yield tensors
            tensors = _without_first_word(tensors)


def _without_first_word(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Without the first word of all names where it is the same; empty where it is not."""
    first = {name.partition(".")[0] for name in tensors}
    rest = {name.partition(".")[2]: tensor for name, tensor in tensors.items()}
    return rest if len(first) == 1 and all(rest) else {}
