"""The two players: a DCGAN generator and its mirror image, the discriminator.

Radford, Metz, Chintala 2016, "Unsupervised Representation Learning with Deep Convolutional GANs". Every resolution step is one
(transposed) convolution whose kernel is divisible by its stride, so that every output pixel is hit equally often (Odena,
Dumoulin, Olah 2016, "Deconvolution and Checkerboard Artifacts").
"""

from itertools import pairwise
from typing import Literal, cast

from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from train.config import Config, resolution_steps

START = 4  # pixels: the first feature map is 4 × 4
INITIAL_STD = 0.02  # of all weights, Radford et al., section 4


class Generator(nn.Module):
    """G: latents float32 (N, latent_size) -> pictures float32 (N, channels, image_size, image_size).

    Pictures are in −1..1 for `output="tanh"`, in 0..1 for "sigmoid".
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
    ) -> None:
        super().__init__()
        steps = resolution_steps(image_size, stride)
        widths = [width * 2**step for step in reversed(range(steps))]  # for 32 pixels and width 24: 96, 48, 24
        layers: list[nn.Module] = [
            _initialised(nn.Linear(latent_size, widths[0] * START**2, bias=False)),
            nn.Unflatten(1, (widths[0], START, START)),
        ]

        def upsample(inputs: int, outputs: int, bias: bool) -> list[nn.Module]:
            # side -> side · stride exactly, because (kernel − stride) / 2 is cut off on each side
            deconvolution = nn.ConvTranspose2d(inputs, outputs, kernel, stride, padding=(kernel - stride) // 2, bias=bias)
            return [nn.BatchNorm2d(inputs), nn.ReLU(), _initialised(deconvolution)]

        for inputs, outputs in pairwise(widths):
            layers += upsample(inputs, outputs, bias=False)  # the BatchNorm that follows brings its own
        layers += upsample(widths[-1], channels, bias=True)
        layers.append(nn.Tanh() if output == "tanh" else nn.Sigmoid())
        self.layers = nn.Sequential(*layers)

    def forward(self, z: Tensor) -> Tensor:
        return cast(Tensor, self.layers(z))


class Discriminator(nn.Module):
    """The logit of D: pictures float32 (N, channels, image_size, image_size) -> float32 (N,). D(x) is its sigmoid."""

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
    ) -> None:
        super().__init__()
        widths = [width * 2**step for step in range(resolution_steps(image_size, stride))]

        def normalised(layer: nn.Module) -> nn.Module:
            return spectral_norm(layer) if norm == "spectral" else layer

        layers: list[nn.Module] = []
        for inputs, outputs in pairwise([channels, *widths]):
            if downsample == "stride":
                convolution = nn.Conv2d(inputs, outputs, kernel, stride, padding=(kernel - stride) // 2)
                layers.append(normalised(_initialised(convolution)))
            else:
                layers += [normalised(_initialised(nn.Conv2d(inputs, outputs, 3, padding=1))), nn.AvgPool2d(stride)]
            if norm == "batch" and inputs != channels:  # none at the input: Radford et al., section 3
                layers.append(nn.BatchNorm2d(outputs))
            layers.append(nn.LeakyReLU(leak))
        layers += [nn.Flatten(), nn.Dropout(dropout), normalised(_initialised(nn.Linear(widths[-1] * START**2, 1)))]
        self.layers = nn.Sequential(*layers)

    def forward(self, images: Tensor) -> Tensor:
        return cast(Tensor, self.layers(images)).squeeze(1)


def generator_arguments(config: Config, channels: int) -> dict[str, int | str]:
    """What `Generator` is built from; stored in the checkpoint, so that it can be built again without the configuration."""
    return {
        "latent_size": config.latent_size,
        "image_size": config.image_size,
        "channels": channels,
        "width": config.g_width,
        "kernel": config.kernel,
        "stride": config.stride,
        "output": config.output,
    }


def build_discriminator(config: Config, channels: int) -> Discriminator:
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
    )


def _initialised(layer: nn.Linear | nn.Conv2d | nn.ConvTranspose2d) -> nn.Module:
    nn.init.normal_(layer.weight, 0.0, INITIAL_STD)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer
