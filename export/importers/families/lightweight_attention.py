"""lightweight-gan's attention: over all positions with a cost linear in them, beside one over each pixel's 3×3 neighbours.

Z. Shen et al., *Efficient Attention*, 2018 (arXiv:1812.01243), and P. Ramachandran et al., *Stand-Alone Self-Attention in
Vision Models*, 2019 (arXiv:1906.05909).
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, pad

EPS = 1e-5
HEAD = 64  # channels of a head


class ChannelNorm(nn.Module):
    """Normalised over the channels of each pixel, scaled by g and moved by b."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.g, self.b = nn.Parameter(torch.empty(1, channels, 1, 1)), nn.Parameter(torch.empty(1, channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        centred = x - x.mean(1, keepdim=True)
        return centred / (centred.square().mean(1, keepdim=True) + EPS).sqrt() * self.g + self.b


class Depthwise(nn.Module):
    def __init__(self, width: int, out: int) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1, groups=width, bias=False), nn.Conv2d(width, out, 1, bias=False)
        )

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.net(x)
        return out


class BothAttentions(nn.Module):
    """(N, C, H, W) -> (N, C, H, W); all heads together are `inner` channels wide."""

    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.to_lin_q, self.to_q = nn.Conv2d(width, inner, 1, bias=False), nn.Conv2d(width, inner, 1, bias=False)
        self.to_lin_kv, self.to_kv = Depthwise(width, 2 * inner), nn.Conv2d(width, 2 * inner, 1, bias=False)
        self.to_out = nn.Conv2d(2 * inner, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        everywhere = gelu(_everywhere(self.to_lin_q(x), *self.to_lin_kv(x).chunk(2, 1)))
        near = _near(self.to_q(x), *self.to_kv(x).chunk(2, 1))
        out: Tensor = self.to_out(torch.cat([everywhere, near], 1))
        return out


class Attention(nn.Module):
    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.norm, self.fn = ChannelNorm(width), BothAttentions(width, inner)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.fn(self.norm(x))
        return out


def _heads(x: Tensor) -> Tensor:
    """(N, heads · HEAD, H, W) -> (N, heads, HEAD, H, W)"""
    return x.reshape(x.shape[0], -1, HEAD, *x.shape[2:])


def _everywhere(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """softmax over a query's channels · (softmax over all positions of the keys)ᵀ · values."""
    query, key, value = (_heads(part).flatten(3) for part in (q, k, v))  # (N, heads, HEAD, positions)
    context = key.softmax(3) @ value.transpose(2, 3)
    seen: Tensor = context.transpose(2, 3) @ (query.softmax(2) * HEAD**-0.5)
    return seen.reshape(q.shape)


def _near(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Each position attends to its 3×3 neighbours; beyond the border keys and values are zero."""
    query, key, value = _heads(q) * HEAD**-0.5, _neighbours(k), _neighbours(v)
    weights: Tensor = (query[None] * key).sum(3, keepdim=True).softmax(0)
    return (weights * value).sum(0).reshape(q.shape)


def _neighbours(x: Tensor) -> Tensor:
    """(N, C, H, W) -> (9, N, heads, HEAD, H, W)"""
    height, width = x.shape[2:]
    framed = pad(x, (1, 1, 1, 1))
    return torch.stack([_heads(framed[:, :, i : i + height, j : j + width]) for i in range(3) for j in range(3)])
