"""Half the size, the same pictures: what is stored in half precision is exactly what was judged."""

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto
from torch import nn

from export.build import build_bundle
from export.export_model import ExportModel, render
from export.graph.compact import compact_weights, store_as_half
from export.graph.passes.measure import optimise
from export.graph.to_onnx import export_graph
from export.variants import BUILDERS
from gansample.bundle.open import open_bundle
from gansample.bundle.spec import Spec
from gansample.errors import ParityError
from gansample.latents import latents
from gansample.sampling.verify import check_variants
from train.model.average import recompute_statistics
from train.model.latents import LatentSpace
from train.model.networks import Generator

SPEC = Spec(name="small", latent_size=8, height=16, width=16, channels=1, classes=("a", "b"))


def generator() -> ExportModel:
    torch.manual_seed(0)
    generator = Generator(latent_size=8, image_size=16, channels=1, width=16, classes=2)
    for parameter in generator.parameters():
        if parameter.dim() > 1:
            nn.init.normal_(parameter, 0, 0.1)
    recompute_statistics(generator, LatentSpace(size=8, class_shares=(0.5, 0.5)))
    return ExportModel(generator, SPEC)


def test_folding_is_exact_in_float64() -> None:
    original = generator().in_precision(torch.float64)
    folded = compact_weights(generator())
    assert not [layer for layer in folded.modules() if isinstance(layer, nn.BatchNorm2d)]
    z, label = latents(range(64), 8), np.arange(64) % 2
    difference = render(folded.in_precision(torch.float64), z, label).unrounded - render(original, z, label).unrounded
    assert 0 < np.abs(difference).max() < 0.5, "rounding the weights changes a little, folding nothing"
    receipt = folded.spec.provenance["weights"]
    assert receipt["stored"] == "fp16"
    assert receipt["against_trained"]["mean_step"] < 0.1


def test_large_tensors_are_stored_in_half_and_not_one_value_changes() -> None:
    rounded = compact_weights(generator())
    graph, _ = optimise(export_graph(rounded), rounded.spec)
    small = store_as_half(graph, rounded.spec)
    assert len(small.model) < 0.65 * len(graph.model)
    tensors = onnx.load_from_string(small.model).graph.initializer
    assert not [tensor.name for tensor in tensors if tensor.data_type == TensorProto.FLOAT and np.prod(tensor.dims) >= 1024]
    import onnxruntime

    z, label = latents(range(32), 8), np.arange(32) % 2
    before, after = (
        onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"]).run(["levels"], {"z": z, "label": label})[0]
        for model in (graph.debug_graph, small.debug_graph)
    )
    assert np.array_equal(before, after)


def test_a_compact_bundle_passes_and_verifies(tmp_path: Path) -> None:
    reference = {"onnx-fp32": BUILDERS["onnx-fp32"]}
    outcome = build_bundle(generator(), tmp_path / "compact", reference, compact=True)
    assert [report.verdict for report in outcome.reports] == ["PASS"]
    bundle = open_bundle(tmp_path / "compact")
    assert bundle.spec.provenance["weights"]["stored"] == "fp16"
    assert next(check_variants(bundle)).verdict == "PASS"
    build_bundle(generator(), tmp_path / "full", reference)
    full, compact = ((tmp_path / name / "generator.onnx").stat().st_size for name in ("full", "compact"))
    assert compact < 0.65 * full


@pytest.mark.parametrize("factor", [1e-6, 1e7])
def test_weights_that_half_precision_cannot_hold_are_refused(factor: float) -> None:
    """Too small, and their digits are gone; too large, and they are infinite. The layer after makes up for it in float32."""
    original = generator()
    first, second = (layer for layer in original.network.layers if isinstance(layer, nn.ConvTranspose2d))
    norm = original.network.layers[5]
    with torch.no_grad():
        first.weight.mul_(factor)
        norm.running_mean.mul_(factor)
        norm.running_var.mul_(factor**2)
        norm.eps *= factor**2
        norm.weight.mul_(factor)
        norm.bias.mul_(factor)
        second.weight.div_(factor)
    with pytest.raises(ParityError, match=r"weights in half precision change the pictures too much.*export without --compact"):
        compact_weights(original)
