"""The form that every generator gets before it is exported: its pixel head agrees with training's."""

import numpy as np
import pytest
import torch

from export.export_model import PixelHead
from train.model.pixels import Output, from_bytes, to_bytes


@pytest.mark.parametrize("output", ["tanh", "sigmoid"])
def test_training_and_export_turn_the_same_numbers_into_the_same_bytes(output: Output) -> None:
    """Every rounding edge between two bytes, values beside them, and values outside of the range."""
    low, high = (-1.0, 1.0) if output == "tanh" else (0.0, 1.0)
    edges = low + (torch.arange(511, dtype=torch.float64) / 510) * (high - low)
    values = torch.cat([edges, edges + 1e-9, edges - 1e-9, torch.tensor([-9.0, 9.0])]).reshape(1, 1, 1, -1)
    for images in (values, values.float()):
        ours = PixelHead(output)(images).round().to(torch.uint8)
        assert torch.equal(ours.permute(0, 3, 1, 2), to_bytes(images, output))


@pytest.mark.parametrize("output", ["tanh", "sigmoid"])
def test_a_byte_comes_back_as_itself(output: Output) -> None:
    every = torch.arange(256, dtype=torch.uint8).reshape(1, 1, 16, 16)
    back = PixelHead(output)(from_bytes(every, output)).round().to(torch.uint8)
    assert np.array_equal(back.permute(0, 3, 1, 2), every)
