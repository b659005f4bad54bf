"""BigGAN, BigGAN-deep and SAGAN are read from their weights alone, and draw what an independent network draws."""

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from gansample.bundle.basis import grade
from gansample.errors import UsageError
from tests.support.families import drawn, imported_weights, network_of, off, package, random_weights, stated

Weights = Mapping[str, Tensor]
CLASSES, EMBEDDED, CHUNK = 5, 6, 4
Z = torch.randn(3, 12, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
LABEL = torch.tensor([0, 4, 2])


def biggan_file(kind: str, attention: bool = True) -> dict[str, Tensor]:
    """A file of BigGAN-PyTorch: kind `split` (z in chunks), `whole`, `tables` (no shared embedding, as SAGAN) or `deep`."""
    shapes: dict[str, tuple[int, ...]] = {}

    def layer(name: str, *shape: int, bias: bool = True) -> None:
        shapes.update({f"{name}.weight": shape, f"{name}.u0": (1, shape[0]), f"{name}.sv0": (1,)})
        if bias:
            shapes[f"{name}.bias"] = (shape[0],)

    def norm(name: str, channels: int) -> None:
        for part in ("gain", "bias"):
            if kind == "tables":
                shapes[f"{name}.{part}.weight"] = (CLASSES, channels)
            else:
                layer(f"{name}.{part}", channels, EMBEDDED + {"split": CHUNK, "whole": 0, "deep": 12}[kind], bias=False)
        shapes.update({f"{name}.stored_mean": (channels,), f"{name}.stored_var": (channels,)})

    widths = (16, 16, 8) if kind == "deep" else (8, 16, 8)
    if kind != "tables":
        shapes["shared.weight"] = (CLASSES, EMBEDDED)
    layer("linear", widths[0] * 16, {"split": CHUNK, "whole": 12, "tables": 12, "deep": 12 + EMBEDDED}[kind])
    for i, (width, out) in enumerate(pairwise(widths)):
        at = f"blocks.{i}.0"
        if kind == "deep":
            inner = width // 4
            for j, (a, b, k) in enumerate(((inner, width, 1), (inner, inner, 3), (inner, inner, 3), (out, inner, 1)), 1):
                layer(f"{at}.conv{j}", a, b, k, k)
                norm(f"{at}.bn{j}", b)
        else:
            (
                layer(f"{at}.conv1", out, width, 3, 3),
                layer(f"{at}.conv2", out, out, 3, 3),
                layer(f"{at}.conv_sc", out, width, 1, 1),
            )
            norm(f"{at}.bn1", width), norm(f"{at}.bn2", out)
        if attention and i == 0:
            for part, (a, b) in {
                "theta": (out // 8, out),
                "phi": (out // 8, out),
                "g": (out // 2, out),
                "o": (out, out // 2),
            }.items():
                layer(f"blocks.{i}.1.{part}", a, b, 1, 1, bias=False)
            shapes[f"blocks.{i}.1.gamma"] = ()
    shapes |= {f"output_layer.0.{part}": (widths[-1],) for part in ("gain", "bias", "stored_mean", "stored_var")}
    layer("output_layer.2", 16 if kind == "deep" else 3, widths[-1], 3, 3)
    weights = random_weights(shapes)
    return {name: 0.5 + tensor.abs() if name.endswith("stored_var") else tensor for name, tensor in weights.items()}


def effective(w: Weights) -> dict[str, Tensor]:
    """Every weight over the singular value that one step of the power iteration from u0 finds, in float64."""
    out = {name: tensor.double() for name, tensor in w.items()}
    for name in [name for name in w if name.endswith(".u0")]:
        path = name.removesuffix(".u0")
        rows = out[f"{path}.weight"].flatten(1)
        v = out[name] @ rows
        v = v / v.norm()
        u = v @ rows.T
        out[f"{path}.weight"] = out[f"{path}.weight"] / (v @ rows.T @ (u / u.norm()).T)
    return out


def normalised(x: Tensor, mean: Tensor, var: Tensor, gain: Tensor, bias: Tensor, eps: float) -> Tensor:
    """gain and bias (C,), or (N, C) where they depend on the picture."""
    x = (x - mean[:, None, None]) / (var + eps).sqrt()[:, None, None]
    return torch.relu(x * gain[..., None, None] + bias[..., None, None])


def attended(theta: Tensor, phi: Tensor, g: Tensor) -> Tensor:
    """Every position of θ over the maxima of 2×2 positions of φ and g."""
    phi, g = (x.unfold(2, 2, 2).unfold(3, 2, 2).amax((4, 5)).flatten(2) for x in (phi, g))
    beta = torch.softmax(torch.einsum("ncp,ncq->npq", theta.flatten(2), phi), 2)
    return torch.einsum("npq,ncq->ncp", beta, g).reshape(len(g), g.shape[1], *theta.shape[2:])


def twice(x: Tensor) -> Tensor:
    return x.repeat_interleave(2, 2).repeat_interleave(2, 3)


def biggan(w: Weights, kind: str, z: Tensor, label: Tensor) -> Tensor:
    """The paper's appendix B, of functions alone."""
    w = effective(w)

    def conv(name: str, x: Tensor) -> Tensor:
        return functional.conv2d(x, w[f"{name}.weight"], w.get(f"{name}.bias"), padding="same")

    def norm(name: str, x: Tensor, c: Tensor) -> Tensor:
        gain, bias = (
            w[f"{name}.{part}.weight"][label] if kind == "tables" else c @ w[f"{name}.{part}.weight"].T
            for part in ("gain", "bias")
        )
        return normalised(x, w[f"{name}.stored_mean"], w[f"{name}.stored_var"], 1 + gain, bias, 1e-5)

    y = w["shared.weight"][label] if kind != "tables" else z[:, :0]
    first = z[:, :CHUNK] if kind == "split" else torch.cat([z, y], 1) if kind == "deep" else z
    x = (first @ w["linear.weight"].T + w["linear.bias"]).reshape(len(z), -1, 4, 4)
    for i in range(2):
        at = f"blocks.{i}.0"
        c = torch.cat([y, z[:, CHUNK * (i + 1) : CHUNK * (i + 2)]], 1) if kind == "split" else first if kind == "deep" else y
        if kind == "deep":
            enlarge = twice if i % 2 else lambda x: x
            h = conv(f"{at}.conv2", enlarge(norm(f"{at}.bn2", conv(f"{at}.conv1", norm(f"{at}.bn1", x, c)), c)))
            h = conv(f"{at}.conv4", norm(f"{at}.bn4", conv(f"{at}.conv3", norm(f"{at}.bn3", h, c)), c))
            x = h + enlarge(x[:, : h.shape[1]])
        else:
            h = conv(f"{at}.conv1", twice(norm(f"{at}.bn1", x, c)))
            x = conv(f"{at}.conv2", norm(f"{at}.bn2", h, c)) + conv(f"{at}.conv_sc", twice(x))
        at = f"blocks.{i}.1"
        if f"{at}.gamma" in w:
            x = x + w[f"{at}.gamma"] * conv(f"{at}.o", attended(*(conv(f"{at}.{part}", x) for part in ("theta", "phi", "g"))))
    last = (w[f"output_layer.0.{part}"] for part in ("stored_mean", "stored_var", "gain", "bias"))
    return torch.tanh(conv("output_layer.2", normalised(x, *last, 1e-5))[:, :3])


@pytest.mark.parametrize("kind", ["split", "whole", "tables", "deep"])
def test_it_draws_what_its_equations_say(kind: str, tmp_path: Path) -> None:
    weights = biggan_file(kind)
    with torch.no_grad():
        assert off(network_of(weights, tmp_path).double()(Z, LABEL), biggan(weights, kind, Z, LABEL)) < 1e-4


def test_batchnorm_that_averages_over_processes_keeps_its_statistics_deeper(tmp_path: Path) -> None:
    weights = biggan_file("whole", attention=False)
    deeper = {name.replace(".stored_", ".bn.stored_"): tensor for name, tensor in weights.items()}
    deeper["blocks.0.0.bn1.bn.accumulation_counter"] = torch.ones(1)
    with torch.no_grad():
        assert off(network_of(deeper, tmp_path).double()(Z, LABEL), biggan(weights, "whole", Z, LABEL)) < 1e-4


def test_its_facts_are_stated(tmp_path: Path) -> None:
    weights = biggan_file("split")
    imported = imported_weights(weights, tmp_path)
    spec, facts = imported.generator.spec, stated(imported)
    assert (spec.latent_size, spec.classes, spec.height) == (3 * CHUNK, tuple("01234"), 16)
    assert facts["layers"] == ("BigGAN generator", "told")
    assert facts["last activation"] == ("tanh", "told")
    assert grade("PASS", imported.log.basis) == "PASS"
    assert off(drawn(imported, Z.float(), LABEL), biggan(weights, "split", Z, LABEL)) < 1e-3
    with pytest.raises(UsageError, match="--classes 7"):
        imported_weights(weights, tmp_path, classes=7)


def converted_file() -> dict[str, Tensor]:
    """A file of pytorch-pretrained-biggan, without spectral normalisation: its weights are as if it were divided out."""
    shapes: dict[str, tuple[int, ...]] = {
        "embeddings.weight": (EMBEDDED, CLASSES),
        "generator.gen_z.weight": (256, 12 + EMBEDDED),
    }
    shapes["generator.gen_z.bias"] = (256,)
    for i, (width, out) in enumerate(((16, 16), (16, 8))):
        at, inner = f"generator.layers.{i}", width // 4
        for j, (a, b, k) in enumerate(((inner, width, 1), (inner, inner, 3), (inner, inner, 3), (out, inner, 1))):
            shapes |= {f"{at}.conv_{j}.weight": (a, b, k, k), f"{at}.conv_{j}.bias": (a,)}
            shapes |= {f"{at}.bn_{j}.{part}.weight": (b, 12 + EMBEDDED) for part in ("scale", "offset")}
            shapes |= {f"{at}.bn_{j}.running_means": (51, b), f"{at}.bn_{j}.running_vars": (51, b)}
    shapes |= {"generator.bn.weight": (8,), "generator.bn.bias": (8,), "generator.conv_to_rgb.weight": (8, 8, 3, 3)}
    shapes |= {"generator.bn.running_means": (51, 8), "generator.bn.running_vars": (51, 8), "generator.conv_to_rgb.bias": (8,)}
    return random_weights(shapes)


def converted(w: Weights, z: Tensor, label: Tensor) -> Tensor:
    """BigGAN-deep under the converted names, by the statistics of truncation 1."""
    w = {name: tensor.double() for name, tensor in w.items()}

    def conv(name: str, x: Tensor) -> Tensor:
        return functional.conv2d(x, w[f"{name}.weight"], w[f"{name}.bias"], padding="same")

    def norm(name: str, x: Tensor) -> Tensor:
        gain, bias = (c @ w[f"{name}.{part}.weight"].T for part in ("scale", "offset"))
        return normalised(x, w[f"{name}.running_means"][50], w[f"{name}.running_vars"][50], 1 + gain, bias, 1e-4)

    c = torch.cat([z, w["embeddings.weight"][:, label].T], 1)
    rows = c @ w["generator.gen_z.weight"].T + w["generator.gen_z.bias"]
    x = torch.einsum("nhwc->nchw", rows.reshape(len(z), 4, 4, 16))
    for i in range(2):
        at, enlarge = f"generator.layers.{i}", twice if i % 2 else lambda x: x
        h = conv(f"{at}.conv_0", norm(f"{at}.bn_0", x))
        h = conv(f"{at}.conv_1", enlarge(norm(f"{at}.bn_1", h)))
        h = conv(f"{at}.conv_3", norm(f"{at}.bn_3", conv(f"{at}.conv_2", norm(f"{at}.bn_2", h))))
        x = h + enlarge(x[:, : h.shape[1]])
    last = (
        w["generator.bn.running_means"][50],
        w["generator.bn.running_vars"][50],
        w["generator.bn.weight"],
        w["generator.bn.bias"],
    )
    return torch.tanh(conv("generator.conv_to_rgb", normalised(x, *last, 1e-4))[:, :3])


def test_a_converted_biggan_deep_draws_by_the_statistics_of_truncation_one(tmp_path: Path) -> None:
    weights = converted_file()
    for name in weights:
        if "running_vars" in name:
            weights[name] = 0.5 + weights[name].abs()
    with torch.no_grad():
        assert off(network_of(weights, tmp_path).double()(Z, LABEL), converted(weights, Z, LABEL)) < 1e-4


def test_the_packages_own_class_draws_the_same(tmp_path: Path) -> None:
    theirs, configuration = package("pytorch_pretrained_biggan.model"), package("pytorch_pretrained_biggan.config")
    layers = [(False, 16, 16), (True, 16, 8), (False, 8, 4), (True, 4, 2), (False, 2, 2), (True, 2, 1)]
    config = configuration.BigGANConfig(
        z_dim=12, channel_width=8, num_classes=CLASSES, layers=layers, attention_layer_position=2, eps=1e-4
    )
    with torch.random.fork_rng():
        torch.manual_seed(3)
        generator = theirs.BigGAN(config)
        for name, values in generator.state_dict().items():
            if name.endswith(("bn.weight", "bn.bias", "gamma")):
                values.normal_()
            if "running_" in name:
                values.uniform_(0.5, 1.5)
        for _ in range(5):  # a forward in training mode is a step of the power iteration
            generator(Z.float(), functional.one_hot(LABEL, CLASSES).float(), 1.0)
    network = network_of(generator.eval().state_dict(), tmp_path)
    with torch.no_grad():
        expected = generator(Z.float(), functional.one_hot(LABEL, CLASSES).float(), 1.0)
        assert off(network(Z.float(), LABEL), expected) < 1e-4
