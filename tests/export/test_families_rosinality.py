"""StyleGAN2 under rosinality's names draws what the paper's equations say: the same network as in NVIDIA's format, renamed."""

from math import sqrt
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from export.importers.families.recognise import family_of
from export.importers.families.stylegan2 import StyleGAN2
from export.importers.import_log import ImportLog
from export.importers.load_generator import load_generator
from export.importers.request import ImportRequest
from export.importers.state_dict import pick_state_dict
from export.importers.weights import read_weights
from gansample.errors import ArtefactError
from tests.support.naive_stylegan import latents, stylegan2_drawn
from tests.support.nvidia_pickle import Module, stylegan2


def renamed(generator: Module) -> dict[str, Tensor]:
    """rosinality's state dict of an NVIDIA generator: kernels times √fan-in, which that code divides by; filters times 4."""
    synthesis, found = generator["synthesis"], dict[str, Tensor]()
    for index in range(generator["mapping"]["num_layers"]):
        layer = generator["mapping"][f"fc{index}"]
        found |= {f"style.{index + 1}.weight": layer["weight"], f"style.{index + 1}.bias": layer["bias"]}

    def convolution(at: str, layer: Module, scale: float) -> None:
        found[f"{at}.conv.weight"] = layer["weight"][None] * scale
        found[f"{at}.conv.modulation.weight"] = layer["affine"]["weight"]
        found[f"{at}.conv.modulation.bias"] = layer["affine"]["bias"]

    number = 0
    for index, resolution in enumerate(synthesis["block_resolutions"]):
        block = synthesis[f"b{resolution}"]
        for name in ("conv0", "conv1") if index else ("conv1",):
            layer, at = block[name], f"convs.{number - 1}" if index else "conv1"
            convolution(at, layer, sqrt(layer["weight"][0].numel()))
            if name == "conv0":
                found[f"{at}.conv.blur.kernel"] = layer["resample_filter"] * 4
            found[f"{at}.noise.weight"] = layer["noise_strength"].reshape(1)
            found[f"{at}.activate.bias"] = layer["bias"]
            found[f"noises.noise_{number}"] = layer["noise_const"][None, None]
            number += 1
        at = f"to_rgbs.{index - 1}" if index else "to_rgb1"
        convolution(at, block["torgb"], 1.0)
        found[f"{at}.bias"] = block["torgb"]["bias"].reshape(1, -1, 1, 1)
        if index:
            found[f"{at}.upsample.kernel"] = block["resample_filter"] * 4
    found["input.input"] = synthesis["b4"]["const"][None]
    return found


def checkpoint(generator: Module, **more: Any) -> dict[str, Any]:
    raw = {name: tensor * 0.5 for name, tensor in renamed(generator).items()}
    return {"g": raw, "d": {"convs.0.weight": torch.ones(3, 3)}, "g_ema": renamed(generator), **more}


def network_in(path: Path, content: Any, noise: Any = None) -> StyleGAN2:
    torch.save(content, path)
    known = family_of(pick_state_dict(read_weights(path), ImportLog()), ImportRequest(weights=path, noise=noise))
    assert known is not None
    assert isinstance(known.network, StyleGAN2)
    return known.network.double()


FORMS: dict[str, dict[str, Any]] = {
    "16×16": {},
    "4×4": {"side": 4},
    "lopsided": {"taps": (1, 2, 3, 5)},
    "one channel": {"channels": 1},
}


@pytest.mark.parametrize("noise", [None, "none"])
@pytest.mark.parametrize("form", FORMS)
def test_it_draws_what_the_paper_says(form: str, noise: Any, tmp_path: Path) -> None:
    generator, z = stylegan2(**FORMS[form]), latents(2)
    network = network_in(tmp_path / "550000.pt", checkpoint(generator), noise)
    with torch.no_grad():
        got = network(z)
    for index in range(2):
        wanted = stylegan2_drawn(generator, z[index], noise=noise is None)
        assert (got[index] - wanted).abs().max() < 1e-5 * wanted.abs().max()


def test_psi_draws_towards_the_mean_style_in_the_file(tmp_path: Path) -> None:
    generator, z = stylegan2(8), latents(2)
    network = network_in(tmp_path / "net.pt", checkpoint(generator, latent_avg=generator["mapping"]["w_avg"]))
    assert network.mapping.w_avg is not None
    with torch.no_grad():
        got = network.synthesis(network.mapping.w_avg * 0.3 + 0.7 * network.mapping(z))
    for index in range(2):
        wanted = stylegan2_drawn(generator, z[index], psi=0.7)
        assert (got[index] - wanted).abs().max() < 1e-5 * wanted.abs().max()


def test_a_mean_style_that_is_not_in_the_file_is_measured(tmp_path: Path) -> None:
    torch.save(checkpoint(stylegan2(8)), tmp_path / "net.pt")
    found = load_generator(ImportRequest(weights=tmp_path / "net.pt")).generator
    assert found.spec.basis is not None
    known = {fact.name: fact.known for fact in found.spec.basis.facts}
    assert known.pop("mean style") == "measured"
    assert known["weights"] == "assumed"  # the file holds the raw ones beside the average
    assert known["layers"] == known["noise"] == known["scale of the mapping"] == "told"
    assert (found.spec.latent_size, found.spec.height) == (8, 8)


def test_names_with_other_shapes_are_refused(tmp_path: Path) -> None:
    content = renamed(stylegan2(16))
    content["convs.1.noise.weight"] = torch.ones(2)
    with pytest.raises(ArtefactError, match=r"does not fit it.*convs.1.noise.weight"):
        network_in(tmp_path / "net.pt", content)
