"""A generator of two parts is exported as two graphs, known by its attributes, and judged at psi 1 and nearer to the mean."""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch import Tensor, nn

import tests.support.style_generator as style_generator
from export.build import build_bundle
from export.export_model import ExportModel, cycled_labels, render
from export.importers.load_generator import load_generator
from export.importers.request import ImportRequest
from export.importers.style_adapter import StyleAdapter
from export.mapping import AtPsi, SynthesisNetwork
from export.variants import onnx_fp32, openvino_fp32
from gansample.bundle.fidelity import GATES, compare
from gansample.bundle.open import open_bundle
from gansample.bundle.spec import Spec
from gansample.errors import ParityError
from gansample.latents import latents
from gansample.sampling.sampler import open_sampler
from tests.support.style_generator import LATENT, LAYERS, SIZE, StyleGenerator

BUILDERS = {onnx_fp32.NAME: onnx_fp32.build, openvino_fp32.NAME: openvino_fp32.build}


def model(classes: int = 0, network: nn.Module | None = None) -> ExportModel:
    names = tuple(f"c{i}" for i in range(classes)) or None
    spec = Spec(name="styles", latent_size=LATENT, height=16, width=16, channels=3, classes=names)
    return ExportModel(network or StyleGenerator(classes), spec)


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple[ExportModel, Path]:
    folder = tmp_path_factory.mktemp("artifacts") / "styles"
    generator = model(classes=3)
    build_bundle(generator, folder, builders=BUILDERS, effort="quick")
    return generator, folder


def test_two_graphs_with_the_ports_they_are_said_to_have(exported: tuple[ExportModel, Path]) -> None:
    _, folder = exported
    ports = {}
    for name in ("mapping.onnx", "generator.onnx"):
        graph = onnx.load(folder / name).graph
        ports[name] = {
            value.name: [dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim]
            for value in (*graph.input, *graph.output)
        }
    assert ports["mapping.onnx"] == {"z": ["N", LATENT], "psi": ["N"], "label": ["N"], "w": ["N", LAYERS, SIZE]}
    assert ports["generator.onnx"] == {"w": ["N", LAYERS, SIZE], "images": ["N", 16, 16, 3]}


@pytest.mark.parametrize("psi", [1.0, 0.7, 0.0, -0.5])
@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
def test_it_draws_what_pytorch_draws_at_any_psi(exported: tuple[ExportModel, Path], psi: float, backend: str) -> None:
    generator, folder = exported
    network = AtPsi(generator.network, psi) if psi != 1 else generator.network
    z = latents(range(60), LATENT)
    wanted = render(ExportModel(network, generator.spec).in_precision(torch.float64), z, cycled_labels(generator.spec, 60))
    with open_sampler(folder, backend) as sampler:
        assert not GATES["fp32"].failures(compare(sampler.sample(range(60), psi=psi), wanted.images))


def test_goldens_and_receipts_cover_both(exported: tuple[ExportModel, Path]) -> None:
    _, folder = exported
    goldens = np.load(folder / "golden.npz")
    assert goldens["psi"].tolist() == pytest.approx([1, 0.7] * 32)
    assert goldens["seeds"].tolist() == [seed for seed in range(32) for _ in range(2)]
    document = json.loads((folder / "bundle.json").read_text())
    assert document["schema"] == 2
    for variant in document["variants"]:
        assert {row["latents"] for row in variant["parity"]["rows"]} >= {"seeds", "psi 0.7", "psi 0"}
    assert open_bundle(folder).spec.mapping is not None


class ShiftsStyles(SynthesisNetwork):
    """A synthesis that is wrong only near the mean style, as a form that saturates there might be."""

    def forward(self, w: Tensor) -> Tensor:
        near = (w - self.network.w_avg).abs().amax((1, 2), keepdim=True) < 1e-3
        return super().forward(torch.where(near, w + 0.5, w))


def test_what_is_wrong_near_the_mean_style_alone_does_not_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("export.graph.mapping_to_onnx.SynthesisNetwork", ShiftsStyles)
    with pytest.raises(ParityError, match="psi 0: "):
        build_bundle(model(), tmp_path / "styles", builders={onnx_fp32.NAME: onnx_fp32.build}, effort="quick")


def test_compact_weights_draw_through_a_mapping_too(tmp_path: Path) -> None:
    build_bundle(model(), tmp_path / "styles", builders={onnx_fp32.NAME: onnx_fp32.build}, compact=True, effort="quick")
    with open_sampler(tmp_path / "styles") as sampler:
        mean = sampler.sample(range(3), psi=0)
        assert (mean == mean[0]).all()


@pytest.mark.parametrize("classes", [0, 3])
def test_a_users_class_is_known_by_its_parts(tmp_path: Path, classes: int) -> None:
    torch.save(StyleGenerator(classes).state_dict(), tmp_path / "gen.pth")
    source = Path(style_generator.__file__)
    request = ImportRequest(
        weights=tmp_path / "gen.pth",
        generator=f"{source}:StyleGenerator",
        kwargs={"classes": classes},
        latent="normal",
    )
    imported = load_generator(request)
    network = imported.generator.network
    assert isinstance(network, StyleAdapter)
    assert any("synthesis(mapping(z)), with 4 styles of 5" in note.text for note in imported.log.notes)
    z, label = torch.randn(3, LATENT), torch.tensor([0, 2, 1]) if classes else None
    assert torch.allclose(network.synthesis(network.mapping(z, label)), network(z, label), atol=1e-6)


TRUNCATES = """
import torch
from torch import nn
class Generator(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(8, 12), nn.Linear(12, 192)
        self.register_buffer("w_avg", torch.ones(6))
    def mapping(self, z):
        return self.a(z).view(-1, 2, 6)
    def synthesis(self, w):
        return torch.tanh(self.b(w.flatten(1))).view(-1, 3, 8, 8)
    def forward(self, z):
        return self.synthesis(FORWARD)
"""


@pytest.mark.parametrize(
    ("forward", "styled"), [("self.mapping(z)", True), ("self.w_avg + 0.7 * (self.mapping(z) - self.w_avg)", False)]
)
def test_parts_that_do_not_make_forwards_picture_are_left_alone(tmp_path: Path, forward: str, styled: bool) -> None:
    text = TRUNCATES.replace("FORWARD", forward)
    (tmp_path / "model.py").write_text(text, encoding="utf-8")
    scope: dict[str, type[nn.Module]] = {}
    exec(text, scope)
    torch.manual_seed(0)
    torch.save(scope["Generator"]().state_dict(), tmp_path / "gen.pth")
    request = ImportRequest(weights=tmp_path / "gen.pth", generator=f"{tmp_path / 'model.py'}:Generator", latent="normal")
    imported = load_generator(request)
    assert isinstance(imported.generator.network, StyleAdapter) is styled
    assert any("forward draws other pictures" in note.text for note in imported.log.notes) is not styled
