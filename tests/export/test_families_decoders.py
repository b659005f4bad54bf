"""TAESD's and AutoencoderKL's decoders are read from their weights alone, and draw what an independent network draws."""

import json
import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import Tensor
from torch.nn import functional

from export.importers.load_generator import load_generator
from export.importers.request import ImportRequest
from gansample.bundle.basis import grade
from gansample.errors import ArtefactError, UsageError
from tests.support.families import drawn, imported_weights, package, random_weights, stated

ROOT = Path(os.environ.get("GENERATORS", Path(__file__).parents[3] / "shared" / "generators"))

Weights = Mapping[str, Tensor]
WIDTH = 16


def taesd_shapes(
    first: int, channels: int = 4, blocks: tuple[int, ...] = (2, 1), pooled: bool = False
) -> dict[str, tuple[int, ...]]:
    """Names and shapes of a decoder whose first convolution is layer `first`: 1 in TAESD's own files, 0 in diffusers'."""
    shapes: dict[str, tuple[int, ...]] = {f"{first}.weight": (WIDTH, channels, 3, 3), f"{first}.bias": (WIDTH,)}
    at = first + 2
    for stage, n in enumerate(blocks):
        for _ in range(n):
            for i in (0, 2, 4):
                shapes |= {f"{at}.conv.{i}.weight": (WIDTH, WIDTH, 3, 3), f"{at}.conv.{i}.bias": (WIDTH,)}
            if pooled and stage == 0:
                shapes |= {f"{at}.pool.0.weight": (2 * WIDTH, WIDTH, 1, 1), f"{at}.pool.3.weight": (WIDTH, 2 * WIDTH, 1, 1)}
                shapes |= {f"{at}.pool.1.weight": (2 * WIDTH,), f"{at}.pool.1.bias": (2 * WIDTH,)}
            at += 1
        last = stage == len(blocks) - 1
        shapes |= {f"{at}.weight": (3, WIDTH, 3, 3), f"{at}.bias": (3,)} if last else {f"{at + 1}.weight": (WIDTH, WIDTH, 3, 3)}
        at += 2
    return shapes


def taesd(w: Weights, first: int, blocks: tuple[int, ...], z: Tensor) -> Tensor:
    """The decoder as TAESD's page describes it, of functions alone: pictures in 0..1."""

    def conv(name: str, x: Tensor) -> Tensor:
        return functional.conv2d(x, w[f"{name}.weight"], w.get(f"{name}.bias"), padding="same")

    x, at = torch.relu(conv(str(first), 3 * torch.tanh(z / 3))), first + 2
    for stage, n in enumerate(blocks):
        for _ in range(n):
            if f"{at}.pool.0.weight" in w:
                norm = functional.group_norm(conv(f"{at}.pool.0", x), 4, w[f"{at}.pool.1.weight"], w[f"{at}.pool.1.bias"])
                x = x + conv(f"{at}.pool.3", torch.relu(norm))
            y = torch.relu(conv(f"{at}.conv.0", x))
            y = conv(f"{at}.conv.4", torch.relu(conv(f"{at}.conv.2", y)))
            x, at = torch.relu(x + y), at + 1
        if stage < len(blocks) - 1:
            x, at = conv(str(at + 1), x.repeat_interleave(2, 2).repeat_interleave(2, 3)), at + 2
    return conv(str(at), x)


@pytest.mark.parametrize("pooled", [False, True])
def test_taesd_is_read_from_its_numbers(pooled: bool, tmp_path: Path) -> None:
    weights = random_weights(taesd_shapes(1, pooled=pooled))
    imported = imported_weights(weights, tmp_path, latent_shape=(4, 8, 8))
    z = torch.randn(2, 4 * 8 * 8, generator=torch.Generator().manual_seed(1))
    assert torch.allclose(drawn(imported, z), taesd(weights, 1, (2, 1), z.reshape(2, 4, 8, 8)), atol=1e-5)
    facts = stated(imported)
    assert facts["layers"] == ("TAESD decoder", "told")
    assert facts["activation"] == ("relu", "told")
    assert facts["range"] == ("sigmoid (0..1)", "told")
    assert grade("PASS", imported.log.basis) == "PASS"


