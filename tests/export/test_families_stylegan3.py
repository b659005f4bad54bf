"""StyleGAN3 from its file draws what its paper's equations say, computed here in the plainest way, one picture at a time."""

from math import pi, sqrt
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from export.importers.from_pickle import pick_pickled, told_network
from export.importers.import_log import ImportLog
from export.importers.load_generator import load_generator
from export.importers.request import ImportRequest
from export.importers.weights import read_weights
from gansample.errors import ArtefactError, UsageError
from tests.support.naive_stylegan import connected, latents, style_of
from tests.support.nvidia_pickle import Module, network_file
from tests.support.nvidia_stylegan3 import stylegan3


def waves(layer: Module, w: Tensor) -> Tensor:
    """(C, H, W), pixel by pixel: where it lies, turned and moved, and every frequency's sine there."""
    t = connected(layer["affine"], w)
    t = t / t[:2].norm()
    turn = torch.tensor([[t[0], -t[1], 0], [t[1], t[0], 0], [0, 0, 1]], dtype=torch.float64)
    shift = torch.tensor([[1, 0, -t[2]], [0, 1, -t[3]], [0, 0, 1]], dtype=torch.float64)
    whole = turn @ shift @ layer["transform"].double()
    rate, band, (width, height) = layer["sampling_rate"], layer["bandwidth"], layer["size"]
    out = torch.zeros(layer["channels"], height, width, dtype=torch.float64)
    for row in range(height):
        for column in range(width):
            place = torch.tensor([(column + 0.5 - width / 2) / rate, (row + 0.5 - height / 2) / rate], dtype=torch.float64)
            moved = whole[:2, :2] @ place + whole[:2, 2]
            out[:, row, column] = torch.sin(2 * pi * (layer["freqs"].double() @ moved + layer["phases"].double()))
    turned = layer["freqs"].double() @ whole[:2, :2]
    fade = (1 - (turned.norm(dim=1) - band) / (rate / 2 - band)).clamp(0, 1)
    weight = layer["weight"].double() / sqrt(layer["channels"])
    return torch.einsum("oi,ihw->ohw", weight, out * fade[:, None, None])


def resampled(x: Tensor, taps: Tensor | None, margin: list[int], up: int, down: int) -> Tensor:
    """x (C, H, W), by the definition: each result is a sum over the taps of what lies that far back."""
    if taps is None:
        return x
    taps = taps.double() if taps.dim() == 2 else torch.outer(taps.double(), taps.double())
    spread = torch.zeros(len(x), x.shape[1] * up, x.shape[2] * up, dtype=x.dtype)
    spread[:, ::up, ::up] = x
    wide = functional.pad(spread, margin)
    size = len(taps)
    windows = wide.unfold(1, size, down).unfold(2, size, down)
    return torch.einsum("chwab,ab->chw", windows, taps.flip(0, 1)) * up**2


def layered(layer: Module, x: Tensor, w: Tensor) -> Tensor:
    style, kernel, last = connected(layer["affine"], w), layer["weight"].double(), layer["is_torgb"]
    if last:
        kernel = kernel * (style * layer["weight_gain"])[None, :, None, None]
    else:
        kernel = kernel / kernel.square().mean((1, 2, 3), keepdim=True).sqrt() * style[None, :, None, None]
        kernel = kernel / (kernel.square().sum((1, 2, 3), keepdim=True) + 1e-8).sqrt()
    kernel = kernel / layer["magnitude_ema"].double().sqrt()
    y = functional.conv2d(x[None], kernel, padding=layer["conv_kernel"] - 1)[0] + layer["bias"].double()[:, None, None]
    y = resampled(y, layer["up_filter"], layer["padding"], layer["up_factor"], 1)
    y = y if last else torch.where(y > 0, y, 0.2 * y) * sqrt(2)
    y = y if layer["conv_clamp"] is None else y.clamp(-layer["conv_clamp"], layer["conv_clamp"])
    return resampled(y, layer["down_filter"], [0, 0, 0, 0], 1, layer["down_factor"])


