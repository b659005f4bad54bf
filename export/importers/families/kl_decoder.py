"""The decoder of diffusers' AutoencoderKL: residual blocks with GroupNorm, one attention, nearest-neighbour enlargement.

R. Rombach et al., *High-Resolution Image Synthesis with Latent Diffusion Models*, CVPR 2022 (arXiv:2112.10752), appendix E; the
names are those of `AutoencoderKL` in the documentation of diffusers. Latents go in as `decode` takes them: a diffusion pipeline
divides its own by `scaling_factor` first.
"""

import re

import torch
from torch import Tensor, nn

from export.importers.call_signature import CallSignature
from export.importers.families.activations import activation
from export.importers.families.family import Family, Hints, Reading, Stated, Tensors
from gansample.errors import UsageError

EPS = 1e-6
GROUPS = 32
SAMPLE_SIDE = 32  # of the picture where no configuration says it: that of AutoencoderKL's own default
# Attention's parts as diffusers called them before version 0.17.
OLD_NAMES = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}


class Block(nn.Module):
    """x + conv(act(norm(conv(act(norm(x)))))), x through a 1×1 convolution where the channels change."""

    def __init__(self, tensors: Tensors, at: str, groups: int, act_fn: object) -> None:
        super().__init__()
        out, width = tensors[f"{at}.conv1.weight"].shape[:2]
        self.norm1, self.norm2 = nn.GroupNorm(groups, width, EPS), nn.GroupNorm(groups, out, EPS)
        self.conv1, self.conv2 = nn.Conv2d(width, out, 3, padding=1), nn.Conv2d(out, out, 3, padding=1)
        self.conv_shortcut = nn.Conv2d(width, out, 1) if width != out else nn.Identity()
        self.act = activation(act_fn)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv2(self.act(self.norm2(self.conv1(self.act(self.norm1(x))))))
        out: Tensor = self.conv_shortcut(x) + y
        return out


class Attention(nn.Module):
    """x + attention over all positions, with one head."""

    def __init__(self, channels: int, groups: int) -> None:
        super().__init__()
        self.group_norm = nn.GroupNorm(groups, channels, EPS)
        self.to_q, self.to_k, self.to_v = (nn.Linear(channels, channels) for _ in range(3))
        self.to_out = nn.Sequential(nn.Linear(channels, channels))

    def forward(self, x: Tensor) -> Tensor:
        rows = self.group_norm(x).flatten(2).transpose(1, 2)
        likeness: Tensor = self.to_q(rows) @ self.to_k(rows).transpose(1, 2) * rows.shape[2] ** -0.5
        seen = likeness.softmax(2) @ self.to_v(rows)
        out: Tensor = x + self.to_out(seen).transpose(1, 2).reshape(x.shape)
        return out


class Middle(nn.Module):
    def __init__(self, tensors: Tensors, groups: int, act_fn: object) -> None:
        super().__init__()
        at = "decoder.mid_block"
        self.resnets = nn.ModuleList(Block(tensors, f"{at}.resnets.{i}", groups, act_fn) for i in range(2))
        norm = tensors.get(f"{at}.attentions.0.group_norm.weight")
        self.attentions = nn.ModuleList([Attention(norm.shape[0], groups)] if norm is not None else [])

    def forward(self, x: Tensor) -> Tensor:
        for layer in (self.resnets[0], *self.attentions, self.resnets[1]):
            x = layer(x)
        return x


class Up(nn.Module):
    """Residual blocks, then all but the last stage ×2 and a convolution."""

    def __init__(self, tensors: Tensors, at: str, groups: int, act_fn: object) -> None:
        super().__init__()
        n = len({name.split(".")[4] for name in tensors if name.startswith(f"{at}.resnets.")})
        self.resnets = nn.ModuleList(Block(tensors, f"{at}.resnets.{i}", groups, act_fn) for i in range(n))
        weight = tensors.get(f"{at}.upsamplers.0.conv.weight")
        self.upsamplers = nn.ModuleList([Enlarged(weight.shape[0])] if weight is not None else [])

    def forward(self, x: Tensor) -> Tensor:
        for layer in (*self.resnets, *self.upsamplers):
            x = layer(x)
        return x


