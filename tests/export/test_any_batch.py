"""Modules that PyTorch's tracer fixes to one batch size, and kernels that differ from picture to picture, for any size."""

from collections.abc import Callable

import numpy as np
import onnx
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from export.export_model import ExportModel, cycled_labels, render
from export.graph.per_sample_convolution import PerSampleConvolutions
from export.graph.to_onnx import export_graph
from export.importers.any_batch import for_any_batch
from export.importers.onnx_canonical import session
from gansample.bundle.spec import Spec
from gansample.errors import ArtefactError

pytestmark = [pytest.mark.filterwarnings("ignore::DeprecationWarning"), pytest.mark.filterwarnings("ignore::FutureWarning")]


class Drawn(nn.Module):
    """A generator of 8×8 pictures whose forward begins with `shaped`."""

    def __init__(self, shaped: Callable[..., Tensor], classes: int = 0) -> None:
        super().__init__()
        self.shaped, self.first = shaped, nn.Linear(6 + classes, 64)
        self.last = nn.Conv2d(4, 1, 3, padding=1)

    def forward(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        pictures: Tensor = torch.tanh(self.last(F.interpolate(self.shaped(self, z, label), scale_factor=2)))
        return pictures


FORWARDS: dict[str, Callable[..., Tensor]] = {
    "len": lambda m, z, _: m.first(z).view(len(z), 4, 4, 4),
    "shape": lambda m, z, _: m.first(z).view(z.shape[0], 4, 4, 4),
    "squeeze": lambda m, z, _: m.first(z[:, :, None, None].squeeze()).view(len(z), 4, 4, 4),
}


def exported(network: nn.Module, classes: int | None = None) -> None:
    """Export, and hold the graph against PyTorch for several batch sizes."""
    torch.manual_seed(0)
    names = tuple(map(str, range(classes))) if classes is not None else None
    model = ExportModel(network, Spec(name="g", latent_size=6, height=8, width=8, channels=1, classes=names))
    run = session(onnx.load_from_string(export_graph(model, for_any_batch).debug_graph)).run
    for n in (1, 2, 3, 7, 9):
        z, label = model.spec.latents(range(n)), cycled_labels(model.spec, n)
        feed = {"z": z} if label is None else {"z": z, "label": label}
        assert np.abs(run(["levels"], feed)[0] - render(model, z, label).unrounded).max() < 0.05


@pytest.mark.parametrize("name", FORWARDS)
def test_any_batch_size_is_drawn(name: str) -> None:
    exported(Drawn(FORWARDS[name]))


def test_a_label_made_one_hot_inside_is_drawn_for_any_batch_size() -> None:
    def shaped(module: Drawn, z: Tensor, label: Tensor) -> Tensor:
        first: Tensor = module.first(torch.cat([z, F.one_hot(label, 3).to(z.dtype)], 1))
        return first.view(len(z), 4, 4, 4)

    exported(Drawn(shaped, classes=3), classes=3)


def test_a_loop_over_pictures_is_refused() -> None:
    def shaped(module: Drawn, z: Tensor, _: Tensor | None) -> Tensor:
        return torch.stack([module.first(z[i]).view(4, 4, 4) * (i + 1) for i in range(len(z))])

    with pytest.raises(ArtefactError, match="fixes the number of its pictures"):
        exported(Drawn(shaped))


class Modulated(nn.Module):
    """StyleGAN2's convolution: the batch becomes the groups."""

    def __init__(self, transposed: bool, padding: int, stride: int) -> None:
        super().__init__()
        self.kernel, self.style = nn.Parameter(torch.randn(1, 5, 3, 3, 3)), nn.Linear(6, 3)
        self.how, self.transposed = {"padding": padding, "stride": stride}, transposed

    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        n, channels, height, width = x.shape
        kernels = self.kernel * self.style(z).view(n, 1, channels, 1, 1)
        x = x.reshape(1, n * channels, height, width)
        if self.transposed:
            out = F.conv_transpose2d(x, kernels.transpose(1, 2).reshape(n * channels, 5, 3, 3), groups=n, **self.how)
        else:
            out = F.conv2d(x, kernels.view(n * 5, channels, 3, 3), groups=n, **self.how)
        return out.view(n, 5, *out.shape[2:])


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize(("padding", "stride"), [(1, 1), (0, 1), (0, 2), (1, 2)])
def test_a_kernel_for_each_picture_is_the_same_sum(transposed: bool, padding: int, stride: int) -> None:
    torch.manual_seed(0)
    module = Modulated(transposed, padding, stride)
    x, z = torch.randn(2, 3, 6, 7), torch.randn(2, 6)
    batch = torch.export.Dim("N", min=1, max=64)
    with PerSampleConvolutions():
        program = torch.export.export(module, (x, z), dynamic_shapes={"x": {0: batch}, "z": {0: batch}}).module()
    for n in (1, 2, 5):
        x, z = torch.randn(n, 3, 6, 7), torch.randn(n, 6)
        assert torch.allclose(program(x, z), module(x, z), atol=1e-4)
