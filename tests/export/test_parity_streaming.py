"""The judge sees batches that flow by and gives the figures of all pictures at once; large pictures are fewer."""

import numpy as np
import pytest
import torch
from torch import nn

from export.effort import at_once, batch_sizes, compared_latents
from export.export_model import ExportModel, render
from export.parity.reference import Reference, render_reference, unrounded_psnr_db
from export.parity.verdict import check_parity
from gansample.bundle.fidelity import compare, mean_square_steps, psnr_db
from gansample.bundle.spec import Spec

SPEC = Spec(name="small", latent_size=4, height=8, width=8, channels=3, classes=("zero", "one", "two"))


class Generator(nn.Module):
    """Labels shift the latent; a linear map draws."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.classes, self.draws = nn.Embedding(3, 4), nn.Linear(4, 192)

    def forward(self, z: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
        return torch.tanh(self.draws(z + self.classes(label))).reshape(-1, 3, 8, 8)


@pytest.fixture(scope="module")
def reference() -> Reference:
    return render_reference(ExportModel(Generator(), SPEC), seeds=range(150))


@pytest.mark.parametrize("batch", [1, 7, 64, 150])
def test_the_figures_are_those_of_all_pictures_at_once(reference: Reference, batch: int) -> None:
    rough = ExportModel(Generator(), SPEC).in_precision(torch.bfloat16)
    z, label = reference.z[:150], reference.label
    assert label is not None
    expected = render(reference.generator, reference.z, label)
    drawn, truth = render(rough, z, label[:150]), expected.images[:150]
    report = check_parity(
        lambda z, label: render(rough, z, label).images,
        lambda: lambda z, label: render(rough, z, label).unrounded,
        reference,
        variant="v",
        precision="int8",
        batches={batch: 150},
    )
    assert np.array_equal(reference.images, expected.images)
    assert report.overall == compare(drawn.images, truth)
    errors = mean_square_steps(drawn.images, truth)
    assert report.worst.seed == int(errors.argmax())
    assert report.worst.seed_psnr_db == psnr_db(float(errors.max()))
    assert report.unrounded_psnr_db == pytest.approx(unrounded_psnr_db(drawn.unrounded, expected.unrounded[:150]), abs=1e-9)
    raw = reference.distribution.features.extract(drawn.images)
    assert report.shift.frechet.value == pytest.approx(reference.distribution.shift(raw).frechet.value, rel=1e-3)
    by_class = [psnr_db(float(errors[label[:150] == k].mean())) for k in range(3)]
    assert report.worst_class == (("zero", "one", "two")[int(np.argmin(by_class))], min(by_class))


@pytest.mark.parametrize(
    ("side", "full", "quick", "largest", "together"),
    [(28, 1024, 128, 64, 64), (128, 1024, 128, 64, 64), (256, 256, 32, 32, 16), (512, 64, 32, 8, 4), (1024, 32, 32, 2, 1)],
)
def test_large_pictures_are_fewer(side: int, full: int, quick: int, largest: int, together: int) -> None:
    spec = Spec(name="large", latent_size=4, height=side, width=side, channels=3)
    assert (compared_latents(spec), compared_latents(spec, "quick"), at_once(spec)) == (full, quick, together)
    sizes = batch_sizes(spec, full)
    assert (max(sizes), sizes[max(sizes)]) == (largest, full)
    assert {1, 2} <= set(sizes), "a picture that depends on its batch is seen at every size"


def test_a_thousand_small_pictures_are_compared_as_ever() -> None:
    assert batch_sizes(SPEC, 1024) == {1: 64, 2: 64, 3: 66, 17: 68, 64: 1024}