def test_without_a_size_the_latent_is_four_by_four_and_any_other_can_be_had(tmp_path: Path) -> None:
    imported = imported_weights(random_weights(taesd_shapes(1, blocks=(1, 1, 1))), tmp_path)
    assert imported.generator.spec.latent_size == 4 * 4 * 4
    assert (imported.generator.spec.height, imported.generator.spec.width) == (16, 16)
    wide = imported_weights(random_weights(taesd_shapes(1)), tmp_path, latent_shape=(4, 8, 16))
    assert (wide.generator.spec.height, wide.generator.spec.width) == (16, 32)
    with pytest.raises(UsageError, match="planes of 4 channels"):
        imported_weights(random_weights(taesd_shapes(1)), tmp_path, latent_shape=(8, 8, 8))
    with pytest.raises(UsageError, match="at most 1,048,576 numbers"):
        imported_weights(random_weights(taesd_shapes(1)), tmp_path, latent_shape=(4, 1024, 1024))
    with pytest.raises(UsageError, match="--latent-shape"):
        imported_weights(random_weights(taesd_shapes(1)), tmp_path, image=(3, 64, 64))


def test_what_is_no_picture_is_refused(tmp_path: Path) -> None:
    weights = random_weights(taesd_shapes(1))
    last = max(weights, key=lambda name: int(name.split(".")[0])).split(".")[0]
    weights |= {f"{last}.weight": torch.zeros(12, WIDTH, 3, 3), f"{last}.bias": torch.zeros(12)}
    with pytest.raises(ArtefactError, match="12 channels"):
        imported_weights(weights, tmp_path)


def test_a_hub_folder_of_autoencoder_tiny_draws_minus_one_to_one(tmp_path: Path) -> None:
    decoder = random_weights(taesd_shapes(0))
    encoder = {f"encoder.layers.{name}": tensor for name, tensor in random_weights({"0.weight": (8, 3, 3, 3)}).items()}
    everything = {**encoder, **{f"decoder.layers.{name}": tensor for name, tensor in decoder.items()}}
    safetensors.torch.save_file(everything, tmp_path / "diffusion_pytorch_model.safetensors")
    (tmp_path / "config.json").write_text(json.dumps({"_class_name": "AutoencoderTiny", "act_fn": "relu"}))
    imported = load_generator(ImportRequest(weights=tmp_path, latent_shape=(4, 8, 8)))
    z = torch.randn(2, 4 * 8 * 8, generator=torch.Generator().manual_seed(1))
    assert torch.allclose(drawn(imported, z), 2 * taesd(decoder, 0, (2, 1), z.reshape(2, 4, 8, 8)) - 1, atol=1e-5)
    assert imported.generator.spec.value_range == "tanh"
    assert grade("PASS", imported.log.basis) == "PASS"


def test_the_names_with_other_shapes_are_refused_with_the_difference(tmp_path: Path) -> None:
    weights = random_weights(taesd_shapes(1))
    weights["3.conv.2.weight"] = torch.randn(WIDTH, WIDTH, 1, 1)
    with pytest.raises(ArtefactError, match=r"the family 'TAESD decoder'.*3\.conv\.2\.weight"):
        imported_weights(weights, tmp_path)


