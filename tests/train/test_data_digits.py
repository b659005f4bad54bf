"""The embedded digits are all there, split once and for ever, and every epoch shows each training picture once."""

import torch

from tests.support.tiny_training import tiny_data
from train.data.digits import digits
from train.data.shuffle import Shuffle
from train.model.pixels import from_bytes, to_bytes


def test_the_digits_are_split_by_class_and_nothing_is_lost() -> None:
    data = tiny_data()
    assert len(data.images) + len(data.held_out_images) == 1797
    assert data.images.dtype == torch.uint8
    assert data.images.shape[1:] == (1, 8, 8)
    shares = torch.bincount(data.labels) / len(data.labels)
    held_out = torch.bincount(data.held_out_labels) / len(data.held_out_labels)
    assert (shares - held_out).abs().max() < 0.005


def test_the_fingerprint_names_the_data() -> None:
    assert digits(8).fingerprint == tiny_data().fingerprint
    assert digits(16).fingerprint != tiny_data().fingerprint


def test_resizing_keeps_the_range_and_the_orientation() -> None:
    from sklearn.datasets import load_digits

    large, small = digits(32), load_digits().images / 16
    assert large.images.min() == 0
    assert large.images.max() == 255
    both = torch.cat([large.images, large.held_out_images]).float() / 255
    shrunk = torch.nn.functional.avg_pool2d(both, 4)[:, 0]
    distances = torch.cdist(shrunk.flatten(1), torch.from_numpy(small).float().flatten(1))
    assert (distances.min(1).values < 1.5).all(), "every picture is one of scikit-learn's, apply_exif_orientation"


def test_an_epoch_shows_every_picture_once_and_the_next_in_another_order() -> None:
    order = Shuffle(10, seed=0)
    shown = torch.cat([order.take(4) for _ in range(5)]).tolist()
    assert sorted(shown[:10]) == sorted(shown[10:]) == list(range(10))
    assert shown[:10] != shown[10:]


def test_the_order_goes_on_where_its_state_was_saved() -> None:
    order = Shuffle(10, seed=0)
    order.take(7)
    saved = order.state_dict()
    expected = [order.take(4).tolist() for _ in range(6)]
    other = Shuffle(10, seed=99)
    other.load_state_dict(saved)
    assert [other.take(4).tolist() for _ in range(6)] == expected


def test_bytes_survive_the_way_through_both_ranges() -> None:
    levels = torch.arange(256, dtype=torch.uint8).reshape(1, 1, 16, 16)
    for output, low in (("tanh", -1.0), ("sigmoid", 0.0)):
        numbers = from_bytes(levels, output)  # type: ignore[arg-type]
        assert (numbers.min().item(), numbers.max().item()) == (low, 1.0)
        assert torch.equal(to_bytes(numbers, output), levels)  # type: ignore[arg-type]
    assert to_bytes(torch.tensor([-7.0, 7.0]), "tanh").tolist() == [0, 255]
