"""What is wrong with a generator's pictures is measured and named; what is no generator is refused with what it seems to be."""

from collections.abc import Callable
from pathlib import Path

import onnx
import pytest
import torch
from torch import nn

from export.importers.call_signature import CallSignature, GeneratorAdapter
from export.importers.checks import batch_independent, check_pictures, refuse_random
from export.importers.from_names.layers import check_generator, layers_of
from export.importers.from_onnx import network_from_onnx
from export.importers.import_log import ImportLog
from export.importers.load_generator import load_generator
from export.importers.probe import find_call
from export.importers.request import ImportRequest
from export.importers.trial_call import Hints
from gansample.errors import ArtefactError, UsageError
from tests.support.synthetic_generators import ChannelsLast, Dcgan, LabelEmbedding, trained

SOURCE = Path(__file__).parents[1] / "support" / "synthetic_generators.py"


def dcgan(batches: int) -> nn.Module:
    return trained(lambda: Dcgan(0, 24, 8, 1), lambda module: module(torch.randn(32, 24, 1, 1)), batches)


def warnings_of(module: nn.Module, folder: Path, **options: bool) -> str:
    torch.save(module.state_dict(), folder / "gen.pth")
    request = ImportRequest(weights=folder / "gen.pth", generator=f"{SOURCE}:Dcgan", **options)
    return "\n".join(load_generator(request).log.texts("warning"))


def test_statistics_that_were_never_updated_are_named(tmp_path: Path) -> None:
    assert "never updated: export with --recalibrate-bn" in warnings_of(dcgan(0), tmp_path)


def test_statistics_that_do_not_fit_are_named_and_recalibrated(tmp_path: Path) -> None:
    module = dcgan(30)
    assert "running statistics" not in warnings_of(module, tmp_path)
    for layer in module.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.running_var *= 30
    assert "do not fit the weights" in warnings_of(module, tmp_path)
    assert "running statistics" not in warnings_of(module, tmp_path, recalibrate_bn=True)


def test_noise_is_called_out() -> None:
    log = ImportLog()
    check_pictures(torch.rand(64, 1, 32, 32) * 2 - 1, "tanh", log)
    assert "look like noise" in log.texts("warning")[0]


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (torch.full((64, 1, 16, 16), float("nan")), "draws NaN"),
        (torch.rand(1, 1, 16, 16).expand(64, -1, -1, -1), "the same picture for every latent"),
    ],
)
def test_pictures_that_cannot_be_meant_are_refused(images: torch.Tensor, message: str) -> None:
    with pytest.raises(ArtefactError, match=message):
        check_pictures(images, "tanh", ImportLog())


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (torch.sign(torch.randn(64, 1, 16, 16)), "saturated"),
        (torch.rand(1, 1, 16, 16) + 0.0005 * torch.rand(64, 1, 16, 16), "nearly the same picture"),
    ],
)
def test_collapse_and_saturation_are_warned_of(images: torch.Tensor, message: str) -> None:
    log = ImportLog()
    check_pictures(images, "tanh", log)
    assert message in "\n".join(log.texts("warning"))


class Noisy(nn.Module):
    def forward(self, z: torch.Tensor) -> torch.Tensor:
        return z.view(-1, 1, 16, 16) + torch.randn(1, 1, 16, 16)


class Mixing(nn.Module):
    def forward(self, z: torch.Tensor) -> torch.Tensor:
        return (z - z.mean(0)).view(-1, 1, 16, 16)


