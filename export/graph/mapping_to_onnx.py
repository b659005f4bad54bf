"""A generator with a mapping as two graphs: mapping.onnx, and the synthesis that every variant is a form of."""

from dataclasses import dataclass, replace

import numpy as np
import torch

from export.export_model import ExportModel, cycled_labels
from export.graph.to_onnx import finish, forget_source, traced
from export.mapping import HasMapping, MappingNetwork, SynthesisNetwork, SynthesisSpec, shape_of_styles
from gansample.bundle.seal import digest
from gansample.bundle.spec import Spec
from gansample.bundle.style_mapping import StyleMapping
from gansample.errors import ArtefactError
from gansample.runtimes.styles import Mapping
from gansample.types import Latents, Styles


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitGenerator:
    """A generator and its two graphs-to-be."""

    whole: ExportModel
    """Its spec says that it has a mapping, and which."""
    mapping_file: bytes
    mapping: Mapping
    """The very file, opened as gansample will."""
    synthesis: ExportModel
    """Styles to pictures."""


def split(generator: ExportModel) -> SplitGenerator | None:
    """Export the mapping of `generator`; None for one that has none.

    Raises ArtefactError where PyTorch cannot trace it.
    """
    network = generator.network
    if not isinstance(network, HasMapping):
        return None
    layers, size = shape_of_styles(network, generator.spec.latent_size, generator.spec.classes is not None)
    file = _export_mapping(generator)
    spec = replace(generator.spec, mapping=StyleMapping(layers=layers, size=size, sha256=digest(file)))
    mapping = Mapping(file, spec)

    def styles(z: Latents) -> Styles:
        return mapping.styles(z, cycled_labels(spec, len(z)), np.ones(len(z), np.float32))

    return SplitGenerator(
        whole=ExportModel(network, spec),
        mapping_file=file,
        mapping=mapping,
        synthesis=ExportModel(SynthesisNetwork(network), SynthesisSpec.from_whole(spec, styles)),
    )


def _export_mapping(generator: ExportModel) -> bytes:
    spec: Spec = generator.spec
    n = 2  # an example of size 1 would be specialised into the graph
    example = {"z": torch.zeros(n, spec.latent_size), "psi": torch.ones(n)}
    if spec.classes is not None:
        example["label"] = torch.zeros(n, dtype=torch.int64)
    model = traced(MappingNetwork(generator.network).eval(), example, {name: name for name in example}, ["w"])
    if not model.graph.input[0].type.tensor_type.shape.dim[0].dim_param:
        raise ArtefactError(
            "the generator's mapping fixes the number of its latents",
            "let it map the batch at once, with z.shape[0] for its size",
        )
    forget_source(model)
    return finish(model, spec)