def kl_shapes(widths: tuple[int, ...], layers: int, attention: bool = True) -> dict[str, tuple[int, ...]]:
    """Names and shapes of a decoder whose stages have `widths` channels, the smallest pictures' first."""
    shapes: dict[str, tuple[int, ...]] = {}

    def conv(name: str, out: int, width: int, k: int = 3) -> None:
        shapes.update({f"{name}.weight": (out, width, k, k), f"{name}.bias": (out,)})

    def vector(name: str, width: int) -> None:
        shapes.update({f"{name}.weight": (width,), f"{name}.bias": (width,)})

    def block(name: str, out: int, width: int) -> None:
        vector(f"{name}.norm1", width), vector(f"{name}.norm2", out)
        conv(f"{name}.conv1", out, width), conv(f"{name}.conv2", out, out)
        if out != width:
            conv(f"{name}.conv_shortcut", out, width, 1)

    conv("post_quant_conv", 4, 4, 1), conv("decoder.conv_in", widths[0], 4)
    for i in range(2):
        block(f"decoder.mid_block.resnets.{i}", widths[0], widths[0])
    if attention:
        at = "decoder.mid_block.attentions.0"
        vector(f"{at}.group_norm", widths[0])
        for part in ("to_q", "to_k", "to_v", "to_out.0"):
            shapes.update({f"{at}.{part}.weight": (widths[0], widths[0]), f"{at}.{part}.bias": (widths[0],)})
    before = widths[0]
    for i, width in enumerate(widths):
        for j in range(layers):
            block(f"decoder.up_blocks.{i}.resnets.{j}", width, before)
            before = width
        if i < len(widths) - 1:
            conv(f"decoder.up_blocks.{i}.upsamplers.0.conv", width, width)
    vector("decoder.conv_norm_out", widths[-1]), conv("decoder.conv_out", 3, widths[-1])
    return shapes


def kl_decoder(w: Weights, groups: int, z: Tensor) -> Tensor:
    """The decoder of latent diffusion's appendix, of functions alone."""

    def conv(name: str, x: Tensor) -> Tensor:
        return functional.conv2d(x, w[f"{name}.weight"], w[f"{name}.bias"], padding="same")

    def norm(name: str, x: Tensor) -> Tensor:
        parts = x.reshape(len(x), groups, -1)
        parts = (parts - parts.mean(2, keepdim=True)) / (parts.var(2, unbiased=False, keepdim=True) + 1e-6).sqrt()
        shape = (1, -1, *(1 for _ in x.shape[2:]))
        return parts.reshape(x.shape) * w[f"{name}.weight"].reshape(shape) + w[f"{name}.bias"].reshape(shape)

    def silu(x: Tensor) -> Tensor:
        return x * torch.sigmoid(x)

    def block(name: str, x: Tensor) -> Tensor:
        y = conv(f"{name}.conv1", silu(norm(f"{name}.norm1", x)))
        y = conv(f"{name}.conv2", silu(norm(f"{name}.norm2", y)))
        return y + (conv(f"{name}.conv_shortcut", x) if f"{name}.conv_shortcut.weight" in w else x)

    def attention(name: str, x: Tensor) -> Tensor:
        def linear(part: str, rows: Tensor) -> Tensor:
            return rows @ w[f"{name}.{part}.weight"].T + w[f"{name}.{part}.bias"]

        rows = norm(f"{name}.group_norm", x.flatten(2)).transpose(1, 2)
        q, k, v = (linear(part, rows) for part in ("to_q", "to_k", "to_v"))
        seen = torch.softmax(q @ k.transpose(1, 2) / q.shape[2] ** 0.5, 2) @ v
        return x + linear("to_out.0", seen).transpose(1, 2).reshape(x.shape)

    x = conv("decoder.conv_in", conv("post_quant_conv", z))
    x = block("decoder.mid_block.resnets.0", x)
    if "decoder.mid_block.attentions.0.to_q.weight" in w:
        x = attention("decoder.mid_block.attentions.0", x)
    x = block("decoder.mid_block.resnets.1", x)
    for i in range(len({name.split(".")[2] for name in w if ".up_blocks." in name})):
        for j in range(len({name.split(".")[4] for name in w if name.startswith(f"decoder.up_blocks.{i}.resnets.")})):
            x = block(f"decoder.up_blocks.{i}.resnets.{j}", x)
        if f"decoder.up_blocks.{i}.upsamplers.0.conv.weight" in w:
            x = conv(f"decoder.up_blocks.{i}.upsamplers.0.conv", x.repeat_interleave(2, 2).repeat_interleave(2, 3))
    return conv("decoder.conv_out", silu(norm("decoder.conv_norm_out", x)))


