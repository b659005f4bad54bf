"""Pictures compared batch by batch give the figures of all of them at once, and large pictures do not overflow."""

import numpy as np
import pytest

from gansample.bundle.fidelity import Fidelity, RunningFidelity, compare, mean_square_steps, ssim


def pictures(*shape: int) -> tuple[np.ndarray, np.ndarray]:
    stream = np.random.RandomState(0)
    images = stream.randint(0, 256, shape).astype(np.uint8)
    noise = (stream.random_sample(shape) < 0.1) * stream.randint(-3, 4, shape)
    return np.clip(images + noise, 0, 255).astype(np.uint8), images


@pytest.mark.parametrize("batch", [1, 17, 300])
@pytest.mark.parametrize("shape", [(300, 12, 20, 3), (3, 700, 600, 3), (5, 2, 2, 1)])
def test_batches_change_no_figure(shape: tuple[int, ...], batch: int) -> None:
    images, reference = pictures(*shape)
    running = RunningFidelity()
    for start in range(0, len(images), batch):
        running.add(images[start : start + batch], reference[start : start + batch])
    assert running.result() == compare(images, reference)
    assert np.array_equal(running.squares, mean_square_steps(images, reference))


def test_the_figures_are_those_of_plain_formulas() -> None:
    images, reference = pictures(40, 16, 16, 3)
    difference = images.astype(float) - reference
    square = np.square(difference).mean(axis=(1, 2, 3))
    assert compare(images, reference) == Fidelity(
        images=40,
        max_step=np.abs(difference).max(),
        mean_step=np.abs(difference).mean(),
        identical=(difference == 0).mean(),
        psnr_db=pytest.approx(10 * np.log10(255**2 / square.mean())),
        ssim=pytest.approx(ssim(images, reference).mean()),
        worst_psnr_db=pytest.approx(10 * np.log10(255**2 / square.max())),
    )


def test_black_beside_white_is_exact_however_large() -> None:
    black = np.zeros((1, 1024, 1024, 3), np.uint8)
    assert mean_square_steps(black, black + np.uint8(255)) == [255**2]
    assert compare(black, black + np.uint8(255)).psnr_db == 0


def test_shapes_that_differ_are_refused_and_nothing_compared_has_no_figure() -> None:
    running = RunningFidelity()
    with pytest.raises(ValueError, match="cannot compare"):
        running.add(np.zeros((2, 4, 4, 1), np.uint8), np.zeros((2, 4, 4, 3), np.uint8))
    assert running.result().images == 0
    assert np.isnan(running.result().psnr_db)
