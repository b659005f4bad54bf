"""Penalties measure the slope of D, whatever D is, and can be descended."""

import pytest
import torch
from torch import Tensor

from train.model.penalties import gradient_penalty, zero_centred

REAL, FAKE = torch.rand(6, 1, 3, 3), torch.rand(6, 1, 3, 3)


def linear(slope: float | Tensor) -> object:
    return lambda images: slope * images.flatten(1).sum(1)  # its gradient has length 3 · slope: nine pixels


@pytest.mark.parametrize("slope", [0.0, 1 / 3, 2.0])
def test_they_are_what_their_equations_say(slope: float) -> None:
    assert gradient_penalty(linear(slope), REAL, FAKE).item() == pytest.approx((3 * slope - 1) ** 2, abs=1e-4)  # type: ignore[arg-type]
    assert zero_centred(linear(slope), REAL).item() == pytest.approx((3 * slope) ** 2 / 2, abs=1e-4)  # type: ignore[arg-type]


def test_descending_them_flattens_d() -> None:
    slope = torch.tensor(2.0, requires_grad=True)
    (down,) = torch.autograd.grad(zero_centred(linear(slope), REAL), slope)  # type: ignore[arg-type]
    assert down.item() == pytest.approx(9 * 2.0)
    (down,) = torch.autograd.grad(gradient_penalty(linear(slope), REAL, FAKE), slope)  # type: ignore[arg-type]
    assert down.item() == pytest.approx(2 * (6.0 - 1) * 3, rel=1e-4)


def test_the_gradient_is_taken_between_real_and_generated_pictures() -> None:
    """With D = ½|x|² the slope at a point is the point: its penalty lies between those of the two ends."""
    low, high = torch.zeros(2000, 1, 1, 1), torch.full((2000, 1, 1, 1), 3.0)
    penalty = gradient_penalty(lambda images: images.square().sum((1, 2, 3)) / 2, low, high).item()
    assert penalty == pytest.approx(1.0, abs=0.1)  # the mean of (x − 1)² for x in 0..3
