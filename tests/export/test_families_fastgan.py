"""FastGAN's and lightweight-gan's generators are read from their weights alone, and draw what independent networks draw."""

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import spectral_norm

from gansample.errors import ArtefactError, UsageError
from tests.support.families import drawn, imported_weights, network_of, off, package, random_weights, stated

Weights = Mapping[str, Tensor]
EIGHT = torch.randn(2, 8, generator=torch.Generator().manual_seed(1))
Z = torch.randn(2, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
WIDE = {4: 8, 8: 8, 16: 4, 32: 4, 64: 4, 128: 4, 256: 2, 512: 2, 1024: 2}  # channels of FastGAN's feature maps by their side
GATES = {64: 4, 128: 8, 256: 16, 512: 32}
COMP = (8, 32, 128, 512)


def fastgan_module(side: int, noise: float) -> nn.Module:
    """Layers under the names of FastGAN's files, normalised by PyTorch's own spectral_norm; it has no forward."""
    root = nn.Module()

    def put(path: str, layer: nn.Module) -> None:
        at = root
        for part in path.split(".")[:-1]:
            if part not in dict(at.named_children()):
                at.add_module(part, nn.Module())
            at = at.get_submodule(part)
        at.add_module(path.rpartition(".")[2], layer)

    put("init.init.0", spectral_norm(nn.ConvTranspose2d(6, 2 * WIDE[4], 4, bias=False)))
    put("init.init.1", nn.BatchNorm2d(2 * WIDE[4]))
    sides = [each for each in WIDE if each <= side]
    for before, each in pairwise(sides):
        width, out = WIDE[before], WIDE[each]
        put(f"feat_{each}.1", spectral_norm(nn.Conv2d(width, 2 * out, 3, bias=False)))
        if each in COMP:
            put(f"feat_{each}.5", spectral_norm(nn.Conv2d(out, 2 * out, 3, bias=False)))
            for i in (2, 6):
                weighted = nn.Module()
                weighted.weight = nn.Parameter(torch.full((1,), noise))
                put(f"feat_{each}.{i}", weighted)
        for i in (3, 7) if each in COMP else (2,):
            put(f"feat_{each}.{i}", nn.BatchNorm2d(2 * out))
        if each in GATES:
            put(f"se_{each}.main.1", spectral_norm(nn.Conv2d(WIDE[GATES[each]], out, 4, bias=False)))
            put(f"se_{each}.main.3", spectral_norm(nn.Conv2d(out, out, 1, bias=False)))
    put("to_128", spectral_norm(nn.Conv2d(WIDE[128], 3, 1, bias=False)))
    put("to_big", spectral_norm(nn.Conv2d(WIDE[side], 3, 3, bias=False)))
    return root


def fastgan_file(side: int, noise: float = 0.0) -> dict[str, Tensor]:
    with torch.random.fork_rng():
        torch.manual_seed(5)
        module = fastgan_module(side, noise)
        stream = torch.Generator().manual_seed(2)
        for layer in module.modules():
            if hasattr(layer, "weight_u"):
                for _ in range(10):  # a forward in training mode is a step of the power iteration
                    layer(torch.zeros(1, layer.in_channels, 4, 4))
            if isinstance(layer, nn.BatchNorm2d):
                layer.running_mean.copy_(0.1 * torch.randn(layer.num_features, generator=stream))
                layer.running_var.copy_(0.5 + torch.rand(layer.num_features, generator=stream))
        return module.state_dict()


def doubled(weights: Weights) -> dict[str, Tensor]:
    return {name: tensor.double() for name, tensor in weights.items()}


def effective(w: Weights) -> dict[str, Tensor]:
    """Every kernel over its largest singular value as u and v give it."""
    out = dict(w)
    for name in [name for name in w if name.endswith("weight_orig")]:
        path, kernel = name.removesuffix("weight_orig"), w[name]
        rows = kernel.transpose(0, 1) if path == "init.init.0." else kernel
        sigma = torch.einsum("o,op,p->", w[f"{path}weight_u"], rows.reshape(len(rows), -1), w[f"{path}weight_v"])
        out[f"{path}weight"] = kernel / sigma
    return out


def fastgan(w: Weights, side: int, z: Tensor) -> Tensor:
    """The paper's generator without its noise, of functions alone; its largest size ends in tanh, smaller ones do not."""
    w = effective(w)

    def norm(name: str, x: Tensor) -> Tensor:
        mean, var, scale, shift = (
            w[f"{name}.{part}"][:, None, None] for part in ("running_mean", "running_var", "weight", "bias")
        )
        return (x - mean) / (var + 1e-5).sqrt() * scale + shift

    def glu(x: Tensor) -> Tensor:
        half = x.shape[1] // 2
        return x[:, :half] * torch.sigmoid(x[:, half:])

    def conv(name: str, x: Tensor, padding: int = 0) -> Tensor:
        return functional.conv2d(x, w[f"{name}.weight"], padding=padding)

    def gate(name: str, small: Tensor, large: Tensor) -> Tensor:
        pooled = conv(f"{name}.main.1", functional.adaptive_avg_pool2d(small, 4))
        return large * torch.sigmoid(conv(f"{name}.main.3", pooled * torch.sigmoid(pooled)))

    start = functional.conv_transpose2d(z[:, :, None, None], w["init.init.0.weight"])
    x, features = glu(norm("init.init.1", start)), {}
    features[4] = x
    for each in [each for each in WIDE if 4 < each <= side]:
        x = x.repeat_interleave(2, 2).repeat_interleave(2, 3)
        x = glu(norm(f"feat_{each}.{3 if each in COMP else 2}", conv(f"feat_{each}.1", x, 1)))
        if each in COMP:
            x = glu(norm(f"feat_{each}.7", conv(f"feat_{each}.5", x, 1)))
        features[each] = x = gate(f"se_{each}", features[GATES[each]], x) if each in GATES else x
    picture = conv("to_big", x, 1)
    return torch.tanh(picture) if side == 1024 else picture


@pytest.mark.parametrize("side", [256, pytest.param(512, marks=pytest.mark.slow), pytest.param(1024, marks=pytest.mark.slow)])
def test_fastgan_draws_what_its_equations_say(side: int, tmp_path: Path) -> None:
    weights = fastgan_file(side)
    network = network_of({"g": {f"module.{name}": t for name, t in weights.items()}, "d": {"w": torch.ones(3)}}, tmp_path)
    with torch.no_grad():
        assert off(network.double()(Z), fastgan(doubled(weights), side, Z)) < 1e-4


def test_the_average_beside_the_weights_is_drawn(tmp_path: Path) -> None:
    weights = fastgan_file(256)
    buffers = ("running_mean", "running_var", "num_batches_tracked", "weight_u", "weight_v")
    average = {name: 0.9 * tensor for name, tensor in weights.items() if not name.endswith(buffers)}
    network = network_of({"g": weights, "d": {"w": torch.ones(3)}, "g_ema": list(average.values())}, tmp_path)
    with torch.no_grad():
        assert off(network.double()(Z), fastgan(doubled({**weights, **average}), 256, Z)) < 1e-4


@pytest.mark.slow
def test_its_noise_is_asked_about_and_its_facts_are_stated(tmp_path: Path) -> None:
    weights = fastgan_file(256, noise=0.5)
    with pytest.raises(ArtefactError, match="--noise none"):
        imported_weights(weights, tmp_path)
    imported = imported_weights(weights, tmp_path, noise="none")
    assert off(drawn(imported, Z.float()), fastgan(weights, 256, Z.float())) < 1e-3
    facts = stated(imported)
    assert facts["layers"] == ("FastGAN generator", "told")
    assert facts["last activation"] == ("none", "told")


def test_a_chain_of_layers_without_plain_weights_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"init\.init\.0 has no weight"):
        imported_weights(fastgan_file(256), tmp_path, chain="z linear")


