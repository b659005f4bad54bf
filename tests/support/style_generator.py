"""A small generator of two parts: a mapping with its mean style, and a synthesis that takes a style for each layer.

Its form is StyleGAN2's in little (Karras et al. 2020): normalised latents, leaky layers, convolutions whose inputs the
layer's style scales.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, leaky_relu

LATENT, LAYERS, SIZE = 6, 4, 5


class StyleLayer(nn.Module):
    """3×3 convolution of an input whose channels the style scales."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.affine, self.conv = nn.Linear(SIZE, inputs), nn.Conv2d(inputs, outputs, 3, padding=1)

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        return self.conv(x * (1 + self.affine(style))[:, :, None, None])


class StyleGenerator(nn.Module):
    """z (N, 6) [, label (N,)] -> w (N, 4, 5) -> pictures (N, 3, 16, 16) in -1..1."""

    w_avg: Tensor

    def __init__(self, classes: int = 0) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.embedding = nn.Embedding(classes, LATENT) if classes else None
            self.fc = nn.ModuleList([nn.Linear(LATENT, 16), nn.Linear(16, SIZE)])
            self.const = nn.Parameter(torch.randn(1, 8, 4, 4))
            self.layers = nn.ModuleList([StyleLayer(8, 8), StyleLayer(8, 8), StyleLayer(8, 8), StyleLayer(8, 3)])
            self.register_buffer("w_avg", 0.3 * torch.randn(SIZE))

    def mapping(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        x = z if self.embedding is None else z + self.embedding(label)
        x = x * (x.square().mean(1, keepdim=True) + 1e-8).rsqrt()
        for layer in self.fc:
            x = leaky_relu(layer(x), 0.2)
        return x[:, None].repeat(1, LAYERS, 1)

    def synthesis(self, w: Tensor) -> Tensor:
        x = self.const.repeat(w.shape[0], 1, 1, 1)
        first, second, third, last = self.layers
        x = leaky_relu(first(x, w[:, 0]), 0.2)
        x = leaky_relu(second(interpolate(x, scale_factor=2.0), w[:, 1]), 0.2)
        x = leaky_relu(third(interpolate(x, scale_factor=2.0), w[:, 2]), 0.2)
        return torch.tanh(last(x, w[:, 3]))

    def forward(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        return self.synthesis(self.mapping(z) if label is None else self.mapping(z, label))
