"""Where a variant leaves PyTorch: the first layer whose output it no longer has.

PyTorch's layers and the tensors of an optimised graph do not correspond by name: batch norms are folded away, first layers
become matrix products. So every layer's float64 output is looked for among the graph's tensors of the same size, and a
layer counts as good as the best that is found at or after it: nothing agrees downstream of a mistake.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from export.export_model import ExportModel

LATENTS = 8  # enough to tell layers apart; every tensor of the graph is kept for them
AGREE_DB = 150.0  # float32 itself; anything closer is called this
HEAD_DB = 110.0  # where the pictures before rounding agree so well, only what comes after can be wrong

Tensors = Callable[[npt.NDArray[np.float32], npt.NDArray[np.int64] | None], Mapping[str, npt.NDArray[Any]]]


@dataclass(frozen=True, slots=True)
class Layer:
    name: str
    """As PyTorch names it, with its class: `net.4 (BatchNorm2d)`."""
    snr_db: float
    """Signal-to-noise ratio of the closest tensor in the graph: 20·log10(|reference| / |difference|)."""


@dataclass(frozen=True, slots=True)
class Divergence:
    """PyTorch's layers in the order they ran, and the one at which the variant falls away."""

    layers: tuple[Layer, ...]
    first: str
    """What to tell a person, one line."""

    def to_dict(self) -> dict[str, Any]:
        return {"first": self.first, "layers": {layer.name: round(layer.snr_db, 1) for layer in self.layers}}


def first_divergence(
    generator: ExportModel,
    tensors: Mapping[str, npt.NDArray[Any]],
    z: npt.NDArray[np.float32],
    label: npt.NDArray[np.int64] | None,
) -> Divergence:
    """Compare the layers of `generator` (float64) with the tensors that a variant's graph holds for the same latents.

    tensors  name -> (N, …), in any layout that keeps the order of the elements.
    """
    by_size: dict[int, list[npt.NDArray[np.float64]]] = {}
    for tensor in tensors.values():
        if tensor.ndim and len(tensor) == len(z):
            flat = tensor.reshape(len(z), -1).astype(np.float64)
            by_size.setdefault(flat.shape[1], []).append(flat)
    layers = [
        Layer(name, max((_snr_db(output, tensor) for tensor in by_size.get(output.shape[1], [])), default=0.0))
        for name, output in torch_layers(generator, z, label).items()
    ]
    return Divergence(tuple(layers), _largest_drop(layers))


def _largest_drop(layers: list[Layer]) -> str:
    # best[i]: the best agreement at layer i or after it. It only falls, and it falls most where the variant goes wrong.
    best = np.maximum.accumulate([layer.snr_db for layer in layers][::-1])[::-1]
    if best[-1] >= HEAD_DB:
        return f"after the last layer, which agrees to {best[-1]:.0f} dB: the pixel head's range or rounding"
    drop = np.concatenate([[AGREE_DB], best[:-1]]) - best
    i = int(np.argmax(drop))
    before = f", after {best[i - 1]:.0f} dB at {layers[i - 1].name}" if i else ""
    return f"{layers[i].name}: at most {best[i]:.0f} dB from there on{before}"


@torch.no_grad()
def torch_layers(
    generator: ExportModel, z: npt.NDArray[np.float32], label: npt.NDArray[np.int64] | None
) -> dict[str, npt.NDArray[np.float64]]:
    """Output (N, P) of every leaf module in the order they ran, and last the levels before rounding; all float64."""
    generator = generator.in_precision(torch.float64)
    outputs: dict[str, npt.NDArray[np.float64]] = {}

    def keep(name: str) -> Any:
        def hook(module: torch.nn.Module, inputs: Any, output: Any) -> None:
            if isinstance(output, torch.Tensor) and output.is_floating_point() and len(output) == len(z):
                unique = name if name not in outputs else f"{name}, again"
                outputs[unique] = output.detach().clone().reshape(len(z), -1).numpy()  # an in-place ReLU comes next

        return hook

    for name, module in generator.network.named_modules():
        if not any(module.children()):
            module.register_forward_hook(keep(f"{name or 'network'} ({type(module).__name__})"))
    labels = torch.from_numpy(label) if label is not None else None
    unrounded = generator(torch.from_numpy(z).double(), labels)[1]
    outputs["levels before rounding"] = unrounded.reshape(len(z), -1).numpy()
    return outputs


def _snr_db(reference: npt.NDArray[np.float64], seen: npt.NDArray[np.float64]) -> float:
    noise, signal = float(np.square(reference - seen).sum()), float(np.square(reference).sum())
    if not np.isfinite(noise) or signal == 0:
        return 0.0
    return AGREE_DB if noise == 0 else float(np.clip(10 * np.log10(signal / noise), 0.0, AGREE_DB))
