"""int8 beyond NNCF: quantisers that serve no layer are taken out."""

import numpy as np
import pytest
import torch
from torch import nn

from export.export_model import ExportModel
from export.graph.to_onnx import export_graph
from export.variants import openvino_model
from export.variants.int8.keep_float import infer_unrounded
from export.variants.int8.layers import quantised_layers
from export.variants.int8.with_nncf import quantise, without_idle_quantisers
from gansample.bundle.spec import Spec
from gansample.latents import latents

pytestmark = [pytest.mark.filterwarnings("ignore::DeprecationWarning"), pytest.mark.filterwarnings("ignore::FutureWarning")]


def test_quantisers_that_no_int8_layer_reads_are_taken_out() -> None:
    """After the last activation, on a looked-up label's way, and doubled around an upsampling; what is left still quantises."""
    torch.manual_seed(0)
    generator = ExportModel(
        Labelled(), Spec(name="labelled", latent_size=12, height=16, width=16, channels=1, classes=("a", "b", "c"))
    )
    float_model = openvino_model.read(export_graph(generator).debug_graph)
    z, label = latents(range(64), 12), np.arange(64) % 3
    plain = quantise(float_model, z, label)
    model = without_idle_quantisers(plain, float_model)
    readers = [op.input_value(0).get_node().get_type_name() for op in model.get_ops() if op.get_type_name() == "FakeQuantize"]
    assert len(readers) < sum(op.get_type_name() == "FakeQuantize" for op in plain.get_ops())
    assert not {"Tanh", "Parameter", "Interpolate"} & set(readers)
    names = {layer.node.get_friendly_name() for layer in quantised_layers(model)}
    assert len(names) >= 2
    assert names == {layer.node.get_friendly_name() for layer in quantised_layers(plain)}
    wanted = infer_unrounded(float_model, z, label, "f32")
    before, after = (np.square(infer_unrounded(one, z, label) - wanted).mean() for one in (plain, model))
    assert after < before


class Labelled(nn.Module):
    """A label looked up and joined to the latent, upsampling between convolutions."""

    def __init__(self) -> None:
        super().__init__()
        self.table, self.first = nn.Embedding(3, 4), nn.Linear(16, 32 * 4 * 4)
        self.body = nn.Sequential(
            nn.Unflatten(1, (32, 4, 4)), nn.ReLU(), nn.Upsample(scale_factor=2), nn.Conv2d(32, 32, 3, 1, 1), nn.ReLU(),
            nn.Upsample(scale_factor=2), nn.Conv2d(32, 1, 3, 1, 1), nn.Tanh(),
        )  # fmt: skip

    def forward(self, z: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
        pictures: torch.Tensor = self.body(self.first(torch.cat([z, self.table(label)], 1)))
        return pictures