def lightweight_shapes(widths: tuple[int, ...], attention: tuple[int, ...] = ()) -> dict[str, tuple[int, ...]]:
    """Names and shapes of a generator whose feature maps have `widths` channels, the first of them as many as the latent."""
    shapes: dict[str, tuple[int, ...]] = {}

    def conv(name: str, out: int, width: int, k: int) -> None:
        shapes.update({f"{name}.weight": (out, width, k, k), f"{name}.bias": (out,)})

    def norm(name: str, width: int) -> None:
        shapes.update({f"{name}.{part}": (width,) for part in ("weight", "bias", "running_mean", "running_var")})

    shapes |= {"initial_conv.0.weight": (widths[0], 2 * widths[0], 4, 4), "initial_conv.0.bias": (2 * widths[0],)}
    norm("initial_conv.1", 2 * widths[0])
    layers = len(widths) - 1
    for i in range(layers):
        at, width, out = f"layers.{i}", widths[i], widths[i + 1]
        conv(f"{at}.0.0.net.0", 4 * width, width, 1)
        shapes |= {f"{at}.0.1.f": (3,), f"{at}.0.3.weight": (1,)}
        conv(f"{at}.0.2.1", 2 * out, width, 4)
        norm(f"{at}.0.4", 2 * out)
        if 1 <= i < 5 and i + 3 < layers + 0:
            inner = max(3, widths[i + 4] // 2)
            (
                conv(f"{at}.1.to_k", 1, out, 1),
                conv(f"{at}.1.net.0", inner, out, 1),
                conv(f"{at}.1.net.2", widths[i + 4], inner, 1),
            )
        if i in attention:
            fn = f"{at}.2.fn"
            shapes |= {f"{at}.2.norm.g": (1, width, 1, 1), f"{at}.2.norm.b": (1, width, 1, 1)}
            shapes |= {f"{fn}.to_lin_q.weight": (128, width, 1, 1), f"{fn}.to_q.weight": (128, width, 1, 1)}
            shapes |= {f"{fn}.to_lin_kv.net.0.weight": (width, 1, 3, 3), f"{fn}.to_lin_kv.net.1.weight": (256, width, 1, 1)}
            shapes |= {f"{fn}.to_kv.weight": (256, width, 1, 1)}
            conv(f"{fn}.to_out", width, 256, 1)
    conv("out_conv", 3, widths[-1], 3)
    return shapes


def lightweight_file(widths: tuple[int, ...], attention: tuple[int, ...] = (), noise: float = 0.0) -> dict[str, Tensor]:
    weights = random_weights(lightweight_shapes(widths, attention))
    for name in weights:
        if name.endswith(".0.1.f"):
            weights[name] = torch.tensor([1.0, 2.0, 1.0])
        if name.endswith(".0.3.weight"):
            weights[name] = torch.full((1,), noise)
    return weights


def attention(w: Weights, at: str, x: Tensor) -> Tensor:
    """Both attentions pixel by pixel, of one picture (C, H, W), with heads of 64 channels."""
    mean, var = x.mean(0), x.var(0, unbiased=False)
    x = (x - mean) / (var + 1e-5).sqrt() * w[f"{at}.norm.g"][0] + w[f"{at}.norm.b"][0]
    height, width = x.shape[1:]

    def linear(name: str, x: Tensor) -> Tensor:
        return torch.einsum("oc,chw->ohw", w[f"{at}.fn.{name}.weight"][:, :, 0, 0], x)

    depthwise = functional.conv2d(x[None], w[f"{at}.fn.to_lin_kv.net.0.weight"], padding=1, groups=len(x))[0]
    lin_q, q = linear("to_lin_q", x), linear("to_q", x)
    lin_k, lin_v = linear("to_lin_kv.net.1", depthwise).split(len(q))
    k, v = linear("to_kv", x).split(len(q))
    everywhere, near = torch.zeros_like(q), torch.zeros_like(q)
    for head in range(len(q) // 64):
        part = slice(64 * head, 64 * head + 64)
        keys = lin_k[part].flatten(1).softmax(1)
        context = torch.einsum("cp,dp->cd", keys, lin_v[part].flatten(1))
        for i in range(height):
            for j in range(width):
                everywhere[part, i, j] = (lin_q[part, i, j].softmax(0) / 8) @ context
                around = [(i + a, j + b) for a in (-1, 0, 1) for b in (-1, 0, 1)]
                inside = [0 <= a < height and 0 <= b < width for a, b in around]
                likeness = torch.stack(
                    [
                        q[part, i, j] @ k[part, a, b] / 8 if ok else torch.zeros(())
                        for (a, b), ok in zip(around, inside, strict=True)
                    ]
                )
                for weight, (a, b), ok in zip(likeness.softmax(0), around, inside, strict=True):
                    near[part, i, j] += weight * v[part, a, b] if ok else 0
    both = torch.cat([functional.gelu(everywhere), near])
    return linear("to_out", both) + w[f"{at}.fn.to_out.bias"][:, None, None]


def lightweight(w: Weights, z: Tensor) -> Tensor:
    """The generator without its noise, of functions alone."""

    def conv(name: str, x: Tensor, padding: int = 0) -> Tensor:
        return functional.conv2d(x, w[f"{name}.weight"], w[f"{name}.bias"], padding=padding)

    def gated(name: str, x: Tensor) -> Tensor:
        parts = (w[f"{name}.{part}"] for part in ("running_mean", "running_var", "weight", "bias"))
        return functional.glu(functional.batch_norm(x, *parts), 1)

    x = functional.conv_transpose2d(z[:, :, None, None], w["initial_conv.0.weight"], w["initial_conv.0.bias"])
    x = gated("initial_conv.1", x)
    x, gates = x / x.square().sum(1, keepdim=True).sqrt(), {}
    blur = torch.tensor([[1.0, 2, 1], [2, 4, 2], [1, 2, 1]]) / 16
    for i in range(len({name.split(".")[1] for name in w if name.startswith("layers.")})):
        at = f"layers.{i}"
        if f"{at}.2.norm.g" in w:
            x = x + torch.stack([attention(w, f"{at}.2", each) for each in x])
        y = conv(f"{at}.0.0.net.0", x)
        y = y * torch.sigmoid(y)
        n, wide, height, width = y.shape
        y = y.reshape(n, wide // 4, 2, 2, height, width).permute(0, 1, 4, 2, 5, 3).reshape(n, wide // 4, 2 * height, 2 * width)
        framed = functional.pad(y, (1, 1, 1, 1), mode="reflect")
        y = sum(blur[a, b] * framed[:, :, a : a + 2 * height, b : b + 2 * width] for a in range(3) for b in range(3))
        x = gated(f"{at}.0.4", conv(f"{at}.0.2.1", functional.pad(y, (2, 1, 2, 1))))
        if f"{at}.1.to_k.weight" in w:
            weights = conv(f"{at}.1.to_k", x).flatten(2).softmax(2)
            mean = (x.flatten(2) * weights).sum(2)[:, :, None, None]
            y = conv(f"{at}.1.net.0", mean)
            gates[i + 3] = torch.sigmoid(conv(f"{at}.1.net.2", torch.where(y > 0, y, 0.1 * y)))
        x = x * gates.get(i, 1)
    return conv("out_conv", x, 1)


@pytest.mark.parametrize("places", [(), (1,)])
def test_lightweight_gan_draws_what_its_equations_say(places: tuple[int, ...], tmp_path: Path) -> None:
    weights = lightweight_file((8, 8, 6, 6, 4, 4), places)
    networks = {f"{name}.{n}": t + (name != "GE") for name in ("G", "D", "GE") for n, t in weights.items()}
    network = network_of({"GAN": networks, "version": "1.2.1"}, tmp_path)
    with torch.no_grad():
        assert off(network(EIGHT), lightweight(weights, EIGHT)) < 1e-4


def test_lightweight_gans_facts_are_stated(tmp_path: Path) -> None:
    imported = imported_weights(lightweight_file((8, 8, 6, 6)), tmp_path)
    facts = stated(imported)
    assert facts["layers"] == ("lightweight-gan generator", "told")
    assert facts["range"] == ("sigmoid (0..1)", "told")
    assert (imported.generator.spec.height, imported.generator.spec.latent_size) == (32, 8)


def test_lightweight_gans_noise_is_asked_about(tmp_path: Path) -> None:
    weights = lightweight_file((8, 8, 6, 6), noise=0.5)
    with pytest.raises(ArtefactError, match="--noise none"):
        imported_weights(weights, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("frequencies", [False, True])
def test_the_packages_own_class_draws_the_same(frequencies: bool, tmp_path: Path) -> None:
    theirs = package("lightweight_gan.lightweight_gan")
    with torch.random.fork_rng():
        torch.manual_seed(3)
        generator = theirs.Generator(
            image_size=64, latent_dim=32, fmap_max=32, attn_res_layers=[16], freq_chan_attn=frequencies
        ).eval()
    network = network_of(generator.state_dict(), tmp_path)
    z = torch.randn(3, 32, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        assert off(network(z), generator(z)) < 1e-4
