"""The losses are the equations in their docstrings, and each player's step moves V(D, G) where the game says."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from train.model.losses import (
    ascend_value,
    discriminator_loss,
    generator_loss,
    hinge_discriminator,
    hinge_generator,
    least_squares_discriminator,
    least_squares_generator,
    non_saturating,
    relativistic_discriminator,
    saturating,
    value,
    wasserstein_discriminator,
)

logits = st.lists(st.floats(-8, 8), min_size=1, max_size=6).map(lambda numbers: torch.tensor(numbers, dtype=torch.float64))


@given(real=logits, fake=logits)
def test_value_is_goodfellows_equation(real: Tensor, fake: Tensor) -> None:
    d_real, d_fake = torch.sigmoid(real), torch.sigmoid(fake)
    expected = torch.log(d_real).mean() + torch.log(1 - d_fake).mean()
    assert torch.allclose(value(real, fake), expected, atol=1e-9)
    assert torch.allclose(ascend_value(real, fake), -expected, atol=1e-9)


@given(fake=logits)
def test_both_forms_of_the_generators_loss(fake: Tensor) -> None:
    d_fake = torch.sigmoid(fake)
    assert torch.allclose(saturating(fake), torch.log(1 - d_fake).mean(), atol=1e-9)
    assert torch.allclose(non_saturating(fake), -torch.log(d_fake).mean(), atol=1e-9)


def test_a_discriminator_that_only_guesses_has_value_minus_two_log_two() -> None:
    assert value(torch.zeros(4), torch.zeros(4)).item() == pytest.approx(-2 * math.log(2))


@pytest.mark.parametrize("logit", [-1e4, 1e4])
def test_no_logit_overflows(logit: float) -> None:
    sure = torch.tensor([logit])
    for loss in (value(sure, sure), ascend_value(sure, sure, 0.1), saturating(sure), non_saturating(sure)):
        assert torch.isfinite(loss)


def gradient(loss: str, logit: float) -> float:
    fake = torch.tensor([logit], requires_grad=True)
    (slope,) = torch.autograd.grad(generator_loss(loss, fake), fake)  # type: ignore[arg-type]
    return slope.item()


def test_every_form_pushes_the_generator_towards_being_believed() -> None:
    for loss in ("saturating", "non_saturating", "hinge", "least_squares", "wgan_gp"):
        assert gradient(loss, 0.0) < 0
    fake, real = torch.zeros(1, requires_grad=True), torch.zeros(1)
    (slope,) = torch.autograd.grad(generator_loss("relativistic", fake, real), fake)
    assert slope.item() == pytest.approx(-0.5)


def test_only_the_saturating_gradient_vanishes_where_the_discriminator_is_sure() -> None:
    assert gradient("saturating", -10.0) == pytest.approx(0, abs=1e-4)
    assert gradient("non_saturating", -10.0) == pytest.approx(-1, abs=1e-4)


def test_hinge_ignores_what_is_beyond_the_margin() -> None:
    assert hinge_discriminator(torch.tensor([1.0, 5.0]), torch.tensor([-1.0, -9.0])).item() == 0
    assert hinge_discriminator(torch.tensor([0.0]), torch.tensor([0.5])).item() == pytest.approx(1 + 1.5)
    assert hinge_generator(torch.tensor([1.0, 3.0])).item() == -2


def test_label_noise_moves_both_labels_inwards_and_is_drawn_anew() -> None:
    torch.manual_seed(0)
    real, fake = torch.full((10_000,), 2.0), torch.full((10_000,), -2.0)
    noisy = discriminator_loss("non_saturating", real, fake, label_noise=0.2)
    # E[label] is 0.9 and 0.1, and cross-entropy is linear in the label: each term moves by 0.1 · |logit|
    assert noisy.item() == pytest.approx(-value(real, fake).item() + 2 * 0.1 * 2.0, abs=0.01)
    assert noisy != discriminator_loss("non_saturating", real, fake, label_noise=0.2)


@given(real=logits, fake=logits)
def test_least_squares_is_half_the_squared_distance_to_the_labels(real: Tensor, fake: Tensor) -> None:
    expected = ((real - 1) ** 2).mean() / 2 + (fake**2).mean() / 2
    assert torch.allclose(least_squares_discriminator(real, fake), expected)
    assert torch.allclose(least_squares_generator(fake), ((fake - 1) ** 2).mean() / 2)


@given(logits)
def test_wasserstein_is_the_difference_of_the_means(fake: Tensor) -> None:
    assert torch.allclose(wasserstein_discriminator(fake + 3, fake), torch.tensor(-3.0, dtype=torch.float64))


@given(logits)
def test_the_relativistic_loss_sees_differences_only(fake: Tensor) -> None:
    real = fake.flip(0) + 1
    assert torch.allclose(relativistic_discriminator(real, fake), relativistic_discriminator(real + 5, fake + 5))
    assert torch.allclose(generator_loss("relativistic", fake, real), relativistic_discriminator(fake, real))
    assert relativistic_discriminator(fake, fake).item() == pytest.approx(math.log(2))
