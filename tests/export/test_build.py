"""Export: what leaves PyTorch draws the same pictures, or is not written at all."""

import json
import math
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from export.build import build_bundle
from export.bundle_writer.write import write_bundle
from export.export_model import ExportModel, render
from export.graph.to_onnx import ExportedGraph, export_graph, finish
from export.parity.reference import render_reference
from export.parity.verdict import check_parity
from export.variants import onnx_fp32
from gansample.bundle.fidelity import GATES, Fidelity, compare
from gansample.bundle.open import open_bundle
from gansample.bundle.seal import seal_holds
from gansample.bundle.spec import Spec, ValueRange
from gansample.errors import ArtefactError, OutputError, ParityError
from gansample.latents import latents
from gansample.sampling.sampler import open_sampler

SPEC = Spec(name="small", latent_size=5, height=8, width=8, channels=3)


class SmallGenerator(nn.Module):
    """A DCGAN in miniature: Linear, BatchNorm, two transposed convolutions; optionally with an embedding for labels."""

    def __init__(self, channels: int = 3, classes: int = 0, last: nn.Module | None = None) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.embedding = nn.Embedding(classes, 3) if classes else None
        self.start = nn.Linear(5 + 3 * bool(classes), 8 * 2 * 2)
        self.grow = nn.Sequential(
            nn.BatchNorm2d(8), nn.ReLU(), nn.ConvTranspose2d(8, 4, 4, 2, 1), nn.BatchNorm2d(4), nn.ReLU(),
            nn.ConvTranspose2d(4, channels, 4, 2, 1), last or nn.Tanh(),
        )  # fmt: skip
        for norm in (self.grow[0], self.grow[3]):
            norm.running_mean.normal_(0, 0.2)
            norm.running_var.uniform_(0.2, 0.5)
            nn.init.uniform_(norm.weight, 1, 2)

    def forward(self, z: torch.Tensor, label: torch.Tensor | None = None) -> torch.Tensor:
        if self.embedding is not None:
            z = torch.cat([z, self.embedding(label)], 1)
        return self.grow(self.start(z).view(-1, 8, 2, 2))


@pytest.fixture(scope="module")
def generator() -> ExportModel:
    return ExportModel(SmallGenerator(), SPEC)


@pytest.fixture(scope="module")
def graph(generator: ExportModel) -> ExportedGraph:
    return export_graph(generator)


