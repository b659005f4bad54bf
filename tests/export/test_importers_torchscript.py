"""TorchScript programs that were scripted, not traced: loops, branches, lists and defaults are still in them."""

import warnings
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from torch import Tensor, nn

from export.graph.to_onnx import export_graph
from export.importers.load_generator import load_generator
from export.importers.request import ImportRequest
from export.parity.reference import render_reference
from gansample.errors import ArtefactError
from gansample.latents import latents

pytestmark = [pytest.mark.filterwarnings("ignore::DeprecationWarning"), pytest.mark.filterwarnings("ignore::FutureWarning")]


class Blocks(nn.Module):
    """A Python loop over a ModuleList; nn.Upsample itself is scripted with loops, branches and lists."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(32, 16 * 4 * 4)
        block = (nn.Upsample(scale_factor=2), nn.Conv2d(16, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU())
        self.blocks = nn.ModuleList([nn.Sequential(*block) for _ in range(2)])
        self.last = nn.Conv2d(16, 3, 3, padding=1)

    def forward(self, z: Tensor) -> Tensor:
        x = self.first(z).view(z.size(0), 16, 4, 4)
        for block in self.blocks:
            x = block(x)
        return torch.tanh(self.last(x))


class Lists(Blocks):
    """A loop over numbers that fills a list, and one that runs while the picture is too small."""

    def forward(self, z: Tensor) -> Tensor:
        x = self.first(z).view(-1, 16, 4, 4)
        while x.shape[-1] < 16:
            x = nn.functional.interpolate(x, scale_factor=2.0, mode="nearest")
        steps: list[Tensor] = []
        for i in range(3):
            steps.append(x * float(i))
        return torch.tanh(self.last(steps[-1]))


class Branches(Blocks):
    """Branches on attributes, on the training mode and on the latent's form; a check; a number with a default."""

    def __init__(self) -> None:
        super().__init__()
        self.smooth, self.ending = True, "tanh"

    def forward(self, z: Tensor, truncation: float = 1.0) -> Tensor:
        if z.dim() == 4:
            z = z.flatten(1)
        if self.training:
            z = z + torch.randn_like(z)
        x = self.first(z * truncation).view(-1, 16, 4, 4)
        for block in self.blocks:
            x = block(x)
        if self.smooth:
            x = nn.functional.avg_pool2d(x, 3, 1, 1)
        x = self.last(x)
        assert x.shape[1] == 3
        if self.ending == "tanh":
            return torch.tanh(x)
        return torch.sigmoid(x)


class FixedBatch(Blocks):
    def forward(self, z: Tensor) -> Tensor:
        x = self.first(z).view(16, 16, 4, 4)
        for block in self.blocks:
            x = block(x)
        return torch.tanh(self.last(x))


class OptionalLabel(Blocks):
    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(5, 32)

    def forward(self, z: Tensor, label: Tensor | None = None) -> dict[str, Tensor]:
        if label is not None:
            z = z + self.table(label)
        x = self.first(z).view(-1, 16, 4, 4)
        for block in self.blocks:
            x = block(x)
        return {"image": torch.tanh(self.last(x))}


class OneByOne(Blocks):
    def forward(self, z: Tensor) -> Tensor:
        drawn: list[Tensor] = []
        for i in range(z.shape[0]):
            drawn.append(torch.tanh(self.last(self.blocks[0](self.blocks[1](self.first(z[i : i + 1]).view(1, 16, 4, 4))))))
        return torch.cat(drawn)


class Deciding(Blocks):
    def forward(self, z: Tensor) -> Tensor:
        x = self.first(z).view(-1, 16, 4, 4)
        if x.mean() > 1000:
            x = -x
        return torch.tanh(self.last(self.blocks[0](self.blocks[1](x))))


class FixedPrecision(Blocks):
    def forward(self, z: Tensor) -> Tensor:
        x = self.first(z + torch.zeros(1, 32, dtype=torch.float32) @ torch.ones(32, 32, dtype=torch.float32))
        return torch.tanh(self.last(self.blocks[0](self.blocks[1](x.to(torch.float32).view(-1, 16, 4, 4)))))


class OnGpu(Blocks):
    """Devices as a GPU leaves them in a program: where tensors are created, also such as freezing computes at once."""

    def forward(self, z: Tensor) -> Tensor:
        z = z + torch.zeros([z.size(0), 32], device=torch.device("cuda:0")) + torch.zeros([32], device="cuda").cuda()
        if z.is_cuda:
            z = z.to("cuda:1")
        return torch.tanh(self.last(self.blocks[0](self.blocks[1](self.first(z.to("cuda")).view(-1, 16, 4, 4)))))


def scripted(network: nn.Module, folder: Path) -> Path:
    torch.manual_seed(0)
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.normal_(layer.running_mean, 0, 0.2)
            nn.init.uniform_(layer.running_var, 0.5, 2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scripting is deprecated; programs out there are not gone
        torch.jit.script(network.eval()).save(folder / "gan.pt")
    return folder / "gan.pt"


@pytest.mark.parametrize("kind", [Blocks, Lists, Branches, FixedBatch, OptionalLabel])
def test_a_scripted_program_draws_what_its_class_draws(kind: type[nn.Module], tmp_path: Path) -> None:
    network = kind()
    generator = load_generator(ImportRequest(torchscript=scripted(network, tmp_path))).generator
    z, label = latents(range(16), generator.spec.latent_size), None
    assert (generator.spec.height, generator.spec.channels) == (16, 3)
    feed = {"z": z}
    if kind is OptionalLabel:
        label = np.arange(16) % 5
        feed["label"] = label
    unrounded = onnxruntime.InferenceSession(export_graph(generator).debug_graph).run(["levels"], feed)[0]
    with torch.no_grad():
        drawn = network(torch.from_numpy(z)) if label is None else network(torch.from_numpy(z), torch.from_numpy(label))
    picture = drawn["image"] if isinstance(drawn, dict) else drawn
    np.testing.assert_allclose(unrounded, generator.head(picture).numpy(), atol=1e-3)


def test_devices_in_a_program_mean_the_cpu(tmp_path: Path) -> None:
    network, plain = OnGpu(), Blocks()
    generator = load_generator(ImportRequest(torchscript=scripted(network, tmp_path))).generator
    plain.load_state_dict(network.state_dict())
    z = torch.from_numpy(latents(range(16), 32))
    with torch.no_grad():
        torch.testing.assert_close(generator.network(z), plain.eval()(z), atol=1e-5, rtol=0)


def test_a_file_of_halves_is_called_with_floats(tmp_path: Path) -> None:
    generator = load_generator(ImportRequest(torchscript=scripted(Blocks().half(), tmp_path))).generator
    assert {value.dtype for value in generator.parameters()} == {torch.float32}


def test_a_loop_over_the_pictures_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match="fixes the number of its pictures, as one that draws them one by one does"):
        export_graph(load_generator(ImportRequest(torchscript=scripted(OneByOne(), tmp_path))).generator)


def test_a_branch_on_computed_values_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match="branches on values that it computes"):
        export_graph(load_generator(ImportRequest(torchscript=scripted(Deciding(), tmp_path))).generator)


def test_a_precision_written_into_the_code_is_compared_in_that_precision(tmp_path: Path) -> None:
    generator = load_generator(ImportRequest(torchscript=scripted(FixedPrecision(), tmp_path))).generator
    assert render_reference(generator, range(16)).generator.reference_name == "PyTorch float32"