class Enlarged(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.up, self.conv = nn.Upsample(scale_factor=2), nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.conv(self.up(x))
        return out


class Decoder(nn.Module):
    def __init__(self, tensors: Tensors, stages: int, groups: int, act_fn: object) -> None:
        super().__init__()
        first, last = tensors["decoder.conv_in.weight"], tensors["decoder.conv_out.weight"]
        self.conv_in = nn.Conv2d(first.shape[1], first.shape[0], 3, padding=1)
        self.mid_block = Middle(tensors, groups, act_fn)
        self.up_blocks = nn.ModuleList(Up(tensors, f"decoder.up_blocks.{i}", groups, act_fn) for i in range(stages))
        self.conv_norm_out, self.act = nn.GroupNorm(groups, last.shape[1], EPS), activation(act_fn)
        self.conv_out = nn.Conv2d(last.shape[1], last.shape[0], 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.mid_block(self.conv_in(x))
        for block in self.up_blocks:
            x = block(x)
        out: Tensor = self.conv_out(self.act(self.conv_norm_out(x)))
        return out


class KlDecoder(nn.Module):
    """latents (N, C, h, w) -> pictures (N, 3, f·h, f·w) around −1..1, as `AutoencoderKL.decode`."""

    def __init__(self, tensors: Tensors, stages: int, groups: int, act_fn: object) -> None:
        super().__init__()
        before = tensors.get("post_quant_conv.weight")
        self.post_quant_conv = nn.Conv2d(before.shape[1], before.shape[0], 1) if before is not None else nn.Identity()
        self.decoder = Decoder(tensors, stages, groups, act_fn)

    def forward(self, z: Tensor) -> Tensor:
        out: Tensor = self.decoder(self.post_quant_conv(z))
        return out


def read(tensors: Tensors, hints: Hints) -> Reading | None:
    """A decoder, of which the encoder may lie in the same file."""
    if "decoder.mid_block.resnets.0.norm1.weight" not in tensors or "decoder.conv_in.weight" not in tensors:
        return None
    own = {
        _new_name(name): _as_linear(name, tensor)
        for name, tensor in tensors.items()
        if not name.startswith(("encoder.", "quant_conv."))
    }
    stages = len({name.split(".")[2] for name in own if name.startswith("decoder.up_blocks.")})
    factor = 2 ** sum(name.endswith("upsamplers.0.conv.weight") for name in own)
    groups, told_groups = hints.told("norm_num_groups", GROUPS)
    act_fn, told_act = hints.told("act_fn", "silu")
    widths = {tensor.shape[0] for name, tensor in own.items() if re.search(r"norm\w*\.weight$", name)}
    if type(groups) is not int or groups < 1 or any(width % groups for width in widths):
        raise UsageError(
            f"{groups!r} groups do not divide the {min(widths)} channels of this AutoencoderKL's GroupNorm",
            "pass the folder with its config.json, which has norm_num_groups",
        )
    side, _ = hints.told("sample_size", SAMPLE_SIDE)
    side = side if type(side) is int else SAMPLE_SIDE
    latent = hints.planes(own["decoder.conv_in.weight"].shape[1], max(1, side // factor))
    stated = (
        Stated(name="activation", value=str(act_fn), by=told_act),
        Stated(name="groups of GroupNorm", value=str(groups), by=told_groups),
        Stated(name="scaling of the latents", value="none, as decode takes them"),
    )
    return Reading(
        build=lambda: KlDecoder(own, stages, groups, act_fn),
        tensors=own,
        signature=CallSignature(
            latent=latent, image=(own["decoder.conv_out.weight"].shape[0], factor * latent[1], factor * latent[2])
        ),
        value_range="tanh",
        stated=stated,
        any_planes=True,
    )


def _new_name(name: str) -> str:
    if ".attentions." not in name:
        return name
    return re.sub(r"\b(query|key|value|proj_attn)\b", lambda found: OLD_NAMES[found[0]], name)


def _as_linear(name: str, tensor: Tensor) -> Tensor:
    """Attention's matrices, which some converters keep as 1×1 convolutions."""
    return torch.squeeze(tensor, (2, 3)) if ".attentions." in name and tensor.shape[2:] == (1, 1) else tensor


FAMILY = Family(name="AutoencoderKL decoder", source="Rombach et al. 2022 (arXiv:2112.10752)", read=read)
