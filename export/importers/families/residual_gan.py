"""SNGAN's residual generator and its kin in mimicry: SNGAN, SSGAN, InfoMax-GAN, WGAN-GP; with classes cGAN-PD and SAGAN.

T. Miyato et al. 2018 (arXiv:1802.05957), appendix B; T. Miyato and M. Koyama, *cGANs with Projection Discriminator*, ICLR 2018
(arXiv:1802.05637); K. S. Lee and C. Town, *Mimicry*, 2020 (arXiv:2005.02494), whose names these are. Unlike the papers' code,
mimicry's enlarges bilinearly.
"""

import re
from math import isqrt

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, relu

from export.importers.call_signature import CallSignature
from export.importers.families.family import Family, Hints, Reading, Stated, Tensors
from export.importers.families.non_local import NonLocal
from export.importers.families.spectral_norm import folded

FIRST = 2  # number of the first block


class Conditional(nn.Module):
    """BatchNorm without scale and shift, which a table has for each class."""

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.bn, self.embed = nn.BatchNorm2d(channels, affine=False), nn.Embedding(classes, 2 * channels)

    def forward(self, x: Tensor, label: Tensor) -> Tensor:
        scale, shift = self.embed(label)[:, :, None, None].chunk(2, 1)
        out: Tensor = scale * self.bn(x) + shift
        return out


class Norm(nn.BatchNorm2d):
    """As `Conditional`, the same for all classes and without any."""

    def forward(self, x: Tensor, label: Tensor | None = None) -> Tensor:
        return super().forward(x)


def enlarged(x: Tensor) -> Tensor:
    return interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)


def convolution(tensors: Tensors, path: str) -> nn.Conv2d:
    out, width, side, _ = tensors[f"{path}.weight"].shape
    return nn.Conv2d(width, out, side, padding=side // 2)


class Block(nn.Module):
    def __init__(self, tensors: Tensors, at: str, classes: int | None) -> None:
        super().__init__()
        self.c1, self.c2 = convolution(tensors, f"{at}.c1"), convolution(tensors, f"{at}.c2")
        self.c_sc = convolution(tensors, f"{at}.c_sc")
        widths = (self.c1.in_channels, self.c2.in_channels)
        self.b1, self.b2 = (Norm(width) if classes is None else Conditional(width, classes) for width in widths)

    def forward(self, x: Tensor, label: Tensor | None) -> Tensor:
        y = self.c1(enlarged(relu(self.b1(x, label))))
        out: Tensor = self.c2(relu(self.b2(y, label))) + self.c_sc(enlarged(x))
        return out


class Generator(nn.Module):
    """z (N, nz) [, label int64 (N,)] -> pictures (N, 3, side, side) in −1..1."""

    def __init__(self, tensors: Tensors, blocks: int, side: int, classes: int | None) -> None:
        super().__init__()
        self.side, self.blocks, last = side, blocks, FIRST + blocks
        self.l1 = nn.Linear(tensors["l1.weight"].shape[1], tensors["l1.weight"].shape[0])
        for i in range(FIRST, last):
            self.add_module(f"block{i}", Block(tensors, f"block{i}", classes))
        self.add_module(f"b{last}", nn.BatchNorm2d(tensors[f"c{last}.weight"].shape[1]))
        self.add_module(f"c{last}", convolution(tensors, f"c{last}"))
        self.attn_block = NonLocal(tensors, "attn_block") if "attn_block.gamma" in tensors else nn.Identity()

    def forward(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        x: Tensor = self.l1(z).reshape(z.shape[0], -1, self.side, self.side)
        for i in range(self.blocks):
            x = self.get_submodule(f"block{FIRST + i}")(x, label)
            if i + 1 == (self.blocks + 1) // 2:
                x = self.attn_block(x)
        x = relu(self.get_submodule(f"b{FIRST + self.blocks}")(x))
        return torch.tanh(self.get_submodule(f"c{FIRST + self.blocks}")(x))


def read(tensors: Tensors, hints: Hints) -> Reading | None:
    own = folded(tensors)
    if not {"l1.weight", "block2.c1.weight", "block2.c_sc.weight", "block2.b1.running_mean"} <= {
        name.replace(".b1.bn.", ".b1.") for name in own
    }:
        return None
    blocks = len({name.partition(".")[0] for name in own if re.match(r"block\d+\.", name)})
    channels = own["block2.c1.weight"].shape[1]
    first = isqrt(own["l1.weight"].shape[0] // channels)
    table = own.get("block2.b1.embed.weight")
    classes = table.shape[0] if table is not None else None
    side = first * 2**blocks
    stated = [
        Stated(name="activation", value="ReLU behind each BatchNorm"),
        Stated(name="last activation", value="tanh"),
        Stated(name="enlargement", value="bilinear, in every block"),
    ]
    if "attn_block.gamma" in own:
        stated.append(Stated(name="attention", value=f"behind block {FIRST + (blocks + 1) // 2 - 1}"))
    return Reading(
        build=lambda: Generator(own, blocks, first, classes),
        tensors=own,
        signature=CallSignature(
            latent=(own["l1.weight"].shape[1],),
            label="none" if classes is None else "index",
            classes=classes,
            image=(own[f"c{FIRST + blocks}.weight"].shape[0], side, side),
        ),
        value_range="tanh",
        stated=tuple(stated),
    )


FAMILY = Family(
    name="SNGAN generator", source="Miyato et al. 2018 (arXiv:1802.05957) and mimicry (arXiv:2005.02494)", read=read
)
