"""Five files that strangers trained are exported as PyTorch draws them: recognised without a class, and with their class.

The files lie outside the repository (GENERATORS=folder, or ../shared/generators); without them these tests are skipped, and
the synthetic generators stand in for their shapes.
"""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from export.build import build_bundle
from export.importers.expected import compare_with_author
from export.importers.expected_file import read_expected
from export.importers.load_generator import load_generator
from export.importers.request import ImportRequest
from export.variants import onnx_fp32
from gansample.bundle.basis import grade

ROOT = Path(os.environ.get("GENERATORS", Path(__file__).parents[3] / "shared" / "generators"))
pytestmark = pytest.mark.skipif(not ROOT.is_dir(), reason="the strangers' generators are not here (set GENERATORS=folder)")

SOURCE = Path(__file__)
FILES = {
    "cwgan28-upsample-embed": "generator.pth",
    "dcgan28-artifact-dict": "gan_artifact.pth",
    "dcgan28-dict-nz-ngf": "generator.pt",
    "dcgan32-deconv-conv": "generator.pt",
    "wgangp28-blocks-z64": "generator.pt",
}
SIGMOID = "dcgan28-artifact-dict"  # whether tanh or sigmoid came last is the one thing that no tensor tells
CLASSES = {
    "cwgan28-upsample-embed": "Cwgan",
    "dcgan28-artifact-dict": "Artifact",
    "dcgan28-dict-nz-ngf": "DictNzNgf",
    "dcgan32-deconv-conv": "DeconvConv",
    "wgangp28-blocks-z64": "Blocks",
}


class Cwgan(nn.Module):
    def __init__(self, n_classes: int, latent_dim: int) -> None:
        super().__init__()
        self.label_emb, self.l1 = nn.Embedding(n_classes, n_classes), nn.Sequential(nn.Linear(latent_dim + n_classes, 128 * 49))
        first = [
            nn.BatchNorm2d(128),
            nn.Upsample(scale_factor=2),
            nn.Conv2d(128, 128, 3, 1, 1),
            nn.BatchNorm2d(128, 0.8),
            nn.ReLU(),
        ]
        second = [nn.Upsample(scale_factor=2), nn.Conv2d(128, 64, 3, 1, 1), nn.BatchNorm2d(64, 0.8), nn.ReLU()]
        self.conv_blocks = nn.Sequential(*first, *second, nn.Conv2d(64, 1, 3, 1, 1), nn.Tanh())

    def forward(self, z: Tensor, labels: Tensor) -> Tensor:
        return self.conv_blocks(self.l1(torch.cat((z, self.label_emb(labels)), -1)).view(-1, 128, 7, 7))


class Artifact(nn.Module):
    def __init__(self, latent_dim: int) -> None:
        super().__init__()
        first = [nn.Linear(latent_dim, 64 * 49), nn.BatchNorm1d(64 * 49), nn.ReLU(), nn.Unflatten(1, (64, 7, 7))]
        second = [nn.Upsample(scale_factor=2), nn.Conv2d(64, 128, 3, padding="same"), nn.BatchNorm2d(128), nn.ReLU()]
        third = [nn.Upsample(scale_factor=2), nn.Conv2d(128, 64, 3, padding="same"), nn.BatchNorm2d(64), nn.ReLU()]
        fourth = [nn.Conv2d(64, 64, 3, padding="same"), nn.BatchNorm2d(64), nn.ReLU(), nn.Conv2d(64, 1, 3, padding="same")]
        self.model = nn.Sequential(*first, *second, *third, *fourth, nn.Sigmoid())

    def forward(self, z: Tensor) -> Tensor:
        return self.model(z)


class DictNzNgf(nn.Module):
    def __init__(self, nz: int, ngf: int) -> None:
        super().__init__()
        first = [nn.ConvTranspose2d(nz, ngf * 4, 7, 1, 0, bias=False), nn.BatchNorm2d(ngf * 4), nn.ReLU()]
        second = [nn.ConvTranspose2d(ngf * 4, ngf * 2, 4, 2, 1, bias=False), nn.BatchNorm2d(ngf * 2), nn.ReLU()]
        self.net = nn.Sequential(*first, *second, nn.ConvTranspose2d(ngf * 2, 1, 4, 2, 1, bias=False), nn.Tanh())

    def forward(self, z: Tensor) -> Tensor:
        return self.net(z)


class DeconvConv(nn.Module):
    def __init__(self, z: int, c: int) -> None:
        super().__init__()
        first = nn.Sequential(nn.ConvTranspose2d(z, c * 8, 4, 1, 0, bias=False), nn.BatchNorm2d(c * 8))
        second = nn.Sequential(nn.Conv2d(c * 8, c * 4, 3, 1, 1, bias=False), nn.BatchNorm2d(c * 4), nn.LeakyReLU(0.2))
        third = nn.Sequential(nn.ConvTranspose2d(c * 4, c * 2, 4, 2, 1, bias=False), nn.BatchNorm2d(c * 2), nn.LeakyReLU(0.2))
        fourth = nn.Sequential(nn.ConvTranspose2d(c * 2, c, 4, 2, 1, bias=False), nn.BatchNorm2d(c), nn.LeakyReLU(0.2))
        self.generator_deconv = nn.Sequential(
            first, second, third, fourth, nn.Sequential(nn.ConvTranspose2d(c, 3, 4, 2, 1), nn.Tanh())
        )

    def forward(self, z: Tensor) -> Tensor:
        return self.generator_deconv(z.view(z.size(0), -1, 1, 1))