@pytest.mark.parametrize("attention", [True, False])
def test_a_kl_decoder_draws_what_its_equations_say(attention: bool, tmp_path: Path) -> None:
    weights = random_weights(kl_shapes((32, 16), 2, attention))
    safetensors.torch.save_file(weights, tmp_path / "diffusion_pytorch_model.safetensors")
    (tmp_path / "config.json").write_text(json.dumps({"norm_num_groups": 8, "sample_size": 16, "act_fn": "silu"}))
    imported = load_generator(ImportRequest(weights=tmp_path))
    assert imported.generator.spec.latent_size == 4 * 8 * 8
    z = torch.randn(2, 4 * 8 * 8, generator=torch.Generator().manual_seed(1))
    assert torch.allclose(drawn(imported, z), kl_decoder(weights, 8, z.reshape(2, 4, 8, 8)), atol=1e-4)
    assert grade("PASS", imported.log.basis) == "PASS"


def test_attention_under_its_older_names_is_the_same(tmp_path: Path) -> None:
    weights = random_weights(kl_shapes((32, 32), 1))
    old = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    renamed = {}
    for name, tensor in weights.items():
        for new, former in old.items():
            name = name.replace(f".{new}.", f".{former}.")
        renamed[name] = tensor
    z = torch.randn(2, 4 * 16 * 16, generator=torch.Generator().manual_seed(1))
    assert torch.allclose(
        drawn(imported_weights(renamed, tmp_path), z), kl_decoder(weights, 32, z.reshape(2, 4, 16, 16)), atol=1e-4
    )


def test_groups_that_do_not_divide_ask_for_the_configuration(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="norm_num_groups"):
        imported_weights(random_weights(kl_shapes((16, 16), 1)), tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["AutoencoderKL", "AutoencoderTiny"])
def test_diffusers_own_class_draws_the_same(kind: str, tmp_path: Path) -> None:
    diffusers = package("diffusers")
    with torch.random.fork_rng():
        torch.manual_seed(3)
        if kind == "AutoencoderKL":
            blocks = {"down_block_types": ("DownEncoderBlock2D",) * 2, "up_block_types": ("UpDecoderBlock2D",) * 2}
            theirs = diffusers.AutoencoderKL(block_out_channels=(16, 32), **blocks, norm_num_groups=8, layers_per_block=1)
        else:
            theirs = diffusers.AutoencoderTiny(num_decoder_blocks=(1, 2, 1, 1), act_fn="silu")
    theirs.save_pretrained(tmp_path)
    imported = load_generator(ImportRequest(weights=tmp_path, latent_shape=(4, 8, 8)))
    z = torch.randn(3, 4 * 8 * 8, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        expected = theirs.eval().decode(z.reshape(3, 4, 8, 8)).sample
    assert torch.allclose(drawn(imported, z), expected, atol=1e-5)


@pytest.mark.slow
@pytest.mark.skipif(not ROOT.is_dir(), reason="the strangers' generators are not here (set GENERATORS=folder)")
def test_a_strangers_decoder_is_read_without_its_class() -> None:
    folder = ROOT / "taef2-decoder"
    imported = load_generator(ImportRequest(weights=folder / "taef2_decoder.pth"))
    z = torch.from_numpy(np.load(folder / "ref_z.npy")).flatten(1)
    assert float((drawn(imported, z) - torch.from_numpy(np.load(folder / "ref_out.npy"))).abs().max()) < 1e-5
    assert grade("PASS", imported.log.basis) == "PASS"