class Bare(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(1, track_running_stats=False)

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        return self.norm(z.view(-1, 1, 16, 16) ** 3)


FORM = CallSignature(latent=(256,), image=(1, 16, 16))


def test_randomness_inside_forward_is_refused_by_name() -> None:
    with pytest.raises(ArtefactError, match=r"another picture each time .*randn in forward"):
        refuse_random(GeneratorAdapter(Noisy(), FORM), torch.randn(8, 256), None)


@pytest.mark.parametrize(
    ("module", "message"), [(Mixing(), "depends on the others"), (Bare(), "keep no running statistics.*--recalibrate-bn")]
)
def test_pictures_that_depend_on_their_batch_are_refused(module: nn.Module, message: str) -> None:
    with pytest.raises(ArtefactError, match=message):
        batch_independent(GeneratorAdapter(module.eval(), FORM), torch.randn(16, 256), None, ImportLog())


DISCRIMINATOR = nn.Sequential(nn.Conv2d(3, 8, 4, 2, 1), nn.LeakyReLU(0.2), nn.Flatten(), nn.Linear(8 * 16 * 16, 1))
IMAGE_TO_IMAGE = nn.Sequential(nn.Conv2d(3, 8, 3, 1, 1), nn.ReLU(), nn.Conv2d(8, 3, 3, 1, 1))


class TwoPictures(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.c = nn.Conv2d(6, 3, 3, 1, 1)

    def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return self.c(torch.cat([a, b], 1))


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (DISCRIMINATOR, "discriminator or classifier"),
        (IMAGE_TO_IMAGE, "image-to-image network"),
        (TwoPictures(), "image-to-image network .takes 2 3×"),
        (nn.Linear(100, 10), r"gives \(5, 10\).*no picture"),
    ],
)
def test_other_networks_are_refused_with_what_they_seem_to_be(module: nn.Module, message: str) -> None:
    with pytest.raises(ArtefactError, match=message):
        find_call(module, Hints(), "net")


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (nn.Sequential(nn.Conv2d(3, 64, 4), nn.BatchNorm2d(64), nn.Conv2d(64, 1, 4)), "looks like a discriminator"),
        (nn.Sequential(nn.Conv2d(3, 64, 4), nn.Conv2d(64, 32, 4), nn.Conv2d(32, 3, 4)), "image-to-image"),
        (nn.Sequential(nn.Linear(784, 64), nn.Linear(64, 1)), "no picture"),
    ],
)
def test_weights_of_other_networks_are_recognised(module: nn.Module, message: str) -> None:
    with pytest.raises(ArtefactError, match=message):
        check_generator(layers_of(module.state_dict()), "x.pth")


def onnx_of(folder: Path, change: Callable[[onnx.ModelProto], None]) -> Path:
    z, x = (onnx.helper.make_tensor_value_info(name, 1, ["N", 256]) for name in ("z", "x"))
    weight = onnx.numpy_helper.from_array(torch.eye(256).numpy(), "w")
    nodes = [onnx.helper.make_node("MatMul", ["z", "w"], ["h"]), onnx.helper.make_node("Tanh", ["h"], ["x"])]
    graph = onnx.helper.make_graph(nodes, "g", [z], [x], [weight])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=9)
    change(model)
    (folder / "gan.onnx").write_bytes(model.SerializeToString())
    return folder / "gan.onnx"


def externalise(model: onnx.ModelProto) -> None:
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../etc/passwd")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (externalise, "external data"),
        (lambda model: setattr(model.graph.node[1], "domain", "com.example"), "uses operations of com.example"),
        (lambda model: setattr(model.opset_import[0], "version", 7), "has opset 7"),
        (lambda model: model.graph.node[1].input.__setitem__(0, "nowhere"), "no valid ONNX graph"),
        (lambda model: model.graph.ClearField("input"), "no valid ONNX graph"),
    ],
)
def test_onnx_that_cannot_be_trusted_or_read_is_refused(
    tmp_path: Path, change: Callable[[onnx.ModelProto], None], message: str
) -> None:
    with pytest.raises(ArtefactError, match=message):
        network_from_onnx(onnx_of(tmp_path, change))


@pytest.mark.parametrize(
    ("make", "generator", "message"),
    [
        (ChannelsLast, "Dcgan", "do not fit|no tensor's shape"),
        (ChannelsLast, "Generator", "has no class 'Generator'"),
        (lambda: Dcgan(0, 24, 8, 1), "Dcgan64", "do not fit.*missing.*unexpected"),
        (lambda: LabelEmbedding(7, 20), "up", "raises|no argument|no tensor|takes"),
    ],
)
def test_a_class_that_does_not_fit_is_told_as_a_diff(
    tmp_path: Path, make: Callable[[], nn.Module], generator: str, message: str
) -> None:
    torch.save(make().state_dict(), tmp_path / "gen.pth")
    with pytest.raises((ArtefactError, UsageError), match=message):
        load_generator(ImportRequest(weights=tmp_path / "gen.pth", generator=f"{SOURCE}:{generator}"))
