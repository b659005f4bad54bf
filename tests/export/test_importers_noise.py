"""Noise inside forward: of weight zero it leaves the graph, else `--noise` says what takes its place."""

from dataclasses import replace
from pathlib import Path

import onnx
import pytest
import torch
from torch import Tensor, nn

from export.graph.to_onnx import export_graph
from export.importers.call_signature import CallSignature
from export.importers.load_generator import Imported, load_generator
from export.importers.noise import NoiseReplaced, seeded
from export.importers.request import ImportRequest
from gansample.errors import ArtefactError, UsageError

SOURCE = """
import torch
from torch import nn
class Generator(nn.Module):
    def __init__(self, nz=16):
        super().__init__()
        self.a, self.weight = nn.ConvTranspose2d(nz, 8, 4), nn.Parameter(torch.zeros(1, 8, 1, 1))
        self.b = nn.ConvTranspose2d(8, 1, 4, 4)
    def forward(self, z):
        x = self.a(z.view(-1, 16, 1, 1))
        x = torch.relu(x + self.weight * torch.randn(x.shape[0], 1, *x.shape[2:], device=x.device, dtype=x.dtype))
        return torch.tanh(self.b(x + 0 * torch.randn_like(x)))
"""


class Drawing(nn.Module):
    """Draws noise of one size: (3, 3) for the whole batch, (4, …) with the first dimension for each picture."""

    def __init__(self, size: tuple[int, ...]) -> None:
        super().__init__()
        self.size = size

    def forward(self, z: Tensor) -> Tensor:
        first = self.size[0] * (len(z) if len(self.size) > 2 else 1)
        return torch.normal(0.0, 1.0, size=(first, *self.size[1:])) + torch.rand(first, *self.size[1:]) * 0


def imported(folder: Path, weight: float, **options: str) -> Imported:
    (folder / "model.py").write_text(SOURCE)
    scope: dict[str, type] = {}
    exec(SOURCE, scope)
    torch.manual_seed(0)
    generator = scope["Generator"]()
    generator.weight.data.fill_(weight)
    torch.save(generator.state_dict(), folder / "gen.pth")
    return load_generator(ImportRequest(weights=folder / "gen.pth", generator=f"{folder}/model.py:Generator", **options))


def random_operations(found: Imported) -> list[str]:
    graph = onnx.load_from_string(export_graph(found.generator).model).graph
    return [node.op_type for node in graph.node if "Random" in node.op_type]


def test_noise_of_weight_zero_leaves_no_random_operation(tmp_path: Path) -> None:
    found = imported(tmp_path, 0)
    assert found.log.facts["noise"].known == "measured"
    assert random_operations(found) == []


def test_noise_that_moves_the_picture_is_refused_with_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match=r"randn.* in forward.*--noise none, --noise fixed or --noise seeded"):
        imported(tmp_path, 1)


@pytest.mark.parametrize("noise", ["none", "fixed"])
def test_noise_is_replaced_as_told(noise: str, tmp_path: Path) -> None:
    found = imported(tmp_path, 1, noise=noise)
    assert found.log.facts["noise"].known == "told"
    assert random_operations(found) == []
    z = torch.zeros(2, 16)
    with torch.no_grad():
        drawn, without = found.generator.network(z), imported(tmp_path, 0).generator.network(z)
    assert torch.equal(drawn[0], drawn[1])
    assert torch.equal(drawn, without) == (noise == "none")


def test_seeded_noise_is_part_of_the_latent(tmp_path: Path) -> None:
    """Each seed keeps the latent that it has without noise, and has a noise of its own."""
    found = imported(tmp_path, 1, noise="seeded")
    spec, more = found.generator.spec, 1 * 4 * 4 + 8 * 4 * 4
    assert spec.latent_size == 16 + more
    assert random_operations(found) == []
    z = torch.from_numpy(spec.latents(range(3)))
    assert torch.equal(z[:, :16], torch.from_numpy(replace(spec, latent_size=16).latents(range(3))))
    quiet = imported(tmp_path, 1, noise="none").generator.network
    with torch.no_grad():
        without = torch.cat([z[:, :16], torch.zeros(3, more)], 1)
        assert torch.allclose(found.generator.network(without), quiet(z[:, :16]), atol=1e-6)
        drawn = found.generator.network(torch.cat([z[:1, :16].expand(2, -1), z[1:, 16:]], 1))
    assert not torch.allclose(drawn[0], drawn[1], atol=1e-3)


def test_seeded_noise_that_is_large_or_of_the_whole_batch_is_refused() -> None:
    signature = CallSignature(latent=(4,))
    for size, message in (
        ((4, 65, 256), "133,120 values a picture, at most 16,384"),
        ((3, 3), "one noise for the whole batch"),
    ):
        module = Drawing(size)
        fixed = NoiseReplaced(module, "none", (torch.zeros(11, 4),), 11)
        with pytest.raises(UsageError, match=message):
            seeded(fixed, signature, "normal")


@pytest.mark.parametrize("size", [(3, 3), (4, 1, 3)])
def test_fixed_noise_is_one_drawing_whatever_its_first_dimension(size: tuple[int, ...]) -> None:
    fixed = NoiseReplaced(Drawing(size), "fixed", (torch.zeros(11, 4),), 11)
    once = fixed(torch.zeros(11, 4))
    assert once.unique().numel() == torch.Size(size).numel(), "no row is another's copy"
    assert torch.equal(fixed(torch.zeros(2, 4))[: len(size)], once[: len(size)])


def test_noise_where_there_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    imported(tmp_path, 0)
    plain = SOURCE.replace("torch.randn_like(x)", "x").replace(
        "torch.randn(x.shape[0], 1, *x.shape[2:], device=x.device, dtype=x.dtype)", "x"
    )
    (tmp_path / "plain.py").write_text(plain)
    with pytest.raises(UsageError, match="--noise: forward draws none"):
        load_generator(ImportRequest(weights=tmp_path / "gen.pth", generator=f"{tmp_path}/plain.py:Generator", noise="none"))