def drawn(network: Module, z: Tensor, label: int | None = None, psi: float = 1.0) -> Tensor:
    w, synthesis = style_of(network["mapping"], z, label, psi), network["synthesis"]
    x = waves(synthesis["input"], w)
    for name in synthesis["layer_names"]:
        x = layered(synthesis[name], x, w)
    return x * synthesis["output_scale"]


def network_in(path: Path, generator: Module) -> Any:
    path.write_bytes(network_file(generator))
    picked = pick_pickled(read_weights(path), ImportLog())
    assert picked.family is not None
    return told_network(picked, picked.family, ImportRequest(weights=path))[0].double()


FORMS: dict[str, dict[str, Any]] = {
    "T": {},
    "R": {"radial": True},
    "T, with classes": {"classes": 3},
    "T, clamped": {"clamp": 0.8},
    "R, without clamp": {"radial": True, "clamp": None},
}


@pytest.mark.parametrize("form", FORMS)
def test_it_draws_what_the_paper_says(form: str, tmp_path: Path) -> None:
    generator, z = stylegan3(**FORMS[form]), latents(2)
    classes = FORMS[form].get("classes", 0)
    network = network_in(tmp_path / "net.pkl", generator)
    with torch.no_grad():
        got = network(z, torch.arange(2) if classes else None)
        truncated = network.synthesis(
            network.mapping.w_avg * 0.3 + 0.7 * network.mapping(z, torch.arange(2) if classes else None)
        )
    for index in range(2):
        label = index if classes else None
        for picture, psi in ((got[index], 1.0), (truncated[index], 0.7)):
            wanted = drawn(generator, z[index], label, psi)
            assert picture.shape == wanted.shape == (3, 16, 16)
            assert (picture - wanted).abs().max() < 2e-6 * wanted.abs().max()


def test_every_fact_is_told_by_the_file_and_its_graph_draws_it(tmp_path: Path) -> None:
    from export.graph.to_onnx import export_graph
    from gansample.runtimes.onnxruntime_module import import_onnxruntime

    generator = stylegan3(radial=True)
    path = tmp_path / "net.pkl"
    path.write_bytes(network_file(generator))
    found = load_generator(ImportRequest(weights=path)).generator
    assert found.spec.basis is not None
    assert {fact.known for fact in found.spec.basis.facts} == {"told"}
    session = import_onnxruntime().InferenceSession(export_graph(found).model)
    z = found.spec.latents(range(3))
    for n in (1, 3):
        images = session.run(["images"], {"z": z[:n]})[0].astype(int)
        for index in range(n):
            wanted = (drawn(generator, torch.from_numpy(z[index]).double()).clamp(-1, 1) * 127.5 + 127.5).round()
            assert np.abs(images[index] - wanted.permute(1, 2, 0).numpy()).max() <= 1


def test_noise_is_refused_where_there_is_none(tmp_path: Path) -> None:
    path = tmp_path / "net.pkl"
    path.write_bytes(network_file(stylegan3()))
    with pytest.raises(UsageError, match="StyleGAN3 draws none"):
        load_generator(ImportRequest(weights=path, noise="none"))


def another_size(generator: Module) -> None:
    generator.attributes["img_resolution"] = 32


def a_missing_filter(generator: Module) -> None:
    layer = next(iter(generator["synthesis"].modules[name] for name in generator["synthesis"]["layer_names"]))
    layer.buffers = {**layer.buffers, "down_filter": None}


def another_margin_across(generator: Module) -> None:
    generator["synthesis"][generator["synthesis"]["layer_names"][0]].attributes["padding"] = [1, 2, 3, 4]


def layers_that_do_not_fit(generator: Module) -> None:
    generator["synthesis"].attributes["layer_names"] = generator["synthesis"]["layer_names"][::-1]


WRONG = {
    another_size: "says that it draws 3×32×32, its layers draw 3×16×16",
    a_missing_filter: "has no down_filter",
    another_margin_across: "another margin across than down",
    layers_that_do_not_fit: "do not fit together",
}


@pytest.mark.parametrize("change", WRONG, ids=lambda change: change.__name__)
def test_a_network_that_is_another_is_refused(change: Any, tmp_path: Path) -> None:
    generator = stylegan3()
    change(generator)
    with pytest.raises(ArtefactError, match=WRONG[change]):
        network_in(tmp_path / "net.pkl", generator)
