"""Equalising channels changes no picture, only how far each channel reaches."""

from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import nn

from export.export_model import ExportModel
from export.graph.passes.equalise import equalise_channels, seams
from export.graph.to_onnx import export_graph
from gansample.bundle.spec import Spec
from gansample.latents import latents

pytestmark = [pytest.mark.filterwarnings("ignore::DeprecationWarning"), pytest.mark.filterwarnings("ignore::FutureWarning")]


def test_equalised_channels_change_no_picture_and_one_range_suits_them() -> None:
    """Over a matrix product, a transposed convolution and a convolution, with ReLU, LeakyReLU and upsampling between."""
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Linear(6, 8 * 16), nn.Unflatten(1, (8, 4, 4)), nn.ReLU(),
        nn.ConvTranspose2d(8, 12, 4, 2, 1), nn.LeakyReLU(0.2), nn.Upsample(scale_factor=2),
        nn.Conv2d(12, 1, 3, 1, 1), nn.Tanh(),
    )  # fmt: skip
    graph = export_graph(ExportModel(network, Spec(name="three", latent_size=6, height=16, width=16, channels=1)))
    debug_graph = onnx.load_from_string(graph.debug_graph)
    assert len(list(seams(debug_graph))) == 2
    z = latents(range(32), 6)
    ranges: dict[str, list[Any]] = {"before": [], "after": []}
    for when, model in (
        ("before", debug_graph),
        ("after", equalise_channels(debug_graph, lambda name: reach_of(debug_graph, name, z))),
    ):
        ranges[when] = [reach_of(model, seam.tensor, z) for seam in seams(model)]
        unrounded = onnxruntime.InferenceSession(model.SerializeToString()).run(["levels"], {"z": z})[0]
        ranges[when].append(unrounded)
    np.testing.assert_allclose(ranges["after"].pop(), ranges["before"].pop(), atol=1e-3)
    for before, after in zip(ranges["before"], ranges["after"], strict=True):
        assert after.max() / after.min() < 1.05 * (before.max() / before.min()) ** 0.5


def reach_of(model: onnx.ModelProto, name: str, z: Any) -> Any:
    """The largest magnitude of each channel of a tensor inside the graph."""
    wide = onnx.ModelProto()
    wide.CopyFrom(model)
    wide.graph.output.append(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None))
    return np.abs(onnxruntime.InferenceSession(wide.SerializeToString()).run([name], {"z": z})[0]).max((0, 2, 3)).astype(float)
