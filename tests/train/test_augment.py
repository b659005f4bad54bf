"""Augmentation changes the pictures it chooses, in the way it says, with gradients."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from train.model.adaptive_augment import EVERY, AdaptiveAugmentation
from train.model.augment import augment, cut, recolor, shift


def test_every_picture_is_a_shift_of_itself_with_zeros_moving_in() -> None:
    torch.manual_seed(0)
    images = torch.rand(64, 2, 9, 7) + 1
    shifted = shift(images, probability=1.0, pixels=2)
    seen = set()
    padded = torch.nn.functional.pad(images, (2, 2, 2, 2))
    for picture, frame in zip(shifted, padded, strict=True):
        places = [(y, x) for y in range(5) for x in range(5) if torch.equal(picture, frame[:, y : y + 9, x : x + 7])]
        assert len(places) == 1
        seen.update(places)
    assert len(seen) > 15, "all directions occur"


CHANGES: list[Callable[[Tensor, float], Tensor]] = [
    lambda images, p: shift(images, p, 2),
    lambda images, p: recolor(images, p, 0.5),
    lambda images, p: cut(images, p, 3),
]


@pytest.mark.parametrize("change", CHANGES)
def test_probability_is_the_share_of_pictures_that_change(change: Callable[[Tensor, float], Tensor]) -> None:
    torch.manual_seed(0)
    images = torch.rand(4000, 3, 4, 4) + 0.1
    changed = (change(images, 0.5) - images).abs().flatten(1).amax(1) > 1e-5
    assert abs(changed.float().mean() - 0.5) < 0.04


def test_gradients_reach_the_pixels_that_stay_in_the_frame() -> None:
    torch.manual_seed(1)
    images = torch.rand(8, 1, 6, 6, requires_grad=True)
    shifted = shift(images, probability=1.0, pixels=2)
    shifted.sum().backward()
    assert images.grad is not None
    assert set(images.grad.unique().tolist()) == {0.0, 1.0}
    assert images.grad.flatten(1).sum(1).tolist() == (shifted != 0).flatten(1).sum(1).tolist()


def test_cutout_blanks_one_square() -> None:
    torch.manual_seed(2)
    holes = cut(torch.ones(200, 1, 8, 8), 1.0, 4) == 0
    sizes = holes.flatten(1).sum(1)
    assert sizes.max() == 16
    assert sizes.min() >= 4, "over the edge it may reach, but never past the centre"
    rows, columns = holes[:, 0].any(2).sum(1), holes[:, 0].any(1).sum(1)
    assert torch.equal(rows * columns, sizes)


def test_recoloring_leaves_grey_pictures_grey_and_keeps_the_drawing() -> None:
    torch.manual_seed(3)
    images = torch.rand(50, 1, 8, 8)
    changed = recolor(images, 1.0, 0.5)
    for before, after in zip(images.flatten(1), changed.flatten(1), strict=True):
        assert torch.corrcoef(torch.stack([before, after]))[0, 1] > 0.999, "brightness and contrast are linear"


def test_without_a_probability_nothing_is_drawn_or_changed() -> None:
    images, stream = torch.rand(4, 1, 4, 4), torch.get_rng_state()
    assert augment(images, 0.0, translate=0.2, color=1.0, cutout=0.5) is images
    assert torch.equal(torch.get_rng_state(), stream)


def observed(adaptive: AdaptiveAugmentation, mean_sign: float, steps: int) -> float:
    for _ in range(steps):
        adaptive.observe(mean_sign, batch=64)
    return adaptive.probability


def test_it_rises_while_d_overfits_and_falls_when_it_does_not() -> None:
    adaptive = AdaptiveAugmentation(0.0, target=0.6, images_total=100_000)
    risen = observed(adaptive, 0.9, 5 * EVERY)
    assert risen == pytest.approx(5 * EVERY * 64 / 10_000)
    assert observed(adaptive, 0.2, 3 * EVERY) == pytest.approx(risen * 2 / 5)
    assert observed(adaptive, 0.2, 100 * EVERY) == 0.0
    assert observed(adaptive, 1.0, 1000 * EVERY) == 0.8


def test_without_a_target_it_stays_and_still_measures() -> None:
    adaptive = AdaptiveAugmentation(0.3, target=0.0, images_total=100_000)
    assert observed(adaptive, 0.9, 500) == 0.3
    assert adaptive.overfitting == pytest.approx(0.9, abs=0.01)
