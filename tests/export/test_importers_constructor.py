"""Constructors that compute with tensors or NumPy, shapes as arguments, and defaults that fit as they are."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from export.importers.constructor import infer_kwargs
from export.importers.from_class import module_from_class
from export.importers.import_log import ImportLog
from export.importers.state_dict import pick_state_dict
from export.importers.weights import read_weights

CONSTRUCTORS = {
    "torch.prod": "int(torch.prod(torch.tensor(img_shape)))",
    "numpy.prod": "int(np.prod(img_shape))",
    "item": "round(torch.tensor(img_shape).float().log().sum().exp().item())",
}


@pytest.mark.parametrize("arguments", ["nz=100, img_shape=(1, 28, 28)", "nz, img_shape"])
@pytest.mark.parametrize("name", CONSTRUCTORS)
@pytest.mark.parametrize("shape", [(3, 8, 8), (1, 28, 28), (3, 20, 20)])
def test_a_constructor_may_compute_with_the_shape(tmp_path: Path, arguments: str, name: str, shape: tuple[int, ...]) -> None:
    source = f"""
import numpy as np, torch
from torch import nn
class Generator(nn.Module):
    def __init__(self, {arguments}):
        super().__init__()
        self.img_shape = img_shape
        self.net = nn.Sequential(nn.Linear(nz, 12), nn.ReLU(), nn.Linear(12, {CONSTRUCTORS[name]}))
    def forward(self, z):
        return self.net(z).view(len(z), *self.img_shape)
"""
    (tmp_path / "model.py").write_text(source)
    scope: dict[str, Any] = {}
    exec(source, scope)
    torch.save(scope["Generator"](7, shape).state_dict(), tmp_path / "w.pth")
    weights = pick_state_dict(read_weights(tmp_path / "w.pth"), ImportLog())
    module = module_from_class(str(tmp_path / "model.py"), weights, {}, ImportLog())
    assert module(torch.zeros(2, 7)).shape == (2, *shape)


def test_defaults_that_fit_are_not_overruled_by_values_beside_the_weights() -> None:
    def build(nz: int = 4, size: int = 8) -> nn.Module:
        return nn.Linear(nz, size)

    construction = infer_kwargs(build, {}, build().state_dict(), {"size": 64, "nz": 4}, "build")
    assert construction.mismatch.count == 0
    assert construction.kwargs.get("size", 8) == 8


class FromOptions(nn.Module):
    def __init__(self, args: Any) -> None:
        super().__init__()
        self.net = nn.Linear(args.nz, args["size"])


@pytest.mark.parametrize(("given", "values"), [({}, {"nz": 4, "size": 8}), ({"args": {"nz": 4, "size": 8}}, {})])
def test_options_beside_the_weights_or_in_kwargs_are_an_argument(given: dict[str, Any], values: dict[str, Any]) -> None:
    tensors = FromOptions(infer_kwargs(FromOptions, {"args": {"nz": 4, "size": 8}}, {}, {}, "G").kwargs["args"]).state_dict()
    assert infer_kwargs(FromOptions, given, tensors, values, "G").mismatch.count == 0
