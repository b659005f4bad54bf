"""Real pictures score as real, and damage that a person would see is seen, with labels and without."""

from dataclasses import replace
from functools import cache

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from gansample.errors import UsageError
from tests.support.tiny_training import tiny_data, tiny_judge
from train.data.dataset import DataSet
from train.data.digits import digits
from train.scores.classifier import train_classifier
from train.scores.evaluator import Judge
from train.scores.second_space import SecondSpace, random_layers


def without_labels(data: DataSet) -> DataSet:
    return replace(data, labels=None, held_out_labels=None, class_names=None)


@cache
def unlabelled_judge() -> Judge:
    return Judge(without_labels(tiny_data()))


def blurred(images: Tensor) -> Tensor:
    return F.avg_pool2d(images.float(), 3, 1, 1).to(torch.uint8)


def some(images: Tensor, judge: Judge) -> Tensor:
    """As many of the pictures as the judge wants, drawn with replacement."""
    stream = torch.Generator().manual_seed(0)
    return images[torch.randint(len(images), (judge.images_wanted,), generator=stream)]


def test_the_judge_sees_what_a_person_would_see() -> None:
    judge, data = tiny_judge(), tiny_data()
    assert data.held_out_labels is not None
    real = judge.floor
    assert (judge.name, real.classes_seen) == ("classifier", 10)
    assert abs(real.kernel) < 3 * real.kernel_sd
    assert judge.images_wanted == judge.images_wanted_final == real.images == 5 * judge.draw
    blur = judge.score(some(blurred(data.held_out_images), judge))
    assert blur.frechet > 3 * real.frechet
    assert blur.kernel > real.kernel + 3 * real.kernel_sd
    assert blur.second_frechet > 3 * real.second_frechet
    assert blur.second_kernel > 3 * abs(real.second_kernel)
    missing = judge.score(some(data.held_out_images[data.held_out_labels != 0], judge))
    assert missing.classes_seen == 9
    assert missing.class_distance > 0.09
    assert missing.coverage < real.coverage
    assert missing.recall < real.recall
    constant = judge.score(data.held_out_images[:1].repeat(judge.images_wanted, 1, 1, 1))
    assert constant.classes_seen == 1
    assert constant.coverage < 0.05


def test_without_labels_the_judge_sees_it_too() -> None:
    judge, data = unlabelled_judge(), tiny_data()
    assert data.held_out_labels is not None
    real = judge.floor
    assert judge.name == "rotation classifier"
    assert judge.accuracy > 0.75, "0.25 would be guessing"
    assert judge.class_names == tuple(f"mode {index}" for index in range(10))
    assert real.classes_seen == 10
    assert real.obedience is None
    blur = judge.score(some(blurred(data.held_out_images), judge))
    assert blur.kernel > real.kernel + 3 * real.kernel_sd
    missing = judge.score(some(data.held_out_images[data.held_out_labels >= 3], judge))
    assert missing.class_distance > real.class_distance + 0.1
    assert missing.coverage < real.coverage - 0.1


def test_copies_of_training_pictures_are_found_out() -> None:
    judge, data = tiny_judge(), tiny_data()
    assert judge.floor.memorisation == pytest.approx(1, abs=0.1)
    copies = some(data.images, judge)
    assert judge.score(copies).memorisation < 0.01
    slightly_changed = (copies.float() * 0.98).to(torch.uint8)
    assert judge.score(slightly_changed).memorisation < 0.5


def test_the_nearest_training_picture_of_a_training_picture_is_itself() -> None:
    judge, data = tiny_judge(), tiny_data()
    found = torch.from_numpy(judge.nearest(data.images[:50]))
    assert torch.equal(data.images[found], data.images[:50])


def test_obedience_is_the_share_that_shows_what_was_asked() -> None:
    judge, data = tiny_judge(), tiny_data()
    assert data.held_out_labels is not None
    images, labels = data.held_out_images[: judge.draw], data.held_out_labels[: judge.draw]
    assert judge.score(images).obedience is None
    obeyed = judge.score(images, labels).obedience
    assert obeyed == pytest.approx(judge.accuracy)
    disobeyed = judge.score(images, (labels + 1) % 10).obedience
    assert disobeyed is not None
    assert disobeyed < 0.1


def test_a_collapsed_generator_has_no_spread() -> None:
    judge, data = tiny_judge(), tiny_data()
    assert judge.spread(data.held_out_images) == pytest.approx(judge.real_spread, rel=0.15)
    assert judge.spread(data.held_out_images[:1].repeat(64, 1, 1, 1)) < 0.01 * judge.real_spread


def test_the_same_data_gives_the_same_classifier() -> None:
    torch.manual_seed(123)
    stream = torch.get_rng_state()
    again = Judge(tiny_data())
    assert again.sha256 == tiny_judge().sha256
    assert again.floor == tiny_judge().floor
    assert torch.equal(torch.get_rng_state(), stream), "training's random stream is left alone"
    assert Judge(without_labels(tiny_data())).floor == unlabelled_judge().floor


def test_the_classifier_does_not_depend_on_how_many_threads_there_are() -> None:
    torch.set_num_threads(2)
    try:
        assert train_classifier(tiny_data()).sha256 == tiny_judge().sha256
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(1)


def test_pictures_in_colour_and_of_other_sizes_are_judged() -> None:
    """Noise has no classes to learn: what is asked here is that every size and a set this small is judged at all."""
    stream = torch.Generator().manual_seed(0)
    noise = torch.randint(256, (96, 3, 20, 20), dtype=torch.uint8, generator=stream)
    data = replace(without_labels(tiny_data()), images=noise[:64], held_out_images=noise[64:])
    judge = Judge(data)
    assert judge.draw == 32
    assert judge.score(noise[:32]).memorisation == 0
    with pytest.raises(UsageError, match="9 pictures are held out to judge by, at least 16 are needed"):
        Judge(replace(data, held_out_images=noise[:9]))


def test_the_second_space_is_the_same_on_every_machine() -> None:
    """Its weights are a frozen stream, so distances in it can be compared for as long as the pictures are the same."""
    features = SecondSpace(tiny_data().images).look(tiny_data().images)
    assert features.mean(0) == pytest.approx(0, abs=1e-6)
    assert features.var(0).mean() == pytest.approx(1)
    sums = [weight.double().sum().item() for weight, _ in random_layers(1)]
    assert sums == pytest.approx([0.9367669672, -0.6217058226, 0.0083752065], abs=1e-6)


def test_the_default_classifier_knows_held_out_digits() -> None:
    assert Judge(digits(32)).accuracy >= 0.97
