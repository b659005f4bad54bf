"""Noise that a generator adds in every forward pass, one plane for all channels."""

import torch
from torch import Tensor, nn


class Noise(nn.Module):
    """x + w · n, n normal (N, 1, H, W). Export asks what takes its place (`--noise`) where w is not zero."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(1))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.weight * torch.randn(x.shape[0], 1, x.shape[2], x.shape[3], dtype=x.dtype, device=x.device)
