"""Which family a file of weights belongs to, by the names and shapes of all its tensors."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from export.importers.families import fastgan, kl_decoder, lightweight_gan, r3gan, taesd
from export.importers.families.family import Family, Hints, Reading, Tensors
from export.importers.import_log import ImportLog
from export.importers.match import compare, shapes_of
from export.importers.request import ImportRequest
from export.importers.state_dict import StateDict
from gansample.errors import ArtefactError, UsageError

FAMILIES: tuple[Family, ...] = (taesd.FAMILY, kl_decoder.FAMILY, r3gan.FAMILY, fastgan.FAMILY, lightweight_gan.FAMILY)


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
    hints = Hints(values=weights.values, latent=request.latent_shape)
    for tensors in _candidates(weights):
        for family in FAMILIES:
            if (reading := family.read(tensors, hints)) is not None:
                _check_options(family, reading, request)
                return Member(family, _filled(family, reading, weights.file), reading)
    return None


def record_family(found: Member, request: ImportRequest, log: ImportLog) -> None:
    """The facts of a recognised network: what its tensors tell, and what rests on the family's definition."""
    family, reading, signature = found.family, found.reading, found.reading.signature
    log.fact("layers", family.name, "told", f"the names and shapes of all {len(reading.tensors)} tensors")
    for stated in reading.stated:
        log.fact(stated.name, stated.value, "told", stated.by or found.definition)
    shape = "×".join(map(str, signature.latent))
    if request.latent_shape is not None:
        log.fact("latent shape", shape, "told", "--latent-shape")
    elif reading.any_planes:
        log.fact("latent shape", shape, "told", "the network takes any height and width; --latent-shape CxHxW exports another")
    else:
        log.fact("latent shape", shape, "told", "the tensors' shapes")
    log.fact("picture", "{}×{}×{}".format(*signature.image), "told", "the tensors' shapes and the latent's")
    if signature.classes is not None:
        log.fact("classes", str(signature.classes), "told", "the tensors' shapes")


def _filled(family: Family, reading: Reading, file: str) -> nn.Module:
    with torch.device("meta"):
        network = reading.build()
    want = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    differ = compare(shapes_of(reading.tensors), want)
    if differ.count:
        raise ArtefactError(
            f"{file} is named like the family {family.name!r} and does not fit it: {differ.describe()}",
            "pass its class: --generator model.py:Class",
        )
    uncounted = {name: torch.zeros(shape, dtype=torch.int64) for name, shape in want.items() if name not in reading.tensors}
    network.load_state_dict({**reading.tensors, **uncounted}, assign=True)
    return network.eval().requires_grad_(False)


def _check_options(family: Family, reading: Reading, request: ImportRequest) -> None:
    """Raise UsageError for an option that says otherwise than the tensors."""
    signature = reading.signature
    image, latent = request.image, request.latent_shape
    if image is not None and image != signature.image:
        said, drawn = "x".join(map(str, image)), "x".join(map(str, signature.image))
        hint = "choose the size with --latent-shape CxHxW" if reading.any_planes else "leave it out"
        raise UsageError(f"--image {said}: this {family.name} draws {drawn}", hint)
    if latent is not None and not reading.any_planes and latent not in (signature.latent, (*signature.latent, 1, 1)):
        said, taken = "x".join(map(str, latent)), "x".join(map(str, signature.latent))
        raise UsageError(f"--latent-shape {said}: this {family.name} takes {taken}", "leave it out")
    if request.classes is not None and signature.classes is not None and request.classes != signature.classes:
        raise UsageError(f"--classes {request.classes}: this {family.name} has {signature.classes}", "leave it out")


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
