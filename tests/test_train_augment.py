"""Translation shifts pictures and nothing else, for the pictures it chooses, with gradients."""

import torch

from train.augment import translate


def test_every_picture_is_a_shift_of_itself_with_zeros_moving_in() -> None:
    torch.manual_seed(0)
    images = torch.rand(64, 2, 9, 7) + 1
    shifted = translate(images, probability=1.0, pixels=2)
    seen = set()
    padded = torch.nn.functional.pad(images, (2, 2, 2, 2))
    for picture, frame in zip(shifted, padded, strict=True):
        places = [(y, x) for y in range(5) for x in range(5) if torch.equal(picture, frame[:, y : y + 9, x : x + 7])]
        assert len(places) == 1
        seen.update(places)
    assert len(seen) > 15, "all directions occur"


def test_probability_is_the_share_of_pictures_that_move() -> None:
    torch.manual_seed(0)
    images = torch.rand(4000, 1, 4, 4)
    moved = (translate(images, probability=0.5, pixels=2) != images).flatten(1).any(1).float().mean()
    assert abs(moved - 0.5 * 24 / 25) < 0.03  # one shift in 25 is by nothing
    assert translate(images, probability=0.0, pixels=2) is images


def test_gradients_reach_the_pixels_that_stay_in_the_frame() -> None:
    torch.manual_seed(1)
    images = torch.rand(8, 1, 6, 6, requires_grad=True)
    shifted = translate(images, probability=1.0, pixels=2)
    shifted.sum().backward()
    assert images.grad is not None
    assert set(images.grad.unique().tolist()) == {0.0, 1.0}
    assert images.grad.flatten(1).sum(1).tolist() == (shifted != 0).flatten(1).sum(1).tolist()