class Block(nn.Module):
    def __init__(self, a: int, b: int, kernel: int, stride: int) -> None:
        super().__init__()
        self.block = nn.Sequential(nn.ConvTranspose2d(a, b, kernel, stride), nn.BatchNorm2d(b), nn.ReLU())

    def forward(self, x: Tensor) -> Tensor:
        return self.block(x)


class Blocks(nn.Module):
    def __init__(self, z_dim: int = 10, h: int = 32) -> None:
        super().__init__()
        blocks = [Block(z_dim, 4 * h, 3, 2), Block(4 * h, 2 * h, 4, 1), Block(2 * h, h, 3, 2)]
        self.model = nn.Sequential(*blocks, nn.ConvTranspose2d(h, 1, 4, 2), nn.Tanh())

    def forward(self, z: Tensor) -> Tensor:
        return self.model(z)


class Clamped(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return 3 * torch.tanh(x / 3)


class DecoderBlock(nn.Module):
    def __init__(self, pooled: bool = False) -> None:
        super().__init__()
        first = [nn.Conv2d(64, 64, 3, padding=1), nn.ReLU(), nn.Conv2d(64, 64, 3, padding=1), nn.ReLU()]
        self.conv = nn.Sequential(*first, nn.Conv2d(64, 64, 3, padding=1))
        wide = [nn.Conv2d(64, 256, 1, bias=False), nn.GroupNorm(4, 256), nn.ReLU(), nn.Conv2d(256, 64, 1, bias=False)]
        self.pool = nn.Sequential(*wide) if pooled else None

    def forward(self, x: Tensor) -> Tensor:
        if self.pool is not None:
            x = x + self.pool(x)
        return torch.relu(self.conv(x) + x)


class Taef2(nn.Sequential):
    """A VAE's decoder: (N, 32, 4, 4) -> (N, 3, 32, 32) in 0..1."""

    def __init__(self) -> None:
        def up() -> list[nn.Module]:
            return [nn.Upsample(scale_factor=2), nn.Conv2d(64, 64, 3, padding=1, bias=False)]

        def blocks() -> list[nn.Module]:
            return [DecoderBlock() for _ in range(3)]

        head = [Clamped(), nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), *(DecoderBlock(pooled=True) for _ in range(3))]
        super().__init__(*head, *up(), *blocks(), *up(), *blocks(), *up(), DecoderBlock(), nn.Conv2d(64, 3, 3, padding=1))


def off(name: str, network: nn.Module) -> float:
    """The largest difference to what PyTorch drew where the generator came from."""
    z = torch.from_numpy(np.load(ROOT / name / "ref_z.npy")).flatten(1)
    label = ROOT / name / "ref_label.npy"
    with torch.no_grad():
        drawn = network(z, torch.from_numpy(np.load(label)) if label.exists() else None)
    return float((drawn - torch.from_numpy(np.load(ROOT / name / "ref_out.npy"))).abs().max())


@pytest.mark.slow
@pytest.mark.parametrize("name", FILES)
def test_it_is_recognised_without_its_class(name: str) -> None:
    request = ImportRequest(weights=ROOT / name / FILES[name], value_range="sigmoid" if name == SIGMOID else None)
    imported = load_generator(request)
    assert off(name, imported.generator.network) < 1e-5
    latents = next(fact for fact in imported.log.basis.facts if fact.name == "latent distribution")
    truth = "uniform" if name == "dcgan32-deconv-conv" else "normal"
    assert latents.value == truth or latents.known == "assumed", latents
    assert imported.generator.spec.classes == (tuple("0123456789") if name.startswith("cwgan") else None)


@pytest.mark.slow
@pytest.mark.parametrize("name", FILES)
def test_with_its_class_the_bundle_passes(name: str, tmp_path: Path) -> None:
    imported = load_generator(ImportRequest(weights=ROOT / name / FILES[name], generator=f"{SOURCE}:{CLASSES[name]}"))
    assert off(name, imported.generator.network) < 1e-5
    outcome = build_bundle(imported.generator, tmp_path / name, builders={onnx_fp32.NAME: onnx_fp32.build})
    assert [report.verdict for report in outcome.reports] == ["PASS"]


@pytest.mark.slow
@pytest.mark.parametrize("name", FILES)
def test_the_authors_pictures_confirm_what_was_assumed(name: str) -> None:
    author, weights = read_expected(ROOT / name), ROOT / name / FILES[name]
    assert grade("PASS", load_generator(ImportRequest(weights=weights)).log.basis) == "PASS, AS ASSUMED"
    request = ImportRequest(weights=weights, author_latents=author.distribution, author_range=author.value_range)
    seen = compare_with_author(load_generator(request).generator, author)
    assert seen.failures == ()
    assert grade("PASS", seen.basis) == "PASS"


@pytest.mark.slow
def test_a_decoder_with_its_class_draws_its_authors_pictures() -> None:
    author = read_expected(ROOT / "taef2-decoder")
    weights = ROOT / "taef2-decoder" / "taef2_decoder.pth"
    request = ImportRequest(weights=weights, generator=f"{SOURCE}:Taef2", latent_shape=(32, 4, 4), value_range="sigmoid")
    seen = compare_with_author(load_generator(request).generator, author)
    assert seen.failures == ()
