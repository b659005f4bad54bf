"""lightweight-gan's generator: FastGAN with sub-pixel enlargement, a blur, global context in place of pooling, and attention.

P. Wang, *lightweight-gan* (github.com/lucidrains/lightweight-gan, MIT), after Liu et al. 2021 (arXiv:2101.04775); for the
enlargement W. Shi et al. 2016 (arXiv:1609.05158), for the context Y. Cao et al. 2019 (arXiv:1904.11492), for the frequencies
Z. Qin et al. 2020 (arXiv:2012.11879). Layer i makes 2^(i+3) pixels of 2^(i+2); what it gives gates the channels of layer i + 3.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, normalize, pad

from export.importers.call_signature import CallSignature
from export.importers.families.family import Family, Hints, Reading, Stated, Tensors
from export.importers.families.lightweight_attention import HEAD, Attention
from export.importers.families.noise import Noise

GATES = 3  # layers from what gates to what is gated
SLOPE = 0.1
MOST_LAYERS = 9  # a picture of 2,048 pixels


class Enlarged(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Conv2d(width, 4 * width, 1), nn.SiLU(), nn.PixelShuffle(2))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.net(x)
        return out


class Blur(nn.Module):
    """The mean over 3×3 pixels, weighed by the file's filter in both directions; the border is reflected."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("f", torch.empty(3))

    def forward(self, x: Tensor) -> Tensor:
        f = self.get_buffer("f").to(x.dtype)
        kernel = f[:, None] * f[None, :]
        weight = (kernel / kernel.abs().sum()).expand(x.shape[1], 1, 3, 3)
        return conv2d(pad(x, (1, 1, 1, 1), "reflect"), weight, groups=x.shape[1])


class Context(nn.Module):
    """(N, C, H, W) -> gates (N, out, 1, 1), of a mean over all positions weighed by a softmax; or of fixed frequencies."""

    def __init__(self, tensors: Tensors, at: str) -> None:
        super().__init__()
        inner, width = tensors[f"{at}.net.0.weight"].shape[:2]
        self.net = nn.Sequential(
            nn.Conv2d(width, inner, 1),
            nn.LeakyReLU(SLOPE),
            nn.Conv2d(inner, tensors[f"{at}.net.2.weight"].shape[0], 1),
            nn.Sigmoid(),
        )
        self.to_k: nn.Conv2d | None = None
        if (frequencies := tensors.get(f"{at}.dct_weights")) is not None:
            self.register_buffer("dct_weights", torch.empty(*frequencies.shape))
        else:
            self.to_k = nn.Conv2d(width, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        weights = self.to_k(x).flatten(2).softmax(2) if self.to_k is not None else self.get_buffer("dct_weights").flatten(2)
        out: Tensor = self.net((x.flatten(2) * weights).sum(2)[:, :, None, None])
        return out


class Layer(nn.ModuleList):
    """[×2, gate of a later layer where there is one, attention before it where there is one]"""

    def __init__(self, tensors: Tensors, at: str) -> None:
        wide, width, side, _ = tensors[f"{at}.0.2.1.weight"].shape
        before = side // 2
        same = nn.Sequential(nn.ZeroPad2d((before, before - 1 + side % 2) * 2), nn.Conv2d(width, wide, side))
        up = nn.Sequential(Enlarged(width), Blur(), same, Noise(), nn.BatchNorm2d(wide), nn.GLU(1))
        gate = Context(tensors, f"{at}.1") if f"{at}.1.net.0.weight" in tensors else nn.Identity()
        attention = (
            Attention(width, tensors[f"{at}.2.fn.to_q.weight"].shape[0]) if f"{at}.2.norm.g" in tensors else nn.Identity()
        )
        super().__init__([up, gate, attention])


class Generator(nn.Module):
    """z (N, nz) -> pictures (N, C, side, side) around 0..1."""

    def __init__(self, tensors: Tensors, layers: int) -> None:
        super().__init__()
        nz, wide, side, _ = tensors["initial_conv.0.weight"].shape
        last = tensors["out_conv.weight"]
        self.initial_conv = nn.Sequential(nn.ConvTranspose2d(nz, wide, side), nn.BatchNorm2d(wide), nn.GLU(1))
        self.layers = nn.ModuleList(Layer(tensors, f"layers.{i}") for i in range(layers))
        self.out_conv = nn.Conv2d(last.shape[1], last.shape[0], 3, padding=1)

    def forward(self, z: Tensor) -> Tensor:
        x = normalize(self.initial_conv(z[:, :, None, None]), dim=1)
        gates: dict[int, Tensor] = {}
        for i, layer in enumerate(self.layers):
            up, gate, attention = layer.children()
            if isinstance(attention, Attention):
                x = attention(x) + x
            x = up(x)
            if isinstance(gate, Context):
                gates[i + GATES] = gate(x)
            if i in gates:
                x = x * gates[i]
        out: Tensor = self.out_conv(x)
        return out


def read(tensors: Tensors, hints: Hints) -> Reading | None:
    if not {"initial_conv.0.weight", "layers.0.0.0.net.0.weight", "layers.0.0.2.1.weight", "out_conv.weight"} <= tensors.keys():
        return None
    layers = sum(f"layers.{i}.0.2.1.weight" in tensors for i in range(MOST_LAYERS))
    side = tensors["initial_conv.0.weight"].shape[2] * 2**layers
    stated = [
        Stated(name="activations", value=f"GLU behind BatchNorm, SiLU, LeakyReLU({SLOPE}) and sigmoid in the gates"),
        Stated(name="last activation", value="none"),
        Stated(name="BatchNorm", value="by its running statistics"),
    ]
    if any(name.endswith("fn.to_q.weight") for name in tensors):
        stated.append(Stated(name="attention", value=f"heads of {HEAD} channels"))
    return Reading(
        build=lambda: Generator(tensors, layers),
        tensors=tensors,
        signature=CallSignature(
            latent=(tensors["initial_conv.0.weight"].shape[0],), image=(tensors["out_conv.weight"].shape[0], side, side)
        ),
        value_range="sigmoid",
        stated=tuple(stated),
    )


FAMILY = Family(name="lightweight-gan generator", source="github.com/lucidrains/lightweight-gan", read=read)
