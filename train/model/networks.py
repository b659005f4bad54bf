"""The two players: a DCGAN generator and its mirror image, the discriminator.

Radford, Metz, Chintala 2016, "Unsupervised Representation Learning with Deep Convolutional GANs". Every resolution step is one
(transposed) convolution whose kernel is divisible by its stride, so that every output pixel is hit equally often (Odena,
Dumoulin, Olah 2016, "Deconvolution and Checkerboard Artifacts").
"""

from itertools import pairwise
from typing import Literal, cast

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from train.config import Config, resolution_steps
from train.model.latents import GeneratorInputs

INITIAL_STD = 0.02  # of all weights, Radford et al., section 4


class Generator(nn.Module):
    """G: latents float32 (N, latent_size) [, labels int64 (N,)] -> pictures float32 (N, channels, image_size, image_size).

    Pictures are in −1..1 for `output="tanh"`, in 0..1 for "sigmoid". With `classes` it takes labels, whose embedding stands
    beside z (Mirza & Osindero 2014).
    """

    def __init__(
        self,
        *,
        latent_size: int,
        image_size: int,
        channels: int,
        width: int,
        kernel: int = 4,
        stride: int = 2,
        output: Literal["tanh", "sigmoid"] = "tanh",
        classes: int = 0,
        class_embedding: int = 32,
    ) -> None:
        super().__init__()
        start, steps = resolution_steps(image_size, stride)
        widths = [width * 2**step for step in reversed(range(steps))]  # for 32 pixels and width 24: 96, 48, 24
        self.embedding = nn.Embedding(classes, class_embedding) if classes else None  # N(0, 1), as z is
        inputs = latent_size + (class_embedding if classes else 0)
        layers: list[nn.Module] = [
            _initialised(nn.Linear(inputs, widths[0] * start**2, bias=False)),
            nn.Unflatten(1, (widths[0], start, start)),
        ]

        def upsample(inputs: int, outputs: int, bias: bool) -> list[nn.Module]:
            # side -> side · stride exactly, because (kernel − stride) / 2 is cut off on each side
            odd = (kernel - stride) % 2  # 0 for every kernel that `Config` allows
            cut = (kernel - stride + odd) // 2
            deconvolution = nn.ConvTranspose2d(inputs, outputs, kernel, stride, cut, output_padding=odd, bias=bias)
            return [nn.BatchNorm2d(inputs), nn.ReLU(), _initialised(deconvolution)]

        for inputs, outputs in pairwise(widths):
            layers += upsample(inputs, outputs, bias=False)  # the BatchNorm that follows brings its own
        layers += upsample(widths[-1], channels, bias=True)
        layers.append(nn.Tanh() if output == "tanh" else nn.Sigmoid())
        self.layers = nn.Sequential(*layers)

    def forward(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        if self.embedding is not None:
            z = torch.cat([z, self.embedding(label)], 1)
        return cast(Tensor, self.layers(z))


class Discriminator(nn.Module):
    """The logit ℓ of D: pictures float32 (N, channels, image_size, image_size) [, labels int64 (N,)] -> float32 (N,).

    D(x) is its sigmoid. With `classes`, ℓ(x, y) = ℓ(x) + ⟨e(y), Σ features(x)⟩, a projection of the features, summed over
    the picture, on the class's embedding (Miyato & Koyama 2018, equation 3).
    """

    def __init__(
        self,
        *,
        image_size: int,
        channels: int,
        width: int,
        kernel: int = 4,
        stride: int = 2,
        norm: Literal["spectral", "batch", "none"] = "spectral",
        downsample: Literal["stride", "pool"] = "stride",
        leak: float = 0.2,
        dropout: float = 0.0,
        classes: int = 0,
    ) -> None:
        super().__init__()
        start, steps = resolution_steps(image_size, stride)
        widths = [width * 2**step for step in range(steps)]

        def normalised(layer: nn.Module) -> nn.Module:
            return spectral_norm(layer) if norm == "spectral" else layer

        layers: list[nn.Module] = []
        for inputs, outputs in pairwise([channels, *widths]):
            if downsample == "stride":
                convolution = nn.Conv2d(inputs, outputs, kernel, stride, padding=(kernel - stride + 1) // 2)
                layers.append(normalised(_initialised(convolution)))
            else:
                layers += [normalised(_initialised(nn.Conv2d(inputs, outputs, 3, padding=1))), nn.AvgPool2d(stride)]
            if norm == "batch" and inputs != channels:  # none at the input: Radford et al., section 3
                layers.append(nn.BatchNorm2d(outputs))
            layers.append(nn.LeakyReLU(leak))
        self.layers = nn.Sequential(*layers)
        self.dropout = nn.Dropout(dropout)
        self.head = normalised(_initialised(nn.Linear(widths[-1] * start**2, 1)))
        self.embedding = normalised(_initialised(nn.Embedding(classes, widths[-1]))) if classes else None

    def forward(self, images: Tensor, label: Tensor | None = None) -> Tensor:
        features = self.dropout(self.layers(images))  # (N, C, start, start)
        logit = cast(Tensor, self.head(features.flatten(1))).squeeze(1)
        if self.embedding is not None:
            logit = logit + (self.embedding(label) * features.sum((2, 3))).sum(1)
        return logit


def generator_arguments(config: Config, channels: int, classes: int = 0) -> dict[str, int | str]:
    """What `Generator` is built from; stored in the checkpoint, so that it can be built again without the configuration."""
    return {
        "latent_size": config.latent_size,
        "image_size": config.image_size,
        "channels": channels,
        "width": config.g_width,
        "kernel": config.kernel,
        "stride": config.stride,
        "output": config.output,
        **({"classes": classes, "class_embedding": config.class_embedding} if classes else {}),
    }


@torch.no_grad()
def generate_images(generator: Generator, inputs: GeneratorInputs, batch: int = 256) -> Tensor:
    """Pictures of an eval-mode generator in its own range, float32 (N, C, H, W), computed `batch` at a time."""
    z, labels = inputs
    label_batches = torch.split(labels, batch) if labels is not None else [None] * len(z)
    return torch.cat([generator(*part) for part in zip(torch.split(z, batch), label_batches, strict=False)])


def build_discriminator(config: Config, channels: int, classes: int = 0) -> Discriminator:
    return Discriminator(
        image_size=config.image_size,
        channels=channels,
        width=config.d_width,
        kernel=config.kernel,
        stride=config.stride,
        norm=config.d_norm,
        downsample=config.d_downsample,
        leak=config.d_leak,
        dropout=config.d_dropout,
        classes=classes,
    )


def _initialised(layer: nn.Linear | nn.Conv2d | nn.ConvTranspose2d | nn.Embedding) -> nn.Module:
    nn.init.normal_(layer.weight, 0.0, INITIAL_STD)
    if getattr(layer, "bias", None) is not None:
        nn.init.zeros_(cast(Tensor, layer.bias))
    return layer
