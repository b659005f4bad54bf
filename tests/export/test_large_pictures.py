"""The whole export of 256×256 pictures: within two and a half gigabytes, and its verdict says over how many latents."""

import io
import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from export.build import build_bundle, golden_bytes
from export.export_model import ExportModel
from gansample.bundle.open import open_bundle
from gansample.bundle.spec import Spec
from gansample.errors import ArtefactError
from tests.support.repository import ROOT

CLASS = '''
from torch import nn


class Generator(nn.Module):
    """A DCGAN of 256×256 pictures, as thin as can be."""

    def __init__(self):
        super().__init__()
        widths = [16, 16, 16, 16, 8, 8]
        layers = [nn.ConvTranspose2d(20, 16, 4), nn.BatchNorm2d(16), nn.ReLU(True)]
        for before, behind in zip(widths, widths[1:]):
            layers += [nn.ConvTranspose2d(before, behind, 4, 2, 1), nn.BatchNorm2d(behind), nn.ReLU(True)]
        self.net = nn.Sequential(*layers, nn.ConvTranspose2d(8, 3, 4, 2, 1), nn.Tanh())

    def forward(self, z):
        return self.net(z.view(z.shape[0], 20, 1, 1))
'''

# Runs a command and prints the largest resident set of it, in KiB.
MEASURED = """
import resource, subprocess, sys
code = subprocess.run(sys.argv[1:], stdout=sys.stderr).returncode
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(code)
"""


def trained_like(path: Path) -> None:
    """Weights from a fixed stream, and the batch-norm statistics that belong to them."""
    names: dict[str, type[nn.Module]] = {}
    exec(CLASS, names)
    torch.manual_seed(0)
    generator = names["Generator"]()
    with torch.no_grad():
        for _ in range(30):
            generator(torch.randn(8, 20))
    torch.save(generator.eval().state_dict(), path)


@pytest.mark.slow
def test_an_export_of_256_pixels_is_bounded_and_says_its_number_of_latents(tmp_path: Path) -> None:
    (tmp_path / "model.py").write_text(CLASS)
    trained_like(tmp_path / "gen.pth")
    export = [sys.executable, "-m", "export", tmp_path / "gen.pth", "--generator", f"{tmp_path / 'model.py'}:Generator"]
    options = ["--latent", "normal", "--effort", "quick", "--out", tmp_path / "bundle"]
    command = [sys.executable, "-c", MEASURED, *export, *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 2.5 * 2**20, "KiB"
    assert "PASS over 32 latents (quick)" in done.stderr
    bundle = open_bundle(tmp_path / "bundle")
    assert bundle.variants[0].parity["effort"] == "quick"
    assert bundle.variants[0].images_per_second is not None
    assert "PASS over 32 latents (quick)" in (tmp_path / "bundle" / "README.md").read_text()
    assert "PASS over 32 latents (quick)" in (tmp_path / "bundle" / "report.html").read_text()
    assert (tmp_path / "bundle" / "report.html").stat().st_size < 5e6
    assert (tmp_path / "bundle" / "golden.npz").stat().st_size < 20e6
    verified = subprocess.run(
        [sys.executable, "-c", "from gansample.cli.gan import main; main()", "verify", tmp_path / "bundle", "--json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert verified.returncode == 0, verified.stderr
    assert json.loads(verified.stdout)["at_export"] == "PASS over 32 latents (quick)"


def test_goldens_of_large_pictures_are_fewer_even_if_nothing_compresses_them() -> None:
    images = np.random.RandomState(0).randint(0, 256, (40, 512, 512, 3), np.uint8)
    data = golden_bytes(SimpleNamespace(images=images, seeds=range(32), label=None))  # what it takes of a reference
    assert len(data) < 20e6
    with np.load(io.BytesIO(data)) as goldens:
        assert len(goldens["seeds"]) == 24
        assert np.array_equal(goldens["images"], images[:24])


def test_weights_that_no_onnx_file_holds_are_refused_before_anything_is_drawn(tmp_path: Path) -> None:
    network = nn.Linear(4, 3)
    network.large = nn.Parameter(torch.zeros(1).expand(600_000_000), requires_grad=False)  # no memory behind it
    generator = ExportModel(network, Spec(name="wide", latent_size=4, height=8, width=8, channels=3))
    with pytest.raises(ArtefactError, match=r"weights take 2\.4 GB, and an ONNX file holds 2 GB"):
        build_bundle(generator, tmp_path / "wide")
