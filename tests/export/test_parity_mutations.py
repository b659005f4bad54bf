"""A generator that is wrong in one place does not pass: one weight, two batch norms, the rounding, or dropout left on."""

from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from export.export_model import ExportModel, PixelHead, render
from export.graph.to_onnx import export_graph
from export.parity.graph_tensors import onnx_tensors
from export.parity.reference import Reference, render_reference
from export.parity.verdict import ParityReport, check_parity
from gansample.bundle.spec import Spec
from gansample.runtimes.onnxruntime_cpu import OnnxRuntimeRunner

pytestmark = pytest.mark.slow  # each mutation goes the whole way through PyTorch's exporter

SPEC = Spec(name="mutant", latent_size=8, height=16, width=16, channels=3)
BATCHES = {1: 8, 3: 9, 64: 128}


class Generator(nn.Module):
    """A DCGAN of 16×16 pictures with dropout, whose two inner batch norms have the same size and can be swapped."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.ConvTranspose2d(8, 16, 4, bias=False),
            nn.BatchNorm2d(16),
            nn.ReLU(inplace=True),
            nn.Dropout(0.2),
            nn.ConvTranspose2d(16, 16, 4, 2, 1, bias=False),
            nn.BatchNorm2d(16),
            nn.ReLU(inplace=True),
            nn.ConvTranspose2d(16, 3, 4, 2, 1),
            nn.Tanh(),
        )

    def forward(self, z: Tensor) -> Tensor:
        return self.net(z[:, :, None, None])


@pytest.fixture(autouse=True)
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def trained_like() -> Generator:
    """Weights from a fixed stream, and the batch-norm statistics that belong to them."""
    torch.manual_seed(0)
    generator = Generator()
    with torch.no_grad():
        for module in generator.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.weight.normal_(1, 0.3)
                module.bias.normal_(0, 0.3)
        generator.net[7].weight.mul_(3)
        for _ in range(40):
            generator.train()(torch.randn(64, 8))
    return generator.eval()


@pytest.fixture(scope="module")
def reference() -> Reference:
    return render_reference(ExportModel(trained_like(), SPEC), seeds=range(128))


def judged(generator: ExportModel, reference: Reference) -> ParityReport:
    """The verdict on `generator` after the whole way: exported to ONNX, drawn by ONNX Runtime."""
    graph = export_graph(generator)
    with OnnxRuntimeRunner(graph.model, SPEC, threads=2) as runner:
        return check_parity(
            runner.run,
            None,
            reference,
            variant="onnx-fp32",
            precision="fp32",
            tensors=lambda z, label: onnx_tensors(graph.model, z, label),
            batches=BATCHES,
        )


def test_the_generator_itself_passes(reference: Reference) -> None:
    report = judged(ExportModel(trained_like(), SPEC), reference)
    assert report.failures == ()
    assert report.divergence is None
    assert {row.batch for row in report.rows} == {1, 3, 64}
    assert {row.latents for row in report.rows} == {"seeds", "tails", "truncated 0.1", "truncated 1"}


def one_weight(layer: int) -> Callable[[Generator], None]:
    def mutate(generator: Generator) -> None:
        weight = generator.net[layer].weight
        weight.data.flatten()[weight.numel() // 2] += 0.1 * weight.std().item()

    return mutate


def swap_batch_norms(generator: Generator) -> None:
    generator.net[1], generator.net[5] = generator.net[5], generator.net[1]


@pytest.mark.parametrize(
    ("mutate", "layer"),
    [
        pytest.param(one_weight(0), "net.0 ", id="first-layer-weight"),
        pytest.param(one_weight(4), "net.4 ", id="middle-layer-weight"),
        pytest.param(one_weight(7), "net.7 ", id="last-layer-weight"),
        pytest.param(one_weight(1), "net.1 ", id="batch-norm-weight"),
        pytest.param(swap_batch_norms, "net.1 ", id="swapped-batch-norms"),
    ],
)
def test_a_mutation_fails_and_its_layer_is_named(mutate: Callable[[Generator], None], layer: str, reference: Reference) -> None:
    generator = trained_like()
    with torch.no_grad():
        mutate(generator)
    report = judged(ExportModel(generator, SPEC), reference)
    assert report.verdict == "FAIL"
    assert report.divergence is not None
    # The exporter folds batch norms into the layer before, so a fault in one may be seen at the other.
    first = int(layer.strip().removeprefix("net."))
    assert any(report.divergence.first.startswith(f"net.{i} ") for i in (first, first - 1)), report.divergence.first


class RoundingDown(ExportModel):
    def forward(self, z: Tensor, label: Tensor | None = None) -> tuple[Tensor, Tensor]:
        unrounded = self.head(self.network(z))
        return unrounded.floor().to(torch.uint8), unrounded


class HalfStepHigh(PixelHead):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) * (255 / 256)


def test_rounding_down_fails_and_no_layer_is_blamed(reference: Reference) -> None:
    report = judged(RoundingDown(trained_like(), SPEC), reference)
    assert report.verdict == "FAIL"
    assert report.divergence is not None
    assert "pixel head" in report.divergence.first


def test_a_range_that_is_off_by_one_part_in_256_fails(reference: Reference) -> None:
    generator = ExportModel(trained_like(), SPEC)
    generator.head = HalfStepHigh("tanh")
    report = judged(generator, reference)
    assert report.verdict == "FAIL"
    assert report.divergence is not None
    assert "pixel head" in report.divergence.first


def test_dropout_left_on_fails(reference: Reference) -> None:
    generator = ExportModel(trained_like(), SPEC)
    generator.network.train()
    for module in generator.network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()  # only the dropout is at fault
    torch.manual_seed(1)
    report = check_parity(
        lambda z, label: render(generator, z, label).images,
        None,
        reference,
        variant="dropout",
        precision="int8",  # even by the widest gate
        batches=BATCHES,
    )
    assert report.verdict == "FAIL"
    assert any(failure.startswith("a picture changes with the batch") for failure in report.failures)


def test_batch_statistics_left_on_fail(reference: Reference) -> None:
    generator = ExportModel(trained_like(), SPEC)
    for module in generator.network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.train()
    report = check_parity(
        lambda z, label: render(generator, z, label).images,
        None,
        reference,
        variant="train-mode",
        precision="int8",
        batches={3: 9, 64: 128},
    )
    assert report.verdict == "FAIL"
    assert any(failure.startswith("a picture changes with the batch") for failure in report.failures)


def test_one_ruined_picture_among_many_fails_though_the_mean_is_fine(reference: Reference) -> None:
    """A thousand good pictures hide one that is garbage from any mean."""
    generator = ExportModel(trained_like(), SPEC)

    def images(z: np.ndarray, label: np.ndarray | None) -> np.ndarray:
        drawn = render(generator, z, label).images
        drawn[(z == reference.z[77]).all(axis=1)] ^= 0x80
        return drawn

    report = check_parity(images, None, reference, variant="one-off", precision="int8", batches={64: 128})
    assert report.verdict == "FAIL"
    assert report.worst.seed == 77
    assert any("one picture at" in failure for failure in report.failures)


def test_nothing_compared_is_no_verdict(reference: Reference) -> None:
    with pytest.raises(ValueError, match="comparison of nothing"):
        check_parity(lambda z, label: z, None, reference, variant="none", precision="fp32", batches={})
