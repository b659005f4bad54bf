"""BatchNorm as part of the linear layer or (transposed) convolution before it, in float64.

γ (Wx + b − μ) / √(σ² + ε) + β  =  W′x + b′     with  W′ = W·γ/√(σ² + ε),  b′ = (b − μ)·γ/√(σ² + ε) + β
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Float64 = npt.NDArray[np.float64]


class BatchNorm(NamedTuple):
    """Its parameters, each (C,), and ε."""

    gamma: Float64
    beta: Float64
    mean: Float64
    variance: Float64
    epsilon: float


def fold(weight: Float64, bias: Float64 | None, axis: int, norm: BatchNorm) -> tuple[Float64, Float64]:
    """(W′, b′) of a layer whose output channels lie on `axis` of its weight.

    Outputs may be several times as many as the norm's channels: a linear layer draws every pixel of a channel by itself.
    """
    repeats = weight.shape[axis] // len(norm.mean)
    scale = norm.gamma / np.sqrt(norm.variance + norm.epsilon)
    scale, mean, beta = (np.repeat(values, repeats) for values in (scale, norm.mean, norm.beta))
    folded = weight * scale.reshape([-1 if i == axis else 1 for i in range(weight.ndim)])
    return folded, ((0.0 if bias is None else bias) - mean) * scale + beta
