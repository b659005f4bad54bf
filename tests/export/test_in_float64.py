"""A network that says float32 in its forward is compared in float64 all the same, or with itself in float32, by name."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from export.export_model import ExportModel, cycled_labels
from gansample.bundle.spec import Spec


class Drawn(nn.Module):
    """(N, 6) with a class of 3, whose forward asks for float32 in the way of `how`."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.how, self.fc = how, nn.Linear(9, 64)

    def forward(self, z: Tensor, label: Tensor) -> Tensor:
        hot = one_hot(label, 3)
        casts = {
            "float": lambda: hot.float(),
            "to": lambda: hot.to(torch.float32),
            "type": lambda: hot.type(torch.FloatTensor),
            "made": lambda: torch.zeros(len(z), 3, dtype=torch.float32).scatter_(1, label[:, None], 1),
            "default": lambda: torch.zeros(len(z), 3).scatter_(1, label[:, None], 1),
            "numpy": lambda: hot.float(),
        }
        joined = torch.empty(len(z), 9, dtype=casts[self.how]().dtype)
        joined[:, :6], joined[:, 6:] = z, casts[self.how]()
        if self.how == "numpy":
            joined = torch.from_numpy(joined.numpy().astype("float32"))
        return torch.tanh(self.fc(joined)).view(-1, 1, 8, 8)


def model(how: str) -> ExportModel:
    torch.manual_seed(0)
    return ExportModel(Drawn(how), Spec(name="g", latent_size=6, height=8, width=8, channels=1, classes=("a", "b", "c")))


@pytest.mark.parametrize("how", ["float", "to", "type", "made", "default"])
def test_what_is_asked_for_in_float32_becomes_float64(how: str) -> None:
    generator = model(how)
    z, label = generator.spec.latents(range(4)), cycled_labels(generator.spec, 4)
    assert label is not None
    reference = generator.reference_for(z, label)
    assert reference.reference_name == "PyTorch float64"
    drawn = reference(torch.from_numpy(z).double(), torch.from_numpy(label))[1]
    assert drawn.dtype == torch.float64
    plain = generator(torch.from_numpy(z), torch.from_numpy(label))[1]
    assert 0 < float((drawn - plain).detach().abs().max()) < 1e-3, "the same pictures, and closer ones"
    assert torch.zeros(1).dtype == torch.float32, "and nothing else is widened"


def test_what_float64_cannot_draw_is_compared_in_float32_by_name() -> None:
    generator = model("numpy")
    reference = generator.reference_for(generator.spec.latents(range(4)), cycled_labels(generator.spec, 4))
    assert reference.reference_name == "PyTorch float32"
