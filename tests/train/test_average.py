"""What is exported is the average of the weights, with statistics that belong to it."""

import copy

import pytest
import torch
from torch import nn

from train.model.average import MovingAverage, ema_decay, recompute_statistics
from train.model.latents import LatentSpace
from train.model.networks import Generator, generate_images

SPACE = LatentSpace(size=6)


def small_generator(seed: int = 0) -> Generator:
    torch.manual_seed(seed)
    return Generator(latent_size=6, image_size=8, channels=1, width=4)


def test_the_half_life_is_one() -> None:
    start, target = small_generator(0), small_generator(1)
    average = MovingAverage(start)
    for _ in range(20):
        average.update(target, ema_decay(batch=32, half_life_images=20 * 32))
    for a, b, now in zip(start.parameters(), target.parameters(), average.generator.parameters(), strict=True):
        assert torch.allclose(now, (a + b) / 2, atol=1e-6)


def test_no_half_life_means_the_raw_weights() -> None:
    average = MovingAverage(small_generator(0))
    average.update(target := small_generator(1), ema_decay(batch=32, half_life_images=0))
    for a, b in zip(average.generator.parameters(), target.parameters(), strict=True):
        assert torch.equal(a, b)


def test_statistics_belong_to_the_averaged_weights() -> None:
    """In eval mode the snapshot normalises every layer to nearly mean 0 and variance 1; stale statistics would not."""
    average = MovingAverage(small_generator())
    for weight in average.generator.parameters():
        weight.mul_(3.0).add_(0.1)
    snapshot = average.snapshot(SPACE)
    assert not snapshot.training
    seen: list[tuple[nn.BatchNorm2d, torch.Tensor]] = []
    for norm in snapshot.modules():
        if isinstance(norm, nn.BatchNorm2d):
            norm.register_forward_hook(lambda module, _, output: seen.append((module, output)))
    snapshot(torch.randn(2048, 6, generator=torch.Generator().manual_seed(3)))
    for norm, output in seen:
        normalised = (output - norm.bias[:, None, None]) / norm.weight[:, None, None]
        assert normalised.mean((0, 2, 3)).abs().max() < 0.1
        assert (normalised.var((0, 2, 3)) - 1).abs().max() < 0.2
    assert len(seen) == 1


def test_a_latent_gives_the_same_picture_in_any_company() -> None:
    snapshot = MovingAverage(small_generator()).snapshot(SPACE)
    together = generate_images(snapshot, SPACE.inputs_for_seeds(range(40)))
    alone = torch.cat([generate_images(snapshot, SPACE.inputs_for_seeds(range(seed, seed + 1))) for seed in range(40)])
    assert torch.allclose(together, alone, atol=1e-6)


def test_taking_a_snapshot_changes_neither_the_average_nor_the_random_stream() -> None:
    average = MovingAverage(small_generator())
    before, stream = copy.deepcopy(average.generator.state_dict()), torch.get_rng_state()
    first = average.snapshot(SPACE)
    assert torch.equal(torch.get_rng_state(), stream)
    for name, tensor in average.generator.state_dict().items():
        assert torch.equal(tensor, before[name])
    for name, tensor in average.snapshot(SPACE).state_dict().items():
        assert torch.equal(tensor, first.state_dict()[name])


@pytest.mark.parametrize("distribution", ["normal", "uniform"])
def test_recomputing_twice_gives_the_same_statistics(distribution: str) -> None:
    generator = small_generator()
    recompute_statistics(generator, LatentSpace(size=6, distribution=distribution))  # type: ignore[arg-type]
    first = copy.deepcopy(generator.state_dict())
    recompute_statistics(generator, LatentSpace(size=6, distribution=distribution))  # type: ignore[arg-type]
    for name, tensor in generator.state_dict().items():
        assert torch.equal(tensor, first[name])
