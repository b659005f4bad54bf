"""NumPy archives, under the names that people give their arrays, and nothing that could execute."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from gansample.errors import ArtefactError, UsageError
from train.data import npz_file
from train.data.load import load_data
from train.data.request import DataRequest

GREY = np.random.RandomState(0).randint(0, 256, (40, 8, 8), np.uint8)
COLOUR = np.random.RandomState(1).randint(0, 256, (40, 8, 8, 3), np.uint8)
CLASSES = np.arange(40) % 4


def load(path: Path, arrays: dict[str, Any], **fields: Any):  # type: ignore[no-untyped-def]
    np.savez_compressed(path / "set.npz", **arrays)
    return load_data(DataRequest(source=str(path / "set.npz"), image_size=8, cache=path / "cache", **fields))


@pytest.mark.parametrize(
    ("arrays", "shape", "class_names"),
    [
        ({"images": GREY}, (20, 1, 8, 8), None),
        ({"images": GREY[..., None], "labels": CLASSES}, (20, 1, 8, 8), ("0", "1", "2", "3")),
        ({"x": COLOUR, "y": CLASSES[:, None] * 10}, (20, 3, 8, 8), ("0", "10", "20", "30")),
        ({"images": COLOUR.transpose(0, 3, 1, 2)}, (20, 3, 8, 8), None),
        ({"arr_0": COLOUR, "arr_1": np.array(["b", "a"])[CLASSES % 2]}, (20, 3, 8, 8), ("a", "b")),
        (
            {"x_train": GREY[:30], "y_train": CLASSES[:30], "x_test": GREY[30:], "y_test": CLASSES[30:]},
            (30, 1, 8, 8),
            ("0", "1", "2", "3"),
        ),
        ({"train_images": COLOUR, "test_images": COLOUR[:11], "val_images": COLOUR}, (40, 3, 8, 8), None),
    ],
)
def test_arrays_are_found_by_their_names(
    arrays: dict[str, Any], shape: tuple[int, ...], class_names: Any, tmp_path: Path
) -> None:
    data = load(tmp_path, arrays)
    assert data.name == "set"
    assert data.images.shape == shape
    assert data.class_names == class_names


def test_pixels_and_labels_stay_together(tmp_path: Path) -> None:
    data = load(tmp_path, {"images": COLOUR, "labels": CLASSES}, conditional=True)
    images = torch.cat([data.images, data.held_out_images])
    labels = torch.cat([data.labels, data.held_out_labels])
    originals = {picture.transpose(2, 0, 1).tobytes(): label for picture, label in zip(COLOUR, CLASSES, strict=True)}
    assert len(images) == 40
    assert all(originals[image.numpy().tobytes()] == label for image, label in zip(images, labels, strict=True))


@pytest.mark.parametrize(
    ("arrays", "reason"),
    [
        ({"faces": GREY}, "set.npz holds faces: call the pictures 'images' and their labels 'labels'"),
        ({"images": GREY / 255}, "images in .* is float64: save pictures as uint8, 0 is black and 255 is white"),
        ({"images": GREY[:, :, :, None].repeat(4, 3)}, r"has the shape \(40, 8, 8, 4\): save grey"),
        ({"images": GREY[0]}, r"has the shape \(8, 8\)"),
        ({"images": GREY[:0]}, "the source holds no pictures"),
        ({"images": np.array([GREY, None], object)}, "cannot read images from .*allow_pickle=False.*: save plain arrays"),
        ({"images": GREY, "labels": CLASSES[:5]}, r"labels in .* is int64 \(5,\): save 40 whole numbers or texts"),
        ({"images": GREY, "labels": CLASSES / 2}, r"labels in .* is float64"),
        ({"images": GREY, "test_images": COLOUR}, "images and test_images differ in size or labels"),
        ({"images": GREY, "labels": CLASSES, "test_images": GREY}, "differ in size or labels"),
    ],
)
def test_refuses_what_is_no_set_of_pictures(arrays: dict[str, Any], reason: str, tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match=reason) as caught:
        load(tmp_path, arrays)
    assert "\n" not in str(caught.value)


def test_refuses_a_damaged_archive_a_bomb_and_a_labels_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="has labels of its own"):
        load(tmp_path, {"images": GREY}, labels_file=tmp_path / "labels.csv")
    whole = (tmp_path / "set.npz").read_bytes()
    for damaged, reason in ((whole[:500], "is no NumPy archive"), (whole[:90] + b"\0" * 9 + whole[99:], "cannot read images")):
        (tmp_path / "set.npz").write_bytes(damaged)
        with pytest.raises(ArtefactError, match=reason):
            load_data(DataRequest(source=str(tmp_path / "set.npz"), image_size=8, cache=tmp_path / "cache"))
    monkeypatch.setattr(npz_file, "MAX_BYTES", 1000)
    with pytest.raises(ArtefactError, match="unpacks to 2,688 bytes"):
        load(tmp_path, {"images": GREY})


def test_pictures_far_smaller_than_asked_for_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "set.npz", images=GREY)
    with pytest.raises(ArtefactError, match="the pictures are tiny, 8×8 pixels: ask for fewer than 128 pixels"):
        load_data(DataRequest(source=str(tmp_path / "set.npz"), image_size=128, cache=tmp_path / "cache"))
