"""Progressive GAN's, SNGAN's and SAGAN's generators are read from their weights alone, and draw what their equations say."""

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from gansample.bundle.basis import grade
from gansample.errors import UsageError
from tests.support.families import imported_weights, network_of, off, stated

Weights = Mapping[str, Tensor]
Z = torch.randn(3, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
LABEL = torch.tensor([0, 3, 2])


def progan_file(widths: tuple[int, ...] = (8, 8, 4)) -> dict[str, Tensor]:
    """A grown generator under pytorch_GAN_zoo's names, its weights of unit variance."""
    shapes: dict[str, tuple[int, ...]] = {}

    def layer(name: str, *shape: int) -> None:
        shapes.update({f"{name}.module.weight": shape, f"{name}.module.bias": shape[:1]})

    layer("formatLayer", 16 * widths[0], 8), layer("groupScale0.0", widths[0], widths[0], 3, 3)
    layer("toRGBLayers.0", 3, widths[0], 1, 1)
    for i, (width, out) in enumerate(pairwise(widths)):
        layer(f"scaleLayers.{i}.0", out, width, 3, 3), layer(f"scaleLayers.{i}.1", out, out, 3, 3)
        layer(f"toRGBLayers.{i + 1}", 3, out, 1, 1)
    stream = torch.Generator().manual_seed(0)
    return {name: torch.randn(shape, generator=stream) for name, shape in shapes.items()}


def progan(w: Weights, z: Tensor) -> Tensor:
    """Table 2 of the paper; every layer's output is scaled by He's constant, as pytorch_GAN_zoo does."""
    w = {name: tensor.double() for name, tensor in w.items()}

    def pixelnorm(x: Tensor) -> Tensor:
        return x / ((x * x).mean(1, keepdim=True) + 1e-8).sqrt()

    def conv(name: str, x: Tensor) -> Tensor:
        weight = w[f"{name}.module.weight"]
        return (2 / weight[0].numel()) ** 0.5 * functional.conv2d(x, weight, w[f"{name}.module.bias"], padding="same")

    def layer(name: str, x: Tensor) -> Tensor:
        x = conv(name, x)
        return pixelnorm(torch.where(x > 0, x, 0.2 * x))

    x = (pixelnorm(z) @ w["formatLayer.module.weight"].T + w["formatLayer.module.bias"]) * (2 / z.shape[1]) ** 0.5
    x = layer("groupScale0.0", pixelnorm(torch.where(x > 0, x, 0.2 * x).reshape(len(z), -1, 4, 4)))
    for i in range(2):
        x = x.repeat_interleave(2, 2).repeat_interleave(2, 3)
        x = layer(f"scaleLayers.{i}.1", layer(f"scaleLayers.{i}.0", x))
    return conv("toRGBLayers.2", x)


@pytest.mark.parametrize("inner", [".module.", "."])
def test_progressive_gan_draws_what_its_equations_say(inner: str, tmp_path: Path) -> None:
    weights = progan_file()
    renamed = {name.replace(".module.", inner): tensor for name, tensor in weights.items()}
    raw = {name: tensor + 1 for name, tensor in renamed.items()}
    network = network_of({"netG": raw, "avgG": renamed, "config": {"dimLatentVector": 8, "alpha": 0}}, tmp_path)
    with torch.no_grad():
        assert off(network.double()(Z), progan(weights, Z)) < 1e-5


def test_one_that_is_growing_or_has_classes_is_refused(tmp_path: Path) -> None:
    for config in ({"alpha": 0.4}, {"weightConditionG": 1.0}):
        with pytest.raises(UsageError, match="this Progressive GAN"):
            network_of({"netG": progan_file(), "config": config}, tmp_path)


def test_progressive_gans_facts_are_stated(tmp_path: Path) -> None:
    imported = imported_weights(progan_file(), tmp_path)
    assert stated(imported)["layers"] == ("Progressive GAN generator", "told")
    assert (imported.generator.spec.latent_size, imported.generator.spec.height) == (8, 16)
    assert grade("PASS", imported.log.basis) == "PASS"


def sngan_file(classes: int | None, attention: bool) -> dict[str, Tensor]:
    """A generator of three blocks under mimicry's names; every layer is normalised where there is attention, as in SAGAN."""
    root = nn.Module()

    def normalised(layer: nn.Module) -> nn.Module:
        return nn.utils.spectral_norm(layer) if attention else layer

    with torch.random.fork_rng():
        torch.manual_seed(4)
        widths = (8, 16, 8, 4)
        root.add_module("l1", normalised(nn.Linear(8, 4 * 4 * widths[0])))
        for i, (width, out) in enumerate(pairwise(widths), 2):
            block = nn.Module()
            parts = {"c1": (width, out, 3), "c2": (out, out, 3), "c_sc": (width, out, 1)}
            for name, (a, b, k) in parts.items():
                block.add_module(name, normalised(nn.Conv2d(a, b, k)))
            for name, channels in {"b1": width, "b2": out}.items():
                norm = nn.Module()
                norm.bn, norm.embed = nn.BatchNorm2d(channels, affine=False), nn.Embedding(classes or 1, 2 * channels)
                block.add_module(name, norm if classes is not None else nn.BatchNorm2d(channels))
            root.add_module(f"block{i}", block)
        root.add_module("b5", nn.BatchNorm2d(4)), root.add_module("c5", normalised(nn.Conv2d(4, 3, 3)))
        if attention:
            root.attn_block = nn.Module()
            root.attn_block.gamma = nn.Parameter(torch.tensor(0.7))
            for name, (a, b) in {"theta": (8, 1), "phi": (8, 1), "g": (8, 4), "o": (4, 8)}.items():
                root.attn_block.add_module(name, normalised(nn.Conv2d(a, b, 1, bias=False)))
        for layer in root.modules():
            if isinstance(layer, nn.BatchNorm2d):
                nn.init.normal_(layer.running_mean), nn.init.uniform_(layer.running_var, 0.5, 2)
    return root.state_dict()


def sngan(w: Weights, z: Tensor, label: Tensor | None) -> Tensor:
    """The residual generator of functions alone, with bilinear enlargement written out."""
    w = {name: tensor.double() if tensor.is_floating_point() else tensor for name, tensor in w.items()}
    for name in [name for name in w if name.endswith("weight_orig")]:
        path = name.removesuffix("weight_orig")
        sigma = w[f"{path}weight_u"] @ w[name].flatten(1) @ w[f"{path}weight_v"]
        w[f"{path}weight"] = w[name] / sigma

    def conv(name: str, x: Tensor) -> Tensor:
        return functional.conv2d(x, w[f"{name}.weight"], w.get(f"{name}.bias"), padding="same")

    def norm(name: str, x: Tensor) -> Tensor:
        at = f"{name}.bn" if f"{name}.embed.weight" in w else name
        x = (x - w[f"{at}.running_mean"][:, None, None]) / (w[f"{at}.running_var"] + 1e-5).sqrt()[:, None, None]
        if at == name:
            return torch.relu(x * w[f"{name}.weight"][:, None, None] + w[f"{name}.bias"][:, None, None])
        row = w[f"{name}.embed.weight"][label][:, :, None, None]
        return torch.relu(x * row[:, : x.shape[1]] + row[:, x.shape[1] :])

    def between(x: Tensor, axis: int) -> Tensor:
        """Twice as many values along an axis, a quarter from their nearest neighbour, the border repeated."""
        n = x.shape[axis]
        before, after = (
            x.index_select(axis, torch.arange(n).sub(1).clamp(0)),
            x.index_select(axis, torch.arange(n).add(1).clamp(0, n - 1)),
        )
        return torch.stack([0.75 * x + 0.25 * before, 0.75 * x + 0.25 * after], axis + 1).flatten(axis, axis + 1)

    def twice(x: Tensor) -> Tensor:
        return between(between(x, 2), 3)

    x = (z @ w["l1.weight"].T + w["l1.bias"]).reshape(len(z), 8, 4, 4)
    for i in range(2, 5):
        y = conv(f"block{i}.c1", twice(norm(f"block{i}.b1", x)))
        x = conv(f"block{i}.c2", norm(f"block{i}.b2", y)) + conv(f"block{i}.c_sc", twice(x))
        if i == 3 and "attn_block.gamma" in w:
            theta, phi, g = (conv(f"attn_block.{part}", x) for part in ("theta", "phi", "g"))
            phi, g = (part.unfold(2, 2, 2).unfold(3, 2, 2).amax((4, 5)).flatten(2) for part in (phi, g))
            beta = torch.softmax(torch.einsum("ncp,ncq->npq", theta.flatten(2), phi), 2)
            seen = torch.einsum("npq,ncq->ncp", beta, g).reshape(len(x), -1, *x.shape[2:])
            x = x + w["attn_block.gamma"] * conv("attn_block.o", seen)
    return torch.tanh(conv("c5", norm("b5", x)))


@pytest.mark.parametrize(("classes", "attention"), [(None, False), (4, False), (4, True)])
def test_residual_generators_draw_what_their_equations_say(classes: int | None, attention: bool, tmp_path: Path) -> None:
    weights = sngan_file(classes, attention)
    network = network_of({"model_state_dict": weights, "optimizer_state_dict": None, "global_step": 10}, tmp_path).double()
    label = LABEL if classes is not None else None
    with torch.no_grad():
        assert off(network(Z) if label is None else network(Z, label), sngan(weights, Z, label)) < 1e-4


def test_sngans_facts_are_stated(tmp_path: Path) -> None:
    imported = imported_weights(sngan_file(None, attention=False), tmp_path)
    assert stated(imported)["layers"] == ("SNGAN generator", "told")
    assert (imported.generator.spec.latent_size, imported.generator.spec.height) == (8, 32)
