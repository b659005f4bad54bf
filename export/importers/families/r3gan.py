"""R3GAN's generator: a learned 4×4 basis scaled by the latent, stages of grouped residual blocks without norms.

N. Huang, A. Gokaslan, V. Kuleshov and J. Tompkin, *The GAN is dead; long live the GAN!*, NeurIPS 2024 (arXiv:2501.05441),
section 4 and appendix. A stage is a transition and its residual blocks; all but the first transition are a 1×1 convolution,
where the width changes, and an interpolation with the filter that lies in the file.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import conv_transpose2d, leaky_relu

from export.importers.call_signature import CallSignature
from export.importers.families.family import Family, Hints, Reading, Stated, Tensors

SLOPE = 0.2
SIDE = 4  # of the basis
FIRST = "MainLayers.0.Layers.0."


class Convolution(nn.Module):
    """A convolution that keeps the size; how many groups it has, its weight tells."""

    def __init__(self, weight: Tensor, groups: int = 1) -> None:
        super().__init__()
        out, width, side, _ = weight.shape
        self.Layer = nn.Conv2d(width * groups, out, side, padding=side // 2, groups=groups, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.Layer(x)
        return out


class BiasedActivation(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.Bias = nn.Parameter(torch.empty(channels))

    def forward(self, x: Tensor) -> Tensor:
        return leaky_relu(x + self.Bias[:, None, None], SLOPE)


class Block(nn.Module):
    """x + W3 · f(W2 * f(W1 · x)), W2 grouped and 3×3, the others 1×1; f adds a bias and is LeakyReLU."""

    def __init__(self, tensors: Tensors, at: str) -> None:
        super().__init__()
        first, second, third = (tensors[f"{at}.LinearLayer{i}.Layer.weight"] for i in (1, 2, 3))
        expanded = first.shape[0]
        self.LinearLayer1, self.LinearLayer3 = Convolution(first), Convolution(third)
        self.LinearLayer2 = Convolution(second, max(1, expanded // second.shape[1]))
        self.NonLinearity1, self.NonLinearity2 = BiasedActivation(expanded), BiasedActivation(second.shape[0])

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.LinearLayer3(self.NonLinearity2(self.LinearLayer2(self.NonLinearity1(self.LinearLayer1(x)))))
        return out


class Basis(nn.Module):
    """z (N, nz) -> (N, C, 4, 4): channel c of the basis, scaled by a linear function of z."""

    def __init__(self, linear: Tensor) -> None:
        super().__init__()
        self.Basis = nn.Parameter(torch.empty(linear.shape[0], SIDE, SIDE))
        self.LinearLayer = nn.Linear(linear.shape[1], linear.shape[0], bias=False)

    def forward(self, z: Tensor) -> Tensor:
        out: Tensor = self.Basis * self.LinearLayer(z)[:, :, None, None]
        return out


class Resampler(nn.Module):
    """×2 in both directions: zeros between the pixels, then the file's filter, four times as strong."""

    def __init__(self, kernel: Tensor) -> None:
        super().__init__()
        taps = kernel.shape[0]
        if taps % 2:
            raise ValueError(f"its resampling filter has {taps} taps, an odd number")
        self.register_buffer("Kernel", torch.empty(taps, taps))

    def forward(self, x: Tensor) -> Tensor:
        kernel: Tensor = self.get_buffer("Kernel")
        channels, taps = x.shape[1], kernel.shape[0]
        weight = (4 * kernel).to(x.dtype).expand(channels, 1, taps, taps)
        return conv_transpose2d(x, weight, stride=2, padding=taps // 2 - 1, groups=channels)


class Upsampled(nn.Module):
    def __init__(self, kernel: Tensor, weight: Tensor | None) -> None:
        super().__init__()
        self.Resampler = Resampler(kernel)
        self.LinearLayer = Convolution(weight) if weight is not None else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.Resampler(self.LinearLayer(x))
        return out


class Stage(nn.Module):
    def __init__(self, tensors: Tensors, at: str) -> None:
        super().__init__()
        first = f"{at}.Layers.0"
        transition: nn.Module
        if f"{first}.Basis" in tensors:
            transition = Basis(tensors[f"{first}.LinearLayer.weight"])
        else:
            transition = Upsampled(tensors[f"{first}.Resampler.Kernel"], tensors.get(f"{first}.LinearLayer.Layer.weight"))
        n = len({name.split(".")[3] for name in tensors if name.startswith(f"{at}.Layers.")})
        self.Layers = nn.ModuleList([transition, *(Block(tensors, f"{at}.Layers.{i}") for i in range(1, n))])

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.Layers:
            x = layer(x)
        return x


class Generator(nn.Module):
    """z (N, nz) [, one-hot label (N, classes)] -> pictures (N, 3, side, side) around −1..1."""

    def __init__(self, tensors: Tensors, stages: int) -> None:
        super().__init__()
        self.MainLayers = nn.ModuleList(Stage(tensors, f"MainLayers.{i}") for i in range(stages))
        self.AggregationLayer = Convolution(tensors["AggregationLayer.Layer.weight"])
        embedding = tensors.get("EmbeddingLayer.weight")
        self.EmbeddingLayer = nn.Linear(embedding.shape[1], embedding.shape[0], bias=False) if embedding is not None else None

    def forward(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        x = z if self.EmbeddingLayer is None else torch.cat([z, self.EmbeddingLayer(label)], 1)
        for stage in self.MainLayers:
            x = stage(x)
        out: Tensor = self.AggregationLayer(x)
        return out


def read(tensors: Tensors, hints: Hints) -> Reading | None:
    needed = {f"{FIRST}Basis", f"{FIRST}LinearLayer.weight", "AggregationLayer.Layer.weight"}
    if not needed <= tensors.keys():
        return None
    stages = len({name.split(".")[1] for name in tensors if name.startswith("MainLayers.")})
    embedding = tensors.get("EmbeddingLayer.weight")
    embedded, classes = embedding.shape if embedding is not None else (0, None)
    side = SIDE * 2 ** (stages - 1)
    return Reading(
        build=lambda: Generator(tensors, stages),
        tensors=tensors,
        signature=CallSignature(
            latent=(tensors[f"{FIRST}LinearLayer.weight"].shape[1] - embedded,),
            label="none" if classes is None else "onehot",
            classes=classes,
            image=(tensors["AggregationLayer.Layer.weight"].shape[0], side, side),
        ),
        value_range="tanh",
        stated=(
            Stated(name="activation", value=f"LeakyReLU({SLOPE}) behind each bias"),
            Stated(name="precision", value="float32 in every stage"),
        ),
    )


FAMILY = Family(name="R3GAN generator", source="Huang et al. 2024 (arXiv:2501.05441)", read=read)
