"""int8 beyond NNCF: quantisers that serve no layer go, and training computes what OpenVINO computes and only gets better."""

import numpy as np
import onnx
import pytest
import torch
from openvino import Model
from torch import nn

from export.export_model import Face
from export.graph.passes.latent_matmul import latent_matmul
from export.graph.passes.rewrite import apply
from export.graph.to_onnx import onnx_from_face
from export.variants import openvino_model
from export.variants.int8.finetune import Student, finetuned
from export.variants.int8.keep_float import draw
from export.variants.int8.layers import constant_value, quantised_layers, replace_constant
from export.variants.int8.with_nncf import quantised, without_idle_quantisers
from gansample.bundle.spec import Spec
from gansample.latents import latents
from tests.export.test_variants_build import small_face

pytestmark = [pytest.mark.filterwarnings("ignore::DeprecationWarning"), pytest.mark.filterwarnings("ignore::FutureWarning")]


@pytest.fixture(scope="module")
def models() -> tuple[Model, Model, onnx.ModelProto]:
    """(int8, float, graph); the int8 one with its biases off by a tenth, which training can undo."""
    twin = onnx.load_from_string(onnx_from_face(small_face()).twin)
    twin = apply(twin, latent_matmul(twin))
    float_model = openvino_model.read(twin.SerializeToString())
    model = without_idle_quantisers(quantised(float_model, latents(range(64), 12), None), float_model)
    for layer in list(quantised_layers(model)):
        if layer.bias is not None:
            replace_constant(layer.bias, 1.1 * constant_value(layer.bias))
    return model, float_model, twin


def test_the_student_computes_what_openvino_computes(models: tuple[Model, Model, onnx.ModelProto]) -> None:
    model, float_model, twin = models
    z = latents(range(100, 132), 12)
    with torch.no_grad():
        student = Student(twin, model, float_model)(torch.from_numpy(z)).numpy()
    openvino = draw(model, z, None, "f32")
    noise = np.square(openvino - draw(float_model, z, None, "f32")).mean()
    assert np.square(student - openvino).mean() < noise / 100  # a rounding may fall the other way


def _batch(i: int) -> tuple[np.ndarray, None]:
    return latents(range(32 * i + 1000, 32 * i + 1032), 12), None


def test_training_brings_the_pictures_nearer(models: tuple[Model, Model, onnx.ModelProto]) -> None:
    model, float_model, twin = models
    torch.manual_seed(0)
    trained, batches = finetuned(model, float_model, twin, _batch, 0.15)
    assert batches > 0
    z = latents(range(100_000, 100_064), 12)
    wanted = draw(float_model, z, None, "f32")
    before, after = (np.square(draw(one, z, None) - wanted).mean() for one in (model, trained))
    assert after < before
    assert len(list(quantised_layers(trained))) == len(list(quantised_layers(model)))


def test_quantisers_that_no_int8_layer_reads_are_taken_out() -> None:
    """After the last activation, on a looked-up label's way, and doubled around an upsampling; what is left still quantises."""
    torch.manual_seed(0)
    face = Face(Labelled(), Spec(name="labelled", latent_size=12, height=16, width=16, channels=1, classes=("a", "b", "c")))
    float_model = openvino_model.read(onnx_from_face(face).twin)
    z, label = latents(range(64), 12), np.arange(64) % 3
    plain = quantised(float_model, z, label)
    model = without_idle_quantisers(plain, float_model)
    readers = [op.input_value(0).get_node().get_type_name() for op in model.get_ops() if op.get_type_name() == "FakeQuantize"]
    assert len(readers) < sum(op.get_type_name() == "FakeQuantize" for op in plain.get_ops())
    assert not {"Tanh", "Parameter", "Interpolate"} & set(readers)
    names = {layer.node.get_friendly_name() for layer in quantised_layers(model)}
    assert len(names) >= 2
    assert names == {layer.node.get_friendly_name() for layer in quantised_layers(plain)}
    wanted = draw(float_model, z, label, "f32")
    before, after = (np.square(draw(one, z, label) - wanted).mean() for one in (plain, model))
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
