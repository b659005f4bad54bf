"""A class and its weights: what the file has and the class does without."""

from pathlib import Path
from unicodedata import normalize

import pytest
import torch
from torch import nn

from export.importers.from_class import module_from_class
from export.importers.import_log import ImportLog
from export.importers.load_generator import load_generator
from export.importers.request import ImportRequest
from export.importers.state_dict import pick_state_dict
from export.importers.weights import read_weights
from gansample.errors import ArtefactError

SOURCE = """
from torch import nn
class Generator(nn.Module):
    def __init__(self, nz=8):
        super().__init__()
        self.net = nn.Sequential(nn.ConvTranspose2d(nz, 6, 8), nn.InstanceNorm2d(6), nn.ReLU(), nn.ConvTranspose2d(6, 1, 2, 2))
    def forward(self, z):
        return self.net(z)
"""


def imported(folder: Path, extra: dict[str, torch.Tensor]) -> tuple[nn.Module, ImportLog]:
    (folder / "model.py").write_text(SOURCE, encoding="utf-8")
    scope: dict[str, type[nn.Module]] = {}
    exec(SOURCE, scope)
    torch.save({**scope["Generator"]().state_dict(), **extra}, folder / "gen.pth")
    log = ImportLog()
    weights = pick_state_dict(read_weights(folder / "gen.pth"), log, None)
    return module_from_class(f"{folder / 'model.py'}:Generator", weights, {}, log), log


def test_names_are_found_in_whatever_form_they_are_typed(tmp_path: Path) -> None:
    """`é` is one character or two: macOS hands out two, Python reads one, people type either."""
    one, two = (normalize(form, "Générateur") for form in ("NFC", "NFD"))
    (tmp_path / f"{two}.py").write_text(SOURCE.replace("Generator", one), encoding="utf-8")
    scope: dict[str, type[nn.Module]] = {}
    exec(SOURCE, scope)
    torch.save(scope["Generator"]().state_dict(), tmp_path / f"{two}.pth")
    request = ImportRequest(weights=tmp_path / f"{two}.pth", generator=f"{tmp_path / two}.py:{two}")
    spec = load_generator(request).generator.spec
    assert spec.name == one


STATISTICS = {"net.1.running_mean": torch.zeros(6), "net.1.running_var": torch.ones(6)}


def test_statistics_of_instance_norm_that_were_never_used_are_left_out_and_said(tmp_path: Path) -> None:
    """PyTorch 0.3 saved them; since 0.4 a class says whether it has any."""
    _, log = imported(tmp_path, STATISTICS)
    assert log.facts["statistics of 1 InstanceNorm layers"].known == "told"


def test_statistics_that_were_counted_were_used_once(tmp_path: Path) -> None:
    _, log = imported(tmp_path, {**STATISTICS, "net.1.num_batches_tracked": torch.tensor(9)})
    assert log.facts["statistics of 1 InstanceNorm layers"].known == "assumed"


def test_statistics_of_other_layers_are_not_left_out(tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match="unexpected"):
        imported(tmp_path, {"net.0.running_mean": torch.zeros(6)})
