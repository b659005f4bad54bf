"""Self-attention as GANs have it: every position looks at the maxima of 2×2 positions each.

H. Zhang et al., *Self-Attention Generative Adversarial Networks*, ICML 2019 (arXiv:1805.08318), equations 1 to 3; the pooling
is that of their code and BigGAN's.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import max_pool2d

from export.importers.families.family import Tensors


class NonLocal(nn.Module):
    """x + γ · o(g(x) · softmax(θ(x)ᵀ φ(x))ᵀ), all four of them 1×1 convolutions without bias."""

    def __init__(self, tensors: Tensors, at: str) -> None:
        super().__init__()
        self.theta, self.phi, self.g, self.o = (
            _pointwise(tensors[f"{at}.{name}.weight"]) for name in ("theta", "phi", "g", "o")
        )
        self.gamma = nn.Parameter(torch.empty((1,) * tensors[f"{at}.gamma"].dim()))

    def forward(self, x: Tensor) -> Tensor:
        theta = self.theta(x).flatten(2)
        phi, g = (max_pool2d(layer(x), 2).flatten(2) for layer in (self.phi, self.g))
        seen = g @ (theta.transpose(1, 2) @ phi).softmax(2).transpose(1, 2)
        out: Tensor = x + self.gamma * self.o(seen.reshape(x.shape[0], -1, *x.shape[2:]))
        return out


def _pointwise(weight: Tensor) -> nn.Conv2d:
    return nn.Conv2d(weight.shape[1], weight.shape[0], 1, bias=False)
