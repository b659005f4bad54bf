"""Progressive GAN's generator as pytorch_GAN_zoo has it: equalised learning rate, pixel normalisation, nearest enlargement.

T. Karras, T. Aila, S. Laine and J. Lehtinen, *Progressive Growing of GANs for Improved Quality, Stability, and Variation*,
ICLR 2018 (arXiv:1710.10196), section 4 and table 2. Weights are kept with unit variance, and what a layer gives, its bias
included, is scaled by √(2 / fan-in), which lies in no tensor.
"""

import re
from math import prod, sqrt

from torch import Tensor, nn
from torch.nn.functional import interpolate, leaky_relu

from export.importers.call_signature import CallSignature
from export.importers.families.family import Family, Hints, Reading, Stated, Tensors
from gansample.errors import UsageError

SLOPE, EPS, SIDE = 0.2, 1e-8, 4
PASS_CLASS = "pass its class: --generator model.py:Class"


def normalised(x: Tensor) -> Tensor:
    """Each pixel's channels over their root mean square."""
    return x * (x.square().mean(1, keepdim=True) + EPS).rsqrt()


class Equalised(nn.Module):
    """√(2 / fan-in) · (W * x + b): a convolution that keeps the size, or a matrix."""

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        out, width, *kernel = weight.shape
        self.scale = sqrt(2 / prod(weight.shape[1:]))
        self.module = nn.Conv2d(width, out, kernel[0], padding=kernel[0] // 2) if kernel else nn.Linear(width, out)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.module(x) * self.scale
        return out


class Generator(nn.Module):
    """z (N, nz) -> pictures (N, C, side, side) around −1..1."""

    def __init__(self, tensors: Tensors, scales: int) -> None:
        super().__init__()

        def layers(at: str) -> nn.ModuleList:
            n = len({name.split(".")[at.count(".") + 1] for name in tensors if name.startswith(f"{at}.")})
            return nn.ModuleList(Equalised(tensors[f"{at}.{i}.module.weight"]) for i in range(n))

        self.formatLayer, self.groupScale0 = Equalised(tensors["formatLayer.module.weight"]), layers("groupScale0")
        self.scaleLayers = nn.ModuleList(layers(f"scaleLayers.{i}") for i in range(scales))
        self.toRGBLayers = layers("toRGBLayers")

    def forward(self, z: Tensor) -> Tensor:
        x = leaky_relu(self.formatLayer(normalised(z)), SLOPE)
        x = normalised(x.reshape(z.shape[0], -1, SIDE, SIDE))
        for layer in self.groupScale0:
            x = normalised(leaky_relu(layer(x), SLOPE))
        for scale in self.scaleLayers:
            x = interpolate(x, scale_factor=2.0)
            for layer in scale.children():
                x = normalised(leaky_relu(layer(x), SLOPE))
        out: Tensor = self.toRGBLayers[-1](x)
        return out


def read(tensors: Tensors, hints: Hints) -> Reading | None:
    """A grown generator. Raises UsageError where its configuration says that it is still growing, or has classes."""
    own = {re.sub(r"(?<!\.module)\.(weight|bias)$", r".module.\1", name): tensor for name, tensor in tensors.items()}
    if not {"formatLayer.module.weight", "groupScale0.0.module.weight", "toRGBLayers.0.module.weight"} <= own.keys():
        return None
    if hints.values.get("alpha", 0) not in (0, None):
        raise UsageError(f"this Progressive GAN is still growing (alpha {hints.values['alpha']})", PASS_CLASS)
    if hints.values.get("weightConditionG", 0) not in (0, None):
        raise UsageError("this Progressive GAN has classes, one-hot behind its latent", PASS_CLASS)
    scales = len({name.split(".")[1] for name in own if name.startswith("scaleLayers.")})
    pictures = len({name.split(".")[1] for name in own if name.startswith("toRGBLayers.")})
    if pictures != scales + 1:
        raise ValueError(f"{scales} scales with {pictures} layers that give pictures")
    side = SIDE * 2**scales
    return Reading(
        build=lambda: Generator(own, scales),
        tensors=own,
        signature=CallSignature(
            latent=(own["formatLayer.module.weight"].shape[1],),
            image=(own[f"toRGBLayers.{scales}.module.weight"].shape[0], side, side),
        ),
        value_range="tanh",
        stated=(
            Stated(name="activation", value=f"LeakyReLU({SLOPE}), then each pixel over its root mean square"),
            Stated(name="scale of the layers", value="√(2 / fan-in), of the bias too"),
            Stated(name="last activation", value="none"),
            Stated(name="growth", value="complete: only the last layer that gives pictures draws"),
        ),
    )


FAMILY = Family(name="Progressive GAN generator", source="Karras et al. 2018 (arXiv:1710.10196) and pytorch_GAN_zoo", read=read)
