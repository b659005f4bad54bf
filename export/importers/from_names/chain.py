"""A generator as a chain of layers written in one line, which is what the recogniser prints and `--chain` takes back.

    z convt4s1p0 bn relu convt4s2p1 bn relu convt4s2p1 tanh

    z             the latent; with a label: z+label (embedding after z), label+z (before), label*z (multiplied)
    convtKsSpP    ConvTranspose2d, kernel K, stride S, padding P; oO adds output padding
    convKsSpP     Conv2d                          linear       Linear
    bn            BatchNorm, eps 1e-5; bn0.8 sets eps
    upF           Upsample, nearest               bilinearF    Upsample, bilinear      shuffleF   PixelShuffle
    viewCxHxW     reshape to planes               relu  lrelu0.2  elu  selu  gelu  silu  prelu  tanh  sigmoid

Layers with weights take their tensors in the order of the file.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from gansample.errors import UsageError

LayerKind = Literal["linear", "conv", "bn", "prelu", "embedding"]
Label = Literal["none", "after", "before", "times"]
FRONTS: dict[str, Label] = {"z": "none", "z+label": "after", "label+z": "before", "label*z": "times"}


@dataclass(frozen=True, slots=True)
class Layer:
    """The tensors of one module: its path in the state dict and its tensors by their last name (weight, bias, …)."""

    path: str
    tensors: dict[str, Tensor]

    @property
    def weight(self) -> Tensor:
        """Raises UsageError where the module has none, as one that spectral_norm took apart."""
        if "weight" not in self.tensors:
            names = ", ".join(self.tensors)
            raise UsageError(
                f"--chain: {self.path or 'the top'} has no weight ({names})", "pass its class: --generator model.py:Class"
            )
        return self.tensors["weight"]


class Chain(nn.Module):
    """z float (N, nz) [, label int64 (N,)] -> whatever the last token gives.

    Raises UsageError where the text cannot be read or its layers do not fit the tensors.
    """

    def __init__(self, text: str, layers: Sequence[Layer]) -> None:
        super().__init__()
        front, *tokens = text.split() or [""]
        if front not in FRONTS:
            raise UsageError(f"--chain begins with {front!r}", f"begin with one of: {' '.join(FRONTS)}")
        self.label, remaining = FRONTS[front], iter(layers)
        self.embedding: nn.Embedding | None = embedding(next(remaining)) if self.label != "none" else None
        self.layers = nn.Sequential(*modules(tokens, remaining))
        if (left := next(remaining, None)) is not None:
            raise UsageError(f"--chain has no layer for {left.path}", "name every layer that has weights, in the file's order")

    def forward(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        image: Tensor = self.layers(joined(z, self.embedding(label) if self.embedding is not None else None, self.label))
        return image


def joined(z: Tensor, embedded: Tensor | None, how: Label) -> Tensor:
    """The first layer's input: z (N, nz) and the embedded label (N, e), joined the way `how` says."""
    match how, embedded:
        case "after", Tensor():
            return torch.cat([z, embedded], 1)
        case "before", Tensor():
            return torch.cat([embedded, z], 1)
        case "times", Tensor():
            return z * embedded
    return z


def modules(tokens: Sequence[str], layers: Iterator[Layer], planes: bool = False) -> Iterator[nn.Module]:
    """A module for each token, and one that makes planes of flat features where the first layer needs them.

    planes  whether the features before the first token are planes (N, C, H, W) already.
    """
    for token in tokens:
        spatial = token.startswith(("conv", "up", "bilinear", "shuffle"))
        if spatial and not planes:
            yield nn.Unflatten(1, (-1, 1, 1))
        planes = planes or spatial or token.startswith("view")
        try:
            yield module(token, lambda: next(layers))
        except StopIteration:
            raise UsageError(f"--chain has more layers than the file (at {token!r})", "remove some") from None


def module(token: str, layer: Callable[[], Layer]) -> nn.Module:
    """The module that one token stands for; `layer` gives the next weights of the file."""
    if match := re.fullmatch(r"(convt|conv)(\d+)s(\d+)p(\d+)(?:o(\d+))?", token):
        kernel, stride, padding, extra = (int(group or 0) for group in match.groups()[1:])
        return convolution(layer(), token.startswith("convt"), kernel, stride, padding, extra)
    if match := re.fullmatch(r"(up|bilinear|shuffle)(\d+)", token):
        factor = int(match.group(2))
        if match.group(1) == "shuffle":
            return nn.PixelShuffle(factor)
        return nn.Upsample(scale_factor=factor, mode="nearest" if match.group(1) == "up" else "bilinear")
    if match := re.fullmatch(r"view(\d+)x(\d+)x(\d+)", token):
        return nn.Unflatten(1, tuple(int(size) for size in match.groups()))
    if match := re.fullmatch(r"bn([\d.e-]*)", token):
        return batch_norm(layer(), float(match.group(1) or 1e-5))
    if match := re.fullmatch(r"lrelu([\d.]+)", token):
        return nn.LeakyReLU(float(match.group(1)))
    if token == "linear":
        return linear(layer())
    if token == "prelu":
        return prelu(layer())
    if token in ACTIVATIONS:
        return ACTIVATIONS[token]()
    raise UsageError(f"--chain: cannot read {token!r}", "write it as the export prints it, like convt4s2p1 bn relu tanh")


ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU, "elu": nn.ELU, "selu": nn.SELU, "gelu": nn.GELU, "silu": nn.SiLU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid,
}  # fmt: skip


def convolution(layer: Layer, transposed: bool, kernel: int, stride: int, padding: int, extra: int) -> nn.Module:
    a, b, height, width = layer.weight.shape if layer.weight.dim() == 4 else (0, 0, 0, 0)
    if (height, width) != (kernel, kernel):
        raise UsageError(
            f"--chain: {layer.path} has shape {tuple(layer.weight.shape)}", f"it is no {kernel}×{kernel} convolution"
        )
    bias = "bias" in layer.tensors
    if transposed:
        return filled(nn.ConvTranspose2d(a, b, kernel, stride, padding, extra, bias=bias), layer)
    return filled(nn.Conv2d(b, a, kernel, stride, padding, bias=bias), layer)


def linear(layer: Layer) -> nn.Module:
    if layer.weight.dim() != 2:
        raise UsageError(f"--chain: {layer.path} has shape {tuple(layer.weight.shape)}", "it is no linear layer")
    return filled(nn.Linear(layer.weight.shape[1], layer.weight.shape[0], bias="bias" in layer.tensors), layer)


class BatchNorm(nn.modules.batchnorm._BatchNorm):
    """BatchNorm over (N, C) or (N, C, H, W), whichever comes."""

    def _check_input_dim(self, input: Tensor) -> None:
        pass


def batch_norm(layer: Layer, eps: float) -> nn.Module:
    if "running_mean" not in layer.tensors:
        raise UsageError(f"--chain: {layer.path} has no running statistics", "it is no BatchNorm")
    return filled(BatchNorm(len(layer.tensors["running_mean"]), eps, affine="weight" in layer.tensors), layer)


def prelu(layer: Layer) -> nn.Module:
    return filled(nn.PReLU(layer.weight.numel()), layer)


def embedding(layer: Layer) -> nn.Embedding:
    table = nn.Embedding(*layer.weight.shape)
    table.load_state_dict(layer.tensors)
    return table


def filled(module: nn.Module, layer: Layer) -> nn.Module:
    module.load_state_dict(layer.tensors, strict=False)
    return module.eval()
