"""TAESD's decoders and diffusers' AutoencoderTiny: a convolution, residual blocks of three more, nearest-neighbour enlargement.

O. Boer Bohan, *TAESD*, github.com/madebyollin/taesd (MIT); `AutoencoderTiny` in the documentation of diffusers. The two number
their layers alike but for the clamp in front, which is a module of its own in the first, and give their pictures in other
ranges: 0..1, and −1..1.
"""

import re

from torch import Tensor, nn
from torch.nn.functional import relu, tanh

from export.importers.call_signature import CallSignature
from export.importers.families.activations import activation
from export.importers.families.family import Family, Hints, Reading, Stated, Tensors
from gansample.errors import UsageError

SIDE = 4  # of the latent where nothing says which: a decoder of convolutions takes any
GROUPS = 4  # of the GroupNorm in the pooled blocks of the newest decoders
CLAMP = 3.0
PREFIXES = ("decoder.layers.", "layers.", "decoder.", "")
BLOCK = r"\d{1,3}\.conv\.4\.weight"
NAMES = re.compile(r"\d{1,3}\.((conv\.[024]\.|pool\.1\.)?(weight|bias)|(skip|pool\.[03])\.weight)")


class Clamp(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return CLAMP * tanh(x / CLAMP)


class Block(nn.Module):
    """relu(conv(x) + skip(x)), conv being three 3×3 convolutions; with `pool`, x + pool(x) goes in."""

    def __init__(self, tensors: Tensors, at: str, act_fn: object) -> None:
        super().__init__()
        out, width = tensors[f"{at}.conv.0.weight"].shape[:2]
        inner = [nn.Conv2d(width, out, 3, padding=1), activation(act_fn), nn.Conv2d(out, out, 3, padding=1), activation(act_fn)]
        self.conv = nn.Sequential(*inner, nn.Conv2d(out, out, 3, padding=1))
        self.skip = nn.Conv2d(width, out, 1, bias=False) if f"{at}.skip.weight" in tensors else nn.Identity()
        self.pool: nn.Module | None = None
        if (wide := tensors.get(f"{at}.pool.0.weight")) is not None:
            between = [nn.GroupNorm(GROUPS, wide.shape[0]), nn.ReLU()]
            first = nn.Conv2d(width, wide.shape[0], 1, bias=False)
            self.pool = nn.Sequential(first, *between, nn.Conv2d(wide.shape[0], width, 1, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        if self.pool is not None:
            x = x + self.pool(x)
        return relu(self.conv(x) + self.skip(x))


class Decoder(nn.Sequential):
    """latents (N, C, h, w) -> pictures (N, 3, factor·h, factor·w) in 0..1."""

    def __init__(self, tensors: Tensors, numbers: list[int], act_fn: object, enlarge: nn.Upsample) -> None:
        super().__init__()
        first = numbers[0]
        for i in range(first):
            self.add_module(str(i), Clamp())
        for i in range(first, numbers[-1] + 1):
            self.add_module(str(i), self._layer(i, tensors, first, act_fn, enlarge))

    @staticmethod
    def _layer(i: int, tensors: Tensors, first: int, act_fn: object, enlarge: nn.Upsample) -> nn.Module:
        if f"{i}.conv.0.weight" in tensors:
            return Block(tensors, str(i), act_fn)
        if (weight := tensors.get(f"{i}.weight")) is not None:
            return nn.Conv2d(weight.shape[1], weight.shape[0], 3, padding=1, bias=f"{i}.bias" in tensors)
        return activation(act_fn) if i == first + 1 else enlarge


class TinyDecoder(nn.Module):
    """As diffusers has it: the clamp is no layer, and pictures are in −1..1."""

    def __init__(self, layers: Decoder) -> None:
        super().__init__()
        self.layers, self.clamp = layers, Clamp()

    def forward(self, z: Tensor) -> Tensor:
        drawn: Tensor = self.layers(self.clamp(z))
        return drawn * 2 - 1


def read(tensors: Tensors, hints: Hints) -> Reading | None:
    """A decoder, of which the encoder may lie in the same file."""
    prefix = next((p for p in PREFIXES if any(re.match(f"{re.escape(p)}{BLOCK}", name) for name in tensors)), None)
    if prefix is None:
        return None
    own = {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
    others = (name for name in tensors if not name.startswith((prefix, "encoder.")))
    if not all(NAMES.fullmatch(name) for name in own) or any(others):
        return None
    numbers = sorted({int(name.split(".")[0]) for name in own})
    enlargements = sum(f"{i}.weight" in own and f"{i}.bias" not in own for i in numbers)  # such convolutions have no bias
    if numbers[0] > 1 or not enlargements or f"{numbers[0]}.weight" not in own:
        return None
    tiny = numbers[0] == 0
    act_fn, told_act = hints.told("act_fn", "relu")
    factor, told_factor = hints.told("upsampling_scaling_factor", 2)
    mode, told_mode = hints.told("upsample_fn", "nearest")
    if mode != "nearest" or type(factor) is not int or factor < 1:
        raise UsageError(f"the configuration enlarges by {factor!r}, {mode!r}, known is nearest", "pass the class: --generator")
    latent = hints.planes(own[f"{numbers[0]}.weight"].shape[1], SIDE)
    enlarged = factor**enlargements
    channels = own[f"{numbers[-1]}.weight"].shape[0] if f"{numbers[-1]}.weight" in own else 0

    def build() -> nn.Module:
        layers = Decoder(own, numbers, act_fn, nn.Upsample(scale_factor=factor))
        return TinyDecoder(layers) if tiny else layers

    stated = [
        Stated(name="activation", value=str(act_fn), by=told_act),
        Stated(name="enlargement", value=f"nearest ×{factor}", by=told_factor or told_mode),
    ]
    if any(".pool." in name for name in own):
        stated.append(Stated(name="groups of GroupNorm", value=str(GROUPS)))
    return Reading(
        build=build,
        tensors={f"layers.{name}" if tiny else name: tensor for name, tensor in own.items()},
        signature=CallSignature(latent=latent, image=(channels, enlarged * latent[1], enlarged * latent[2])),
        value_range="tanh" if tiny else "sigmoid",
        stated=tuple(stated),
        any_planes=True,
    )


FAMILY = Family(name="TAESD decoder", source="github.com/madebyollin/taesd", read=read)
