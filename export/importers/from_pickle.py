"""The generator in a pickle of NVIDIA's format: which of its networks, of which family, and what the file says about it.

The files of stylegan2-ada-pytorch, stylegan3 and their forks are dictionaries of whole modules: G, D, and G_ema, the average,
which draws. Every module comes with the arguments and attributes that it was made with: nothing is guessed or tried out.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import nn

from export.importers.call_signature import CallSignature
from export.importers.dictionary_names import rank
from export.importers.families.module_record import ModuleRecord, record_of, tensors_in
from export.importers.families.nvidia_stylegan2 import stylegan2_of
from export.importers.families.nvidia_stylegan3 import stylegan3_of
from export.importers.families.stylegan2 import NoiseInput
from export.importers.import_log import ImportLog
from export.importers.request import ImportRequest
from export.importers.state_dict import StateDict, check_tensors
from export.importers.told import Told, check_options
from export.importers.weights import WeightsFile
from gansample.bundle.basis import Fact
from gansample.errors import ArtefactError, UsageError


@dataclass(frozen=True, slots=True)
class PickleFamily:
    """A family that this format holds."""

    name: str
    layer: str
    """A part of its synthesis that no other family's has, and begins so."""
    network: Callable[[ModuleRecord, NoiseInput], nn.Module]
    noise: bool
    """Whether its layers add noise."""


FAMILIES = (
    PickleFamily("StyleGAN2", "b4", stylegan2_of, noise=True),
    PickleFamily("StyleGAN3", "L0_", lambda record, _: stylegan3_of(record), noise=False),
)
ARGUMENTS = "the file's own arguments"


@dataclass(frozen=True, slots=True)
class PickledGenerator:
    """The record of the generator that was picked, and its key in the file."""

    record: ModuleRecord
    file: WeightsFile

    @property
    def family(self) -> PickleFamily | None:
        """The family whose network this is; None where it is of another. Raises ArtefactError for a network refused by name."""
        inner = dict(self.record.children()).get("synthesis")
        parts = [name for name, _ in inner.children()] if inner is not None else []
        if self.record.kind == "SuperresGenerator" or "rand_embedding" in str(list(self._mapping_arguments())):
            raise ArtefactError(
                f"{self.record.path} in {self.file.name} is a StyleGAN-XL, which is not read", "StyleGAN2 and StyleGAN3 are"
            )
        return next((each for each in FAMILIES if any(part.startswith(each.layer) for part in parts)), None)

    def _mapping_arguments(self) -> Mapping[str, object]:
        mapping = dict(self.record.children()).get("mapping")
        arguments = mapping.state.get("_init_kwargs") if mapping is not None else None
        return arguments if isinstance(arguments, Mapping) else {}

    def state_dict(self) -> StateDict:
        """Its tensors by their dotted names, for a class that the user brings or another family's names."""
        tensors = check_tensors(tensors_in(self.record), self.file.name)
        plain = {key: value for key, value in self.record.state.items() if isinstance(value, (int, float, str))}
        return StateDict(tensors, key=self.record.path, values=plain, file=self.file.name, sha256=self.file.sha256)


def pick_pickled(file: WeightsFile, log: ImportLog, key: str | None = None) -> PickledGenerator:
    """The generator in `file`, a pickle: `key` if given, else the average.

    Raises ArtefactError where it holds no network of this format; UsageError where `key` is not there.
    """
    content = file.content if isinstance(file.content, Mapping) else {}
    records = {name: record_of(value, name, file.name) for name, value in content.items() if isinstance(name, str)}
    networks = {name: record for name, record in records.items() if record is not None}
    alone = record_of(file.content, "the network", file.name)
    if alone is not None:
        networks = {"the network": alone}
    if not networks:
        raise ArtefactError(
            f"{file.name} is a pickle that torch did not write, loading it could run any code",
            "where it comes from, save the weights alone: torch.save(G.state_dict(), 'gen.pth')",
        )
    if key is not None and key not in networks:
        raise UsageError(f"{file.name} has no network {key!r}", f"it has: {', '.join(map(repr, networks))}")
    chosen = key if key is not None else min(networks, key=rank)
    others = [name for name in networks if name != chosen]
    if key is None and alone is None and rank(chosen)[0] > 1:
        raise ArtefactError(
            f"{file.name} holds only {', '.join(map(repr, networks))}, no generator", "pass --key NAME if one is"
        )
    beside = f" (beside {', '.join(map(repr, others))}: not used)" if others else ""
    log.picked(f"{chosen!r} of {file.name}{beside}")
    log.fact("weights", chosen, "told", "--key" if key is not None else "the file's own name for the generator that draws")
    if any(record.has_source for record in networks.values()):
        log.measured("the file holds the source text of its classes, which was not run")
    return PickledGenerator(networks[chosen], file)


def told_network(picked: PickledGenerator, family: PickleFamily, request: ImportRequest) -> tuple[nn.Module, Told]:
    """The family's network with the file's weights, and what the file says about it.

    Raises ArtefactError where the file says something that the family's networks are not; UsageError for options it denies.
    """
    if request.noise is not None and not family.noise:
        raise UsageError(f"--noise: {family.name} draws none", "leave it out")
    noise: NoiseInput = {"none": "none", "seeded": "random"}.get(request.noise or "", "const")  # type: ignore[assignment]
    record = picked.record
    network = family.network(record, noise)
    size, classes = record.integer("z_dim", 1), record.integer("c_dim")
    side, channels = record.integer("img_resolution", 4, 4096), record.integer("img_channels", 1, 64)
    if channels not in (1, 3, 4):
        raise ArtefactError(f"{picked.file.name} draws {channels} channels", "only pictures of 1, 3 or 4 channels are exported")
    signature = CallSignature(
        latent=(size,), label="index" if classes else "none", classes=classes or None, image=(channels, side, side)
    )
    check_options(family.name, signature, request)
    _check_picture(network, signature, picked.file.name)
    facts = [
        Fact(name="layers", value=f"{family.name} of {side}×{side}", known="told", how=ARGUMENTS),
        Fact(name="latent shape", value=str(size), known="told", how="z_dim"),
        Fact(name="picture", value=f"{channels}×{side}×{side}", known="told", how="img_channels and img_resolution"),
    ]
    if classes:
        facts.append(Fact(name="classes", value=str(classes), known="told", how="c_dim"))
    if family.noise and request.noise != "seeded":
        how = "--noise" if request.noise is not None else "the file's noise_const; --noise none or seeded says otherwise"
        facts.append(Fact(name="noise", value="none" if noise == "none" else "the file's own", known="told", how=how))
    return network.eval(), Told(
        signature=signature,
        value_range="tanh",
        by=f"the definition of {family.name}",
        facts=tuple(facts),
        noise_settled=noise != "random",
    )


@torch.no_grad()
def _check_picture(network: nn.Module, signature: CallSignature, file: str) -> None:
    """Raise ArtefactError where the network, called for one picture, draws none of the shape that its file says."""
    label = torch.zeros(1, dtype=torch.int64) if signature.classes is not None else None
    try:
        drawn = tuple(network(torch.ones(1, signature.latent_size), label).shape[1:])
    except (RuntimeError, IndexError) as error:  # layers whose sizes do not fit together
        reason = str(error).strip().partition("\n")[0][:120]
        raise ArtefactError(f"the layers in {file} do not fit together ({reason})", "copy or download it again") from error
    if drawn != signature.image:
        told, got = "×".join(map(str, signature.image)), "×".join(map(str, drawn))
        raise ArtefactError(f"{file} says that it draws {told}, its layers draw {got}", "copy or download it again")
