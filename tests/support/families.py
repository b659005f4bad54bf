"""Files of known families with weights of our own making, imported as a stranger's, and the packages that define a family.

GENERATOR_PACKAGES names a folder into which such packages were installed without what they depend on:

    python -m pip install --no-deps --target FOLDER diffusers pytorch-pretrained-biggan lightweight-gan
"""

import importlib
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from export.importers.families.recognise import family_of
from export.importers.import_log import ImportLog
from export.importers.load_generator import Imported, load_generator
from export.importers.request import ImportRequest
from export.importers.state_dict import pick_state_dict
from export.importers.weights import read_weights

Shapes = Mapping[str, tuple[int, ...]]


def random_weights(shapes: Shapes, seed: int = 0) -> dict[str, Tensor]:
    """Weights of these shapes that keep a signal's size: matrices and kernels by their fan-in, norms around one, biases small.

    Running variances are positive. The values follow from the seed and the order alone.
    """
    stream = torch.Generator().manual_seed(seed)
    made = {}
    for name, shape in shapes.items():
        values = torch.randn(shape, generator=stream)
        last = name.rpartition(".")[2]
        if "running_var" in name:
            values = 1 + 0.3 * values.abs()
        elif len(shape) > 1:
            values = values * (2 / values[0].numel()) ** 0.5
        elif "norm" in name and last == "weight":
            values = 1 + 0.2 * values
        else:
            values = 0.2 * values
        made[name] = values
    return made


def imported_weights(tensors: Mapping[str, Any], folder: Path, **options: Any) -> Imported:
    """What the importer makes of a file with nothing but these tensors."""
    torch.save(dict(tensors), folder / "weights.pth")
    return load_generator(ImportRequest(weights=folder / "weights.pth", **options))


def network_of(tensors: Mapping[str, Any], folder: Path, **options: Any) -> nn.Module:
    """The network that a file with nothing but these tensors is recognised as, without a look at its pictures."""
    path = folder / "weights.pth"
    torch.save(dict(tensors), path)
    found = family_of(pick_state_dict(read_weights(path), ImportLog()).averaged(), ImportRequest(weights=path, **options))
    assert found is not None
    return found.network


def off(drawn: Tensor, expected: Tensor) -> float:
    """The largest difference, as a share of the largest value."""
    return float((drawn - expected).abs().max() / expected.abs().max())


def stated(imported: Imported) -> dict[str, tuple[str, str]]:
    """{fact: (value, how it is known)}"""
    return {fact.name: (fact.value, fact.known) for fact in imported.log.basis.facts}


def drawn(imported: Imported, z: Tensor, label: Tensor | None = None) -> Tensor:
    """What its network draws of z (N, nz), float (N, C, H, W)."""
    with torch.no_grad():
        out: Tensor = imported.generator.network(z, label) if label is not None else imported.generator.network(z)
    return out


def package(name: str) -> ModuleType:
    """A package that defines a family; the test is skipped where it is not installed."""
    folder = os.environ.get("GENERATOR_PACKAGES")
    if folder is None:
        pytest.skip(f"{name} is not here: GENERATOR_PACKAGES names no folder")
    if folder not in sys.path:
        sys.path.append(folder)
    try:
        return importlib.import_module(name)
    except (ImportError, AssertionError) as error:  # lightweight_gan asserts that there is a GPU
        pytest.skip(f"{name} cannot be imported from {folder}: {error}")
