"""Where several readings explain a file equally well and none is the textbook's, they are shown and nothing is exported."""

from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import nn
from typer.testing import CliRunner

from export.__main__ import app
from export.importers.choices import SHOWN, SIDE, UndecidedError
from export.importers.load_generator import load_generator
from export.importers.request import ImportRequest


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """Of a network whose activation lies between two that the recogniser knows."""
    torch.manual_seed(0)
    first = [nn.ConvTranspose2d(24, 64, 4, bias=False), nn.BatchNorm2d(64), nn.Mish()]
    second = [nn.ConvTranspose2d(64, 64, 4, 2, 1, bias=False), nn.BatchNorm2d(64), nn.Mish()]
    module = nn.Sequential(*first, *second, nn.ConvTranspose2d(64, 1, 4, 2, 1))
    for _ in range(60):
        module(torch.randn(64, 24, 1, 1))
    torch.save(module.state_dict(), tmp_path / "gen.pth")
    return tmp_path / "gen.pth"


def test_nothing_is_written_but_the_choices_with_the_option_that_selects_each(weights: Path) -> None:
    result = CliRunner().invoke(app, [str(weights), "--out", str(weights.parent / "out"), "--variants", "onnx-fp32"])
    error = result.exception
    assert isinstance(error, UndecidedError), result.output
    assert error.exit_code == 6
    assert {path.name for path in weights.parent.iterdir()} == {"gen.pth", "choices.png"}
    assert "choices.png" in str(error)
    assert len(error.readings) > 1
    assert all(reading.option in str(error) for reading in error.readings)
    with Image.open(weights.parent / "choices.png") as sheet:
        assert sheet.width >= SHOWN * SIDE
        assert sheet.height > len(error.readings) * SIDE


def test_each_of_them_can_be_exported_by_its_chain(weights: Path) -> None:
    with pytest.raises(UndecidedError) as caught:
        load_generator(ImportRequest(weights=weights))
    for reading in caught.value.readings:
        log = load_generator(ImportRequest(weights=weights, chain=reading.chain)).log
        assert log.facts["layers"].known == "told"