@pytest.fixture(scope="module")
def bundle(generator: ExportModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("artifacts") / "small"
    build_bundle(generator, folder, builders={onnx_fp32.NAME: onnx_fp32.build})
    return folder


def test_the_bundle_draws_what_pytorch_draws(bundle: Path, generator: ExportModel) -> None:
    with open_sampler(bundle) as sampler:
        drawn = sampler.sample(range(200))
    expected = render(generator.in_precision(torch.float64), latents(range(200), 5)).images
    assert GATES["fp32"].failures(compare(drawn, expected)) == []


def test_the_bundle_is_complete_and_sealed(bundle: Path) -> None:
    assert {path.name for path in bundle.iterdir()} == {
        "bom.cdx.json",
        "bundle.json",
        "generator.onnx",
        "golden.npz",
        "report.html",
        "README.md",
    }
    opened = open_bundle(bundle)
    assert all(opened.read(name) for name in opened.files)
    parity = opened.variant("onnx-fp32").parity
    assert parity["verdict"] == "PASS"
    assert [row["batch"] for row in parity["rows"] if row["latents"] == "seeds"] == [1, 2, 3, 17, 64]
    assert {row["latents"] for row in parity["rows"]} == {"seeds", "tails", "truncated 0.1", "truncated 1"}
    assert sum(row["images"] for row in parity["rows"]) >= 1000
    assert opened.variant("onnx-fp32").speed["images_per_second"]["64"] > 0
    assert opened.spec.provenance["exported_with"]["torch"] == torch.__version__


def test_the_graph_is_what_the_design_says(bundle: Path) -> None:
    model = onnx.load(bundle / "generator.onnx")
    assert [(port.name, port.type.tensor_type.elem_type) for port in model.graph.input] == [("z", onnx.TensorProto.FLOAT)]
    (images,) = model.graph.output
    assert (images.name, images.type.tensor_type.elem_type) == ("images", onnx.TensorProto.UINT8)
    dims = images.type.tensor_type.shape.dim
    assert (dims[0].dim_param, [d.dim_value for d in dims[1:]]) == ("N", [8, 8, 3])
    assert model.graph.node[-1].op_type == "Cast", "TensorRT has uint8 only as a last Cast"
    assert {entry.key for entry in model.metadata_props} == {"gansample.spec", "gansample.seal"}
    assert not [init.name for init in model.graph.initializer if init.external_data]
    assert str(Path.cwd()).encode() not in model.SerializeToString(), "no path of the exporting machine leaves it"


def test_goldens_are_float64s_pictures(bundle: Path, generator: ExportModel) -> None:
    with np.load(bundle / "golden.npz") as golden:
        expected = render(generator.in_precision(torch.float64), latents(golden["seeds"].tolist(), 5)).images
        assert np.array_equal(golden["images"], expected)
        assert len(golden["seeds"]) == 64


def test_the_report_shows_both_sides(bundle: Path) -> None:
    report = (bundle / "report.html").read_text()
    assert report.count("data:image/webp;base64,") == 6
    assert "PASS" in report
    assert "http" not in report, "the page loads nothing"


def test_the_same_generator_gives_the_same_file(graph: ExportedGraph) -> None:
    assert export_graph(ExportModel(SmallGenerator(), SPEC)).model == graph.model


def test_one_perturbed_weight_fails_and_writes_nothing(
    generator: ExportModel, graph: ExportedGraph, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = onnx.load_from_string(graph.model)
    weight = next(init for init in model.graph.initializer if init.name.endswith("grow.2.weight"))
    values = onnx.numpy_helper.to_array(weight).copy()
    values[0, 0, 1, 1] += 0.05
    weight.CopyFrom(onnx.numpy_helper.from_array(values, weight.name))
    perturbed = finish(model, SPEC)
    assert seal_holds(perturbed), "only the pictures can tell"
    monkeypatch.setattr("export.build.export_graph", lambda *_: ExportedGraph(perturbed, graph.debug_graph))
    with pytest.raises(ParityError, match="does not draw the pictures of PyTorch float64"):
        build_bundle(generator, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["out.failed.html"], "a report, and no bundle"
    assert "grow.2 (ConvTranspose2d)" in (tmp_path / "out.failed.html").read_text()


def test_comparing_nothing_is_a_failure(generator: ExportModel) -> None:
    reference = render_reference(generator, range(16))
    with pytest.raises(ValueError, match="comparison of nothing"):
        check_parity(lambda z, label: z, None, reference, variant="none", precision="fp32", batches={})
    assert GATES["fp32"].failures(compare(np.empty((0, 1, 1, 1), np.uint8), np.empty((0, 1, 1, 1), np.uint8)))


def test_a_picture_that_depends_on_its_batch_fails(generator: ExportModel) -> None:
    reference = render_reference(generator, range(16))

    def fickle(z: np.ndarray, label: object) -> np.ndarray:
        images = render(reference.generator, z).images
        images[0, 0, 0, 0] ^= len(z) > 1  # one step in one channel: inside the gate, but not the same picture
        return images

    report = check_parity(fickle, None, reference, variant="v", precision="int8", batches={1: 4, 4: 16})
    assert "a picture changes with the batch" in report.failures[0]


def test_a_channel_between_two_levels_may_be_rounded_otherwise_from_batch_to_batch(generator: ExportModel) -> None:
    """ONNX Runtime's kernels sum in another order for another batch size; the last bit then decides."""
    reference = render_reference(generator, range(64))
    level = reference.unrounded[:64]
    n, *channel = np.unravel_index(np.abs(level - np.floor(level) - 0.5).argmin(), level.shape)
    below = int(level[n, *channel])

    def rounding(z: np.ndarray, label: object) -> np.ndarray:
        images = render(reference.generator, z).images
        images[(z == reference.z[n]).all(1), *channel] = below + (len(z) > 1)
        return images

    report = check_parity(rounding, None, reference, variant="v", precision="fp32", batches={1: 64, 64: 64})
    assert report.failures == ()
    assert report.to_dict()["batch_invariant"] is False, "and it is recorded"


@pytest.mark.parametrize(
    ("seen", "precision", "failing"),
    [
        (Fidelity(images=9, max_step=1, mean_step=0.0, identical=0.9999, psnr_db=90, ssim=1, worst_psnr_db=80), "fp32", 0),
        (Fidelity(images=9, max_step=2, mean_step=0.0, identical=0.9999, psnr_db=90, ssim=1, worst_psnr_db=80), "fp32", 1),
        (Fidelity(images=9, max_step=1, mean_step=0.0, identical=0.99, psnr_db=70, ssim=1, worst_psnr_db=60), "fp32", 1),
        (Fidelity(images=9, max_step=5, mean_step=0.05, identical=0.9, psnr_db=61, ssim=1, worst_psnr_db=50), "fp16", 0),
        (Fidelity(images=9, max_step=5, mean_step=0.2, identical=0.9, psnr_db=59, ssim=1, worst_psnr_db=50), "fp16", 2),
        (Fidelity(images=9, max_step=90, mean_step=1, identical=0.9, psnr_db=40, ssim=1, worst_psnr_db=12), "int8", 1),
        (
            Fidelity(
                images=9,
                max_step=math.nan,
                mean_step=math.nan,
                identical=math.nan,
                psnr_db=math.nan,
                ssim=math.nan,
                worst_psnr_db=math.nan,
            ),
            "fp32",
            5,
        ),
    ],
)
def test_gates(seen: Fidelity, precision: str, failing: int) -> None:
    assert len(GATES[precision].failures(seen)) == failing


@pytest.mark.parametrize(
    ("value_range", "x", "level"),
    [
        ("tanh", -1.5, 0),
        ("tanh", 0.0, 128),
        ("tanh", 1 / 255, 128),
        ("sigmoid", 0.5, 128),
        ("bytes", 260.0, 255),
        ("bytes", 2.5, 2),
    ],
)
def test_pixels_round_half_to_even(value_range: ValueRange, x: float, level: int) -> None:
    class Constant(nn.Module):
        def forward(self, z: torch.Tensor) -> torch.Tensor:
            return torch.full((len(z), 1, 1, 1), x, dtype=z.dtype)

    spec = Spec(name="c", latent_size=1, height=1, width=1, channels=1, value_range=value_range)
    generator = ExportModel(Constant(), spec)
    assert int(render(generator, np.zeros((1, 1), np.float32)).images.item()) == level


def test_a_conditional_generator_keeps_its_classes(tmp_path: Path) -> None:
    spec = Spec(name="pets", latent_size=5, height=8, width=8, channels=1, classes=("ant", "bee", "cat"))
    network = SmallGenerator(channels=1, classes=3)
    build_bundle(ExportModel(network, spec), tmp_path / "pets", builders={onnx_fp32.NAME: onnx_fp32.build})
    with open_sampler(tmp_path / "pets") as sampler, np.load(tmp_path / "pets" / "golden.npz") as golden:
        drawn = sampler.sample(golden["seeds"].tolist(), labels=golden["label"].tolist())
        assert GATES["fp32"].failures(compare(drawn, golden["images"])) == []
        assert set(golden["label"].tolist()) == {0, 1, 2}


class Collapsed(nn.Module):
    def forward(self, z: torch.Tensor) -> torch.Tensor:
        return torch.zeros(len(z), 3, 8, 8, dtype=z.dtype) + 0 * z.sum()


class Broken(SmallGenerator):
    def forward(self, z: torch.Tensor, label: torch.Tensor | None = None) -> torch.Tensor:
        return super().forward(z) * float("nan")


@pytest.mark.parametrize(("network", "words"), [(Collapsed(), "same picture for every latent"), (Broken(), "draws NaN")])
def test_unusable_generators_are_refused(network: nn.Module, words: str, tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match=words):
        build_bundle(ExportModel(network, SPEC), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_only_bundles_are_ever_replaced(bundle: Path, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "thesis.txt").write_text("years of work")
    with pytest.raises(OutputError, match="nothing was touched"):
        write_bundle(precious, SPEC, [], {})
    assert (precious / "thesis.txt").read_text() == "years of work"
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="no folder"):
        write_bundle(tmp_path / "file", SPEC, [], {})


def test_a_failed_write_keeps_the_old_bundle(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = {path.name: path.read_bytes() for path in bundle.iterdir()}
    real = Path.write_bytes

    def full(path: Path, data: bytes) -> int:
        if path.name == "golden.npz":
            raise OSError(28, "No space left on device")
        return real(path, data)

    monkeypatch.setattr(Path, "write_bytes", full)
    opened = open_bundle(bundle)
    with pytest.raises(OutputError, match="disk is full"):
        write_bundle(bundle, SPEC, opened.variants, before)
    assert {path.name: path.read_bytes() for path in bundle.iterdir()} == before
    assert [path.name for path in bundle.parent.iterdir()] == [bundle.name]


def test_manifest_is_plain_json(bundle: Path) -> None:
    def refuse(constant: str) -> float:
        raise AssertionError(f"{constant} is not JSON")

    json.loads((bundle / "bundle.json").read_text(), parse_constant=refuse)
