"""The parts that StyleGAN2 and StyleGAN3 share, as NVIDIA's pickle format describes them."""

import torch
from torch import Tensor

from export.importers.families.layers import Activation, FullyConnected, normalised
from export.importers.families.module_record import ModuleRecord
from export.importers.families.stylegan2 import Mapping
from gansample.errors import ArtefactError


def fully_connected(record: ModuleRecord, inputs: int | None = None, outputs: int | None = None) -> FullyConnected:
    """A `FullyConnectedLayer`: weight · weight_gain, bias · bias_gain, then linear or a leaky ReLU of gain √2."""
    record.expect_kind("FullyConnectedLayer")
    weight = record.tensor("weight", outputs, inputs)
    bias = record.optional_tensor("bias")
    if bias is not None and bias.shape != weight.shape[:1]:
        raise record.lacks(f"bias of {len(weight)} values")
    return FullyConnected(
        weight * record.number("weight_gain"),
        bias * record.number("bias_gain") if bias is not None else None,
        activation_of(record),
    )


def activation_of(record: ModuleRecord) -> Activation:
    """Raises ArtefactError for one that published networks do not use."""
    match record.text("activation"):
        case "linear":
            return "linear"
        case "lrelu":
            return "lrelu"
    raise ArtefactError(
        f"{record.path} in {record.file} has the activation {record.text('activation')[:40]!r}",
        "only lrelu and linear are read",
    )


def mapping_of(record: ModuleRecord, layers: int) -> Mapping:
    """A `MappingNetwork` for `layers` w. Raises ArtefactError where it takes no latent."""
    record.expect_kind("MappingNetwork")
    size, classes = record.integer("z_dim", 1), record.integer("c_dim")
    table = _classes(record.child("embed"), classes) if classes else None
    inputs = size + (table.shape[1] if table is not None else 0)
    connected = []
    for index in range(record.integer("num_layers", 1, 64)):
        connected.append(fully_connected(record.child(f"fc{index}"), inputs))
        inputs = len(connected[-1].weight)
    if inputs != record.integer("w_dim", 1):
        raise record.lacks("layers that end in its w_dim")
    known = [name for name, _ in record.children() if name != "embed" and not name.startswith("fc")]
    if known:
        raise ArtefactError(
            f"{record.path} in {record.file} has a part that StyleGAN has not: {known[0][:60]}", "it is another network"
        )
    average = record.optional_tensor("w_avg")
    if average is not None and average.shape != (inputs,):
        raise record.lacks(f"w_avg of {inputs} values")
    return Mapping(connected, table, average, layers)


def _classes(record: ModuleRecord, classes: int) -> Tensor:
    """(K, E): what the embedding makes of each one-hot class, normalised."""
    embed = fully_connected(record, classes)
    with torch.no_grad():
        return normalised(embed(torch.eye(classes)))
