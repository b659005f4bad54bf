"""Real pictures score as real, and damage that a person would see is seen, with labels and without."""

from dataclasses import replace
from functools import cache

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from gansample.errors import UsageError
from tests.support.tiny_training import tiny_data, tiny_evaluator
from train.data.dataset import DataSet
from train.data.digits import digits
from train.scores.classifier import train_classifier
from train.scores.evaluator import Evaluator
from train.scores.random_features import RandomFeatures, random_layers


def without_labels(data: DataSet) -> DataSet:
    return replace(data, labels=None, held_out_labels=None, class_names=None)


@cache
def unlabelled_evaluator() -> Evaluator:
    return Evaluator(without_labels(tiny_data()))


def blurred(images: Tensor) -> Tensor:
    return F.avg_pool2d(images.float(), 3, 1, 1).to(torch.uint8)


def some(images: Tensor, evaluator: Evaluator) -> Tensor:
    """As many of the pictures as the evaluator wants, drawn with replacement."""
    stream = torch.Generator().manual_seed(0)
    return images[torch.randint(len(images), (evaluator.images_wanted,), generator=stream)]


def test_the_judge_sees_what_a_person_would_see() -> None:
    evaluator, data = tiny_evaluator(), tiny_data()
    assert data.held_out_labels is not None
    real = evaluator.floor
    assert (evaluator.name, real.classes_seen) == ("classifier", 10)
    assert abs(real.kernel) < 3 * real.kernel_sd
    assert evaluator.images_wanted == evaluator.images_wanted_final == real.images == 5 * evaluator.sample_size
    blur = evaluator.score(some(blurred(data.held_out_images), evaluator))
    assert blur.frechet > 3 * real.frechet
    assert blur.kernel > real.kernel + 3 * real.kernel_sd
    assert blur.second_frechet > 3 * real.second_frechet
    assert blur.second_kernel > 3 * abs(real.second_kernel)
    missing = evaluator.score(some(data.held_out_images[data.held_out_labels != 0], evaluator))
    assert missing.classes_seen == 9
    assert missing.class_distance > 0.09
    assert missing.coverage < real.coverage
    assert missing.recall < real.recall
    constant = evaluator.score(data.held_out_images[:1].repeat(evaluator.images_wanted, 1, 1, 1))
    assert constant.classes_seen == 1
    assert constant.coverage < 0.05


def test_without_labels_the_judge_sees_it_too() -> None:
    evaluator, data = unlabelled_evaluator(), tiny_data()
    assert data.held_out_labels is not None
    real = evaluator.floor
    assert evaluator.name == "rotation classifier"
    assert evaluator.accuracy > 0.75, "0.25 would be guessing"
    assert evaluator.class_names == tuple(f"mode {index}" for index in range(10))
    assert real.classes_seen == 10
    assert real.obedience is None
    blur = evaluator.score(some(blurred(data.held_out_images), evaluator))
    assert blur.kernel > real.kernel + 3 * real.kernel_sd
    missing = evaluator.score(some(data.held_out_images[data.held_out_labels >= 3], evaluator))
    assert missing.class_distance > real.class_distance + 0.1
    assert missing.coverage < real.coverage - 0.1


def test_copies_of_training_pictures_are_found_out() -> None:
    evaluator, data = tiny_evaluator(), tiny_data()
    assert evaluator.floor.memorisation == pytest.approx(1, abs=0.1)
    copies = some(data.images, evaluator)
    assert evaluator.score(copies).memorisation < 0.01
    slightly_changed = (copies.float() * 0.98).to(torch.uint8)
    assert evaluator.score(slightly_changed).memorisation < 0.5


def test_the_nearest_training_picture_of_a_training_picture_is_itself() -> None:
    evaluator, data = tiny_evaluator(), tiny_data()
    found = torch.from_numpy(evaluator.nearest(data.images[:50]))
    assert torch.equal(data.images[found], data.images[:50])


def test_obedience_is_the_share_that_shows_what_was_asked() -> None:
    evaluator, data = tiny_evaluator(), tiny_data()
    assert data.held_out_labels is not None
    images, labels = data.held_out_images[: evaluator.sample_size], data.held_out_labels[: evaluator.sample_size]
    assert evaluator.score(images).obedience is None
    obeyed = evaluator.score(images, labels).obedience
    assert obeyed == pytest.approx(evaluator.accuracy)
    disobeyed = evaluator.score(images, (labels + 1) % 10).obedience
    assert disobeyed is not None
    assert disobeyed < 0.1


def test_a_collapsed_generator_has_no_spread() -> None:
    evaluator, data = tiny_evaluator(), tiny_data()
    assert evaluator.spread(data.held_out_images) == pytest.approx(evaluator.real_spread, rel=0.15)
    assert evaluator.spread(data.held_out_images[:1].repeat(64, 1, 1, 1)) < 0.01 * evaluator.real_spread


def test_the_same_data_gives_the_same_classifier() -> None:
    torch.manual_seed(123)
    stream = torch.get_rng_state()
    again = Evaluator(tiny_data())
    assert again.sha256 == tiny_evaluator().sha256
    assert again.floor == tiny_evaluator().floor
    assert torch.equal(torch.get_rng_state(), stream), "training's random stream is left alone"
    assert Evaluator(without_labels(tiny_data())).floor == unlabelled_evaluator().floor


def test_the_classifier_does_not_depend_on_how_many_threads_there_are() -> None:
    torch.set_num_threads(2)
    try:
        assert train_classifier(tiny_data()).sha256 == tiny_evaluator().sha256
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(1)


def test_pictures_in_colour_and_of_other_sizes_are_judged() -> None:
    """Noise has no classes to learn: what is asked here is that every size and a set this small is judged at all."""
    stream = torch.Generator().manual_seed(0)
    noise = torch.randint(256, (96, 3, 20, 20), dtype=torch.uint8, generator=stream)
    data = replace(without_labels(tiny_data()), images=noise[:64], held_out_images=noise[64:])
    evaluator = Evaluator(data)
    assert evaluator.sample_size == 32
    assert evaluator.score(noise[:32]).memorisation == 0
    assert Evaluator(replace(data, images=noise[:5], held_out_images=noise[5:10])).sample_size == 5, "the fewest"
    with pytest.raises(UsageError, match="4 pictures are held out for scoring, at least 5 are needed"):
        Evaluator(replace(data, held_out_images=noise[:4]))


def test_the_second_space_is_the_same_on_every_machine() -> None:
    """Its weights are a frozen stream, so distances in it can be compared for as long as the pictures are the same."""
    features = RandomFeatures(tiny_data().images).features(tiny_data().images)
    assert features.mean(0) == pytest.approx(0, abs=1e-6)
    assert features.var(0).mean() == pytest.approx(1)
    sums = [weight.double().sum().item() for weight, _ in random_layers(1)]
    assert sums == pytest.approx([0.9367669672, -0.6217058226, 0.0083752065], abs=1e-6)


def test_the_default_classifier_knows_held_out_digits() -> None:
    assert Evaluator(digits(32)).accuracy >= 0.97
