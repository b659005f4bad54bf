"""R3GAN's generator is read from its weights alone, and draws what its equations say."""

import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from export.importers.load_generator import load_generator
from export.importers.request import ImportRequest
from gansample.bundle.basis import grade
from gansample.errors import ArtefactError, UsageError
from tests.support.families import drawn, imported_weights, random_weights, stated
from tests.support.nvidia_pickle import Module, pickled

FILTER = np.convolve([1, 2, 1], [1, 1])
KERNEL = torch.tensor(np.outer(FILTER, FILTER) / np.outer(FILTER, FILTER).sum(), dtype=torch.float32)


def made(widths: tuple[int, ...] = (16, 16, 8), blocks: int = 1, classes: int | None = None) -> dict[str, Tensor]:
    """A generator's tensors: its widths from stage to stage, groups of four channels, twice as many channels inside blocks."""
    nz, embedded = 12, 5 if classes is not None else 0
    shapes: dict[str, tuple[int, ...]] = {}
    for i, width in enumerate(widths):
        at = f"MainLayers.{i}.Layers"
        if i == 0:
            shapes |= {f"{at}.0.Basis": (width, 4, 4), f"{at}.0.LinearLayer.weight": (width, nz + embedded)}
        elif width != widths[i - 1]:
            shapes |= {f"{at}.0.LinearLayer.Layer.weight": (width, widths[i - 1], 1, 1)}
        for j in range(1, blocks + 1):
            wide = 2 * width
            shapes |= {f"{at}.{j}.LinearLayer1.Layer.weight": (wide, width, 1, 1), f"{at}.{j}.NonLinearity1.Bias": (wide,)}
            shapes |= {f"{at}.{j}.LinearLayer2.Layer.weight": (wide, 4, 3, 3), f"{at}.{j}.NonLinearity2.Bias": (wide,)}
            shapes |= {f"{at}.{j}.LinearLayer3.Layer.weight": (width, wide, 1, 1)}
    shapes["AggregationLayer.Layer.weight"] = (3, widths[-1], 1, 1)
    if classes is not None:
        shapes["EmbeddingLayer.weight"] = (embedded, classes)
    kernels = {f"MainLayers.{i}.Layers.0.Resampler.Kernel": KERNEL for i in range(1, len(widths))}
    return {**random_weights(shapes), **kernels}


def generator(w: Mapping[str, Tensor], z: Tensor, label: Tensor | None = None) -> Tensor:
    """The paper's generator; interpolation as zeros between pixels and a correlation with the filter."""

    def conv(name: str, x: Tensor) -> Tensor:
        weight = w[f"{name}.Layer.weight"]
        return functional.conv2d(x, weight, padding="same", groups=x.shape[1] // weight.shape[1])

    def biased(name: str, x: Tensor) -> Tensor:
        x = x + w[f"{name}.Bias"].reshape(1, -1, 1, 1)
        return torch.where(x > 0, x, 0.2 * x)

    def enlarged(x: Tensor) -> Tensor:
        n, channels, height, width = x.shape
        spread = torch.zeros(n, channels, 2 * height, 2 * width)
        spread[:, :, ::2, ::2] = x
        padded = functional.pad(spread, (2, 1, 2, 1)).reshape(n * channels, 1, 2 * height + 3, 2 * width + 3)
        return functional.conv2d(padded, 4 * KERNEL[None, None]).reshape(n, channels, 2 * height, 2 * width)

    if label is not None:
        z = torch.cat([z, w["EmbeddingLayer.weight"].T[label]], 1)
    x = w["MainLayers.0.Layers.0.Basis"] * (z @ w["MainLayers.0.Layers.0.LinearLayer.weight"].T)[:, :, None, None]
    for i in range(len({name.split(".")[1] for name in w if name.startswith("MainLayers.")})):
        if i > 0:
            at = f"MainLayers.{i}.Layers.0.LinearLayer"
            x = enlarged(conv(at, x) if f"{at}.Layer.weight" in w else x)
        for j in range(1, len({name.split(".")[3] for name in w if name.startswith(f"MainLayers.{i}.Layers.")})):
            at = f"MainLayers.{i}.Layers.{j}"
            y = biased(f"{at}.NonLinearity1", conv(f"{at}.LinearLayer1", x))
            x = x + conv(f"{at}.LinearLayer3", biased(f"{at}.NonLinearity2", conv(f"{at}.LinearLayer2", y)))
    return conv("AggregationLayer", x)


@pytest.mark.parametrize("prefix", ["", "Model."])
def test_it_draws_what_its_equations_say(prefix: str, tmp_path: Path) -> None:
    weights = made(blocks=2)
    imported = imported_weights({prefix + name: tensor for name, tensor in weights.items()}, tmp_path)
    z = torch.randn(3, 12, generator=torch.Generator().manual_seed(1))
    assert torch.allclose(drawn(imported, z), generator(weights, z), atol=1e-5)
    assert stated(imported)["layers"] == ("R3GAN generator", "told")
    assert grade("PASS", imported.log.basis) == "PASS"


def test_classes_are_embedded_beside_the_latent(tmp_path: Path) -> None:
    weights = made(classes=7)
    imported = imported_weights(weights, tmp_path)
    z, label = torch.randn(4, 12, generator=torch.Generator().manual_seed(1)), torch.tensor([0, 3, 6, 3])
    assert imported.generator.spec.classes == tuple("0123456")
    assert imported.generator.spec.latent_size == 12
    assert torch.allclose(drawn(imported, z, label), generator(weights, z, label), atol=1e-5)
    with pytest.raises(UsageError, match="--classes 10"):
        imported_weights(weights, tmp_path, classes=10)
    with pytest.raises(UsageError, match="--latent-shape 17"):
        imported_weights(weights, tmp_path, latent_shape=(17,))


def test_a_later_version_with_more_tensors_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match=r"the family 'R3GAN generator'.*1 unexpected \(Gain\)"):
        imported_weights({**made(), "Gain": torch.ones(1)}, tmp_path)


class Generator(nn.Module):
    """Stands for R3GAN's classes: a file names it and nobody who reads the file has it."""


def as_module(weights: Mapping[str, Tensor]) -> Generator:
    root = Generator()
    for name, tensor in weights.items():
        at: nn.Module = root
        *path, last = name.split(".")
        for part in path:
            if part not in dict(at.named_children()):
                at.add_module(part, Generator())
            at = at.get_submodule(part)
        if last == "Kernel":
            at.register_buffer(last, tensor)
        else:
            at.register_parameter(last, nn.Parameter(tensor))
    return root


def test_its_own_pickle_goes_in_by_the_average_and_its_classes_are_not_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = made(classes=7)
    averaged, raw = (
        Module("Generator", modules={"Model": as_module(w)}) for w in (weights, {n: 2 * t for n, t in weights.items()})
    )
    (tmp_path / "network-snapshot.pkl").write_bytes(
        pickled({"G": raw, "D": raw, "G_ema": averaged, "G_opt_state": {"step": 3}})
    )
    monkeypatch.delattr(sys.modules[__name__], "Generator")
    imported = load_generator(ImportRequest(weights=tmp_path / "network-snapshot.pkl"))
    z, label = torch.randn(4, 12, generator=torch.Generator().manual_seed(1)), torch.tensor([0, 3, 6, 3])
    assert torch.allclose(drawn(imported, z, label), generator(weights, z, label), atol=1e-5)
    assert grade("PASS", imported.log.basis) == "PASS"
