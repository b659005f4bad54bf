"""What every generator becomes before it is exported: float latents (N, nz) [+ labels int64 (N,)] in, uint8 pictures out.

Everything that exports a generator or checks parity does it through this module, so what is checked is what is shipped.
"""

import copy
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
import onnx
import torch
from torch import Tensor, nn

from export.effort import at_once_in_pytorch
from export.in_float64 import in_float64
from gansample.bundle.spec import Spec, ValueRange


@runtime_checkable
class CarriesGraph(Protocol):
    """A network that came as an ONNX graph: it is exported as that graph, not traced."""

    @property
    def reference_name(self) -> str:
        """What computes its reference pictures."""

    @property
    def float32_name(self) -> str:
        """What computes them in float32, for the noise floor."""

    def onnx_graph(self) -> onnx.ModelProto:
        """z float32 (N, nz) [, label int64 (N,)] -> pictures float32 (N, C, H, W)."""


class PixelHead(nn.Module):
    """Network output (N, C, H, W) -> pictures before rounding, float (N, H, W, C) in 0..255.

    tanh      clip(x, −1, 1) · 127.5 + 127.5
    sigmoid   clip(x, 0, 1) · 255
    bytes     clip(x, 0, 255)

    `train.model.pixels.to_bytes` does the same during training; a test holds the two equal.
    """

    def __init__(self, value_range: ValueRange) -> None:
        super().__init__()
        self.value_range = value_range

    def forward(self, x: Tensor) -> Tensor:
        match self.value_range:
            case "tanh":
                unrounded = x.clamp(-1, 1) * 127.5 + 127.5
            case "sigmoid":
                unrounded = x.clamp(0, 1) * 255
            case "bytes":
                unrounded = x.clamp(0, 255)
        return unrounded.permute(0, 2, 3, 1)


class ExportModel(nn.Module):
    """A generator in eval mode with its pixel head.

    network  maps z (N, nz) [, label (N,)] to (N, C, H, W) in the spec's value range.
    """

    def __init__(self, network: nn.Module, spec: Spec) -> None:
        super().__init__()
        self.network, self.spec, self.head = network.eval(), spec, PixelHead(spec.value_range)
        self.widened = False
        """Whether what forward makes in float32 becomes float64."""
        self.computed_in = "PyTorch float64"

    def forward(self, z: Tensor, label: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """(images uint8 (N, H, W, C), unrounded float (N, H, W, C)): the pictures, and the same before rounding.

        `torch.round` and ONNX `Round` both round half to even, so do all runtimes. The cast comes last: TensorRT has uint8
        only as a network output.
        """
        with in_float64() if self.widened else nullcontext():
            unrounded = self.head(self.network(z) if label is None else self.network(z, label))
        return unrounded.round().to(torch.uint8), unrounded

    @property
    def reference_name(self) -> str:
        """What computes the reference, for people: `PyTorch float64` but for foreign graphs and what only float32 draws."""
        return self.network.reference_name if isinstance(self.network, CarriesGraph) else self.computed_in

    @property
    def float32_name(self) -> str:
        """What computes the noise floor, for people."""
        return self.network.float32_name if isinstance(self.network, CarriesGraph) else "PyTorch float32"

    def reference_for(self, z: npt.NDArray[np.float32], label: npt.NDArray[np.int64] | None) -> "ExportModel":
        """A copy that computes the reference: in float64, where its forward can; a few latents show it.

        A forward that makes float32 itself is run with float64 in its place; one that fails all the same computes in float32.
        """
        double = self.in_precision(torch.float64)
        if isinstance(self.network, CarriesGraph):  # knows itself what it can be computed with
            return double
        for widened in (False, True):
            double.widened = widened
            try:
                render(double, z[:2], label[:2] if label is not None else None)
                return double
            except RuntimeError:  # what PyTorch raises where precisions meet
                continue
        single = self.in_precision(torch.float32)
        single.computed_in = "PyTorch float32"
        return single

    def in_precision(self, dtype: torch.dtype) -> "ExportModel":
        """A copy that computes in `dtype`; float64 is the reference that everything else is compared with."""
        return ExportModel(copy.deepcopy(self.network).to(dtype), self.spec)


def cycled_labels(spec: Spec, n: int) -> npt.NDArray[np.int64] | None:
    """Labels (n,) that go through all classes in turn; None for an unconditional generator."""
    return np.arange(n, dtype=np.int64) % len(spec.classes) if spec.classes is not None else None


@dataclass(frozen=True, slots=True)
class Rendered:
    """What PyTorch draws: the pictures, and the same before rounding, in 8-bit steps."""

    images: npt.NDArray[np.uint8]
    unrounded: npt.NDArray[np.float64]


def render(generator: ExportModel, z: npt.NDArray[np.float32], label: npt.NDArray[np.int64] | None = None) -> Rendered:
    """Draw latents float32 (N, nz) with PyTorch in the generator's own precision, all of them in memory."""
    parts = list(render_batches(generator, z, label))
    return Rendered(np.concatenate([part.images for part in parts]), np.concatenate([part.unrounded for part in parts]))


def render_batches(
    generator: ExportModel, z: npt.NDArray[np.float32], label: npt.NDArray[np.int64] | None = None
) -> Iterator[Rendered]:
    """As `render`, a few pictures at a time: memory stays flat however many there are."""
    dtype = next((p.dtype for p in generator.parameters()), torch.float32)
    batch = at_once_in_pytorch(generator.spec)
    for start in range(0, len(z), batch):
        part = slice(start, start + batch)
        labels = torch.from_numpy(label[part]) if label is not None else None
        with torch.no_grad():  # not around the loop: a generator that waits at its yield would switch it off for its caller
            image, float_image = generator(torch.from_numpy(z[part]).to(dtype), labels)
        yield Rendered(image.numpy(), float_image.double().numpy())
