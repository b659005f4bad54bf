"""Distances are what their equations say, real pictures score as real, and damage that a person would see is seen."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from tests.tiny_training import tiny_data, tiny_judge
from train.data.digits import digits
from train.scores.judge import Judge
from train.scores.metrics import class_distance, frechet_distance, kernel_distance, precision_and_coverage

STREAM = np.random.RandomState(0)


def test_frechet_distance_of_two_gaussians() -> None:
    """Means 3 apart and standard deviations 1 and 2 in 4 dimensions: 3² + 4 · (2 − 1)²."""
    a = STREAM.standard_normal((200_000, 4))
    b = 2 * STREAM.standard_normal((200_000, 4)) + np.array([3, 0, 0, 0])
    assert frechet_distance(a, b) == pytest.approx(13, abs=0.2)
    assert frechet_distance(a, a) == pytest.approx(0, abs=1e-9)


def test_kernel_distance_is_unbiased() -> None:
    """Over many pairs of small samples from one distribution its mean is zero, which a biased estimate's is not."""
    pairs = [kernel_distance(STREAM.standard_normal((20, 3)), STREAM.standard_normal((20, 3))) for _ in range(400)]
    assert abs(np.mean(pairs)) < 4 * np.std(pairs) / np.sqrt(len(pairs))
    assert kernel_distance(STREAM.standard_normal((200, 3)), STREAM.standard_normal((200, 3)) + 1) > 1


def test_precision_and_coverage_tell_bad_from_missing() -> None:
    left, right = STREAM.standard_normal((300, 2)), STREAM.standard_normal((300, 2)) + 50
    both = np.concatenate([left, right])
    assert precision_and_coverage(both, both) == (1.0, 1.0)
    half = precision_and_coverage(left + 0.01, both)
    assert half[0] > 0.9
    assert half[1] == pytest.approx(0.5, abs=0.05)
    noisy = precision_and_coverage(np.concatenate([both, both + 1000]), both)
    assert noisy == (0.5, 1.0)


def test_class_distance_is_the_share_that_would_have_to_move() -> None:
    assert class_distance(np.array([0.5, 0.5, 0.0]), np.array([0.25, 0.25, 0.5])) == 0.5


def blurred(images: torch.Tensor) -> torch.Tensor:
    return F.avg_pool2d(images.float(), 3, 1, 1).to(torch.uint8)


def test_the_judge_sees_what_a_person_would_see() -> None:
    judge, data = tiny_judge(), tiny_data()
    real = judge.floor
    assert real.classes_seen == 10
    assert abs(real.kernel) < 3 * real.kernel_sd
    held_out = data.held_out_images.repeat(5, 1, 1, 1)
    blur = judge.score(blurred(held_out))
    assert blur.frechet > 3 * real.frechet
    assert blur.kernel > real.kernel + 3 * real.kernel_sd
    without_zero = data.held_out_images[data.held_out_labels != 0]
    stream = torch.Generator().manual_seed(0)
    missing = judge.score(without_zero[torch.randint(len(without_zero), (judge.images_wanted,), generator=stream)])
    assert missing.classes_seen == 9
    assert missing.class_distance > 0.09
    assert missing.coverage < real.coverage
    constant = judge.score(held_out[:1].repeat(judge.images_wanted, 1, 1, 1))
    assert constant.classes_seen == 1
    assert constant.coverage < 0.05


def test_the_same_data_gives_the_same_classifier() -> None:
    torch.manual_seed(123)
    stream = torch.get_rng_state()
    assert Judge(tiny_data()).sha256 == tiny_judge().sha256
    assert torch.equal(torch.get_rng_state(), stream), "training's random stream is left alone"


def test_the_default_classifier_knows_held_out_digits() -> None:
    assert Judge(digits(32)).accuracy >= 0.97
