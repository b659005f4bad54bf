"""Pictures as bytes and as numbers: the only place in train/ that converts between the two."""

from typing import Literal

import torch
from torch import Tensor

Output = Literal["tanh", "sigmoid"]


def from_bytes(images: Tensor, output: Output = "tanh") -> Tensor:
    """Pictures 0..255, uint8 or float32, as float32 of the same shape: −1..1 for tanh, 0..1 for sigmoid."""
    return images / 127.5 - 1.0 if output == "tanh" else images / 255.0


def to_bytes(images: Tensor, output: Output) -> Tensor:
    """Generated pictures as uint8 of the same shape: clipped, then rounded half to even, as the exported graph does it."""
    scaled = images.clamp(-1, 1) * 127.5 + 127.5 if output == "tanh" else images.clamp(0, 1) * 255.0
    return scaled.round().to(torch.uint8)
