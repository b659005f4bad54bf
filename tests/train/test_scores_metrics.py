"""Distances are what their equations say: closed forms where there are some, the papers' definitions word by word elsewhere."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from train.scores.metrics import (
    NEIGHBOURS,
    class_distance,
    classes_seen,
    frechet_distance,
    kernel_distance,
    kernel_within,
    mean_distance,
    nearest,
    neighbourhood,
)

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


def test_kernel_distance_pair_by_pair() -> None:
    a, b = STREAM.standard_normal((6, 3)), STREAM.standard_normal((5, 3))

    def kernel(x: np.ndarray, y: np.ndarray) -> float:
        return float((x @ y / 3 + 1) ** 3)

    within = [np.mean([kernel(x[i], x[j]) for i in range(len(x)) for j in range(len(x)) if i != j]) for x in (a, b)]
    expected = sum(within) - 2 * np.mean([kernel(x, y) for x in a for y in b])
    assert kernel_distance(a, b) == pytest.approx(expected)
    assert kernel_distance(a, b, kernel_within(b)) == pytest.approx(expected)


@settings(max_examples=25, deadline=None)
@given(st.integers(NEIGHBOURS + 1, 14), st.integers(NEIGHBOURS + 1, 14), st.floats(0, 2), st.integers(0, 1000))
def test_neighbourhood_is_what_the_papers_define(n: int, m: int, shift: float, seed: int) -> None:
    """Kynkäänniemi et al. 2019, equation 2; Naeem et al. 2020, equations 5 and 6; ball by ball."""
    stream = np.random.RandomState(seed)
    real, generated = stream.standard_normal((n, 2)), stream.standard_normal((m, 2)) + shift

    def reach(x: np.ndarray, i: int) -> float:
        return float(sorted(np.linalg.norm(x[i] - x[j]) for j in range(len(x)) if j != i)[NEIGHBOURS - 1])

    def inside(x: np.ndarray, centres: np.ndarray) -> list[bool]:
        return [bool(np.linalg.norm(x - centre) <= reach(centres, i)) for i, centre in enumerate(centres)]

    of_generated, of_real = [inside(x, real) for x in generated], [inside(x, generated) for x in real]
    found = neighbourhood(generated, real)
    assert found.precision == pytest.approx(np.mean([any(balls) for balls in of_generated]))
    assert found.recall == pytest.approx(np.mean([any(balls) for balls in of_real]))
    assert found.density == pytest.approx(sum(map(sum, of_generated)) / (NEIGHBOURS * m))
    assert found.coverage == pytest.approx(np.mean([any(balls[i] for balls in of_generated) for i in range(n)]))


def test_neighbourhood_tells_bad_from_missing() -> None:
    left, right = STREAM.standard_normal((300, 2)), STREAM.standard_normal((300, 2)) + 50
    both = np.concatenate([left, right])
    same = neighbourhood(both, both)
    assert (same.precision, same.recall, same.coverage) == (1.0, 1.0, 1.0)
    assert same.density == pytest.approx(1, abs=0.25)  # 6/5: every picture lies in its own ball too
    half = neighbourhood(left + 0.01, both)
    assert half.precision > 0.9
    assert half.recall == pytest.approx(0.5, abs=0.05)
    assert half.coverage == pytest.approx(0.5, abs=0.05)
    noisy = neighbourhood(np.concatenate([both, both + 1000]), both)
    assert (noisy.precision, noisy.coverage) == (0.5, 1.0)


def test_one_outlier_fools_recall_but_not_coverage() -> None:
    real = STREAM.standard_normal((200, 2))
    collapsed = np.concatenate([np.full((199, 2), 30.0) + 0.01 * STREAM.standard_normal((199, 2)), [[-30.0, -30.0]]])
    fooled = neighbourhood(collapsed, real)
    assert fooled.recall > 0.9
    assert fooled.coverage == 0.0


def test_class_distance_is_the_share_that_would_have_to_move() -> None:
    assert class_distance(np.array([0.5, 0.5, 0.0]), np.array([0.25, 0.25, 0.5])) == 0.5


def test_a_rare_class_is_not_counted_as_dropped_for_being_rare() -> None:
    real = np.array([0.9, 0.08, 0.02])
    assert classes_seen(np.array([0.91, 0.08, 0.01]), real) == 3
    assert classes_seen(np.array([0.99, 0.01, 0.0]), real) == 1


def test_nearest_in_parts_is_nearest_of_all() -> None:
    x, others = STREAM.standard_normal((600, 3)), STREAM.standard_normal((50, 3))
    all_distances = np.linalg.norm(x[:, None] - others[None], axis=2)
    indices, distances = nearest(x, others)
    assert (indices == all_distances.argmin(1)).all()
    assert distances == pytest.approx(all_distances.min(1))


def test_mean_distance_of_the_corners_of_a_triangle() -> None:
    assert mean_distance(np.array([[0.0, 0.0], [3.0, 0.0], [0.0, 4.0]])) == pytest.approx((3 + 4 + 5) / 3)
