"""Picture = f(model, seed, label): the same bytes for any n, batch size, order and run."""

import io
import pydoc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import gansample
from gansample.errors import ArtefactError, BackendUnavailable, UsageError
from gansample.outputs.grid import GAP, check_grid_size, grid_shape, make_grid
from gansample.outputs.metadata import picture_metadata, read_metadata
from gansample.outputs.png import encode_png
from gansample.sampling.sampler import open_sampler


@pytest.mark.parametrize("batch", [1, 2, 3, 17, 64, 4096])
def test_a_picture_depends_on_its_seed_only(tiny_bundle: Path, batch: int) -> None:
    with open_sampler(tiny_bundle) as sampler, open_sampler(tiny_bundle) as again:
        images = sampler.sample(range(70), batch=batch)
        assert images.shape == (70, 8, 8, 3)
        assert images.dtype == np.uint8
        assert np.array_equal(images, again.sample(range(70)))
        assert all(np.array_equal(images[k], sampler.sample([k])[0]) for k in (0, 1, 33, 69))
        assert np.array_equal(images[::-1], sampler.sample(reversed(range(70)), batch=batch))


def test_goldens_are_drawn_again(tiny_bundle: Path) -> None:
    with np.load(tiny_bundle / "golden.npz") as golden, open_sampler(tiny_bundle) as sampler:
        drawn = sampler.sample(golden["seeds"].tolist())
        assert np.abs(drawn.astype(int) - golden["images"]).max() <= 1


def test_labels_choose_the_class(tiny_classes_bundle: Path) -> None:
    with open_sampler(tiny_classes_bundle) as sampler:
        ant, bee = sampler.sample([5, 5], labels=[0, 1])
        assert not np.array_equal(ant, bee)
        with pytest.raises(UsageError, match=r"label 3 is outside 0\.\.2"):
            sampler.sample([1], labels=[3])
        with pytest.raises(UsageError, match="one label per seed"):
            sampler.sample([1, 2], labels=[0])


def test_classes_by_name(tiny_classes_bundle: Path) -> None:
    with open_sampler(tiny_classes_bundle) as sampler:
        assert np.array_equal(sampler.sample(range(4), classes="bee"), sampler.sample(range(4), labels=[1] * 4))
        assert np.array_equal(sampler.sample(range(4), classes=["cat", 0]), sampler.sample(range(4), labels=[2, 0, 2, 0]))
        with pytest.raises(UsageError, match="give one of them"):
            sampler.sample([1], classes="bee", labels=[1])


def test_what_is_wrong_is_said(tiny_bundle: Path, tiny_classes_bundle: Path) -> None:
    with open_sampler(tiny_classes_bundle) as sampler:
        z = sampler.spec.latents([1, 2])
        for label, words in (
            (None, "draws 3 classes, and no label was given"),
            (np.array([0]), r"label is int64 \(1,\): it must be int64 \(2,\)"),
            (np.array([0.0, 1.0]), "label is float64"),
            (np.array([0, 3]), "label 3 is outside 0..2"),
        ):
            with pytest.raises(UsageError, match=words):
                sampler.draw(z, label)
        number: Any = 4
        with pytest.raises(UsageError, match=r"seeds is 4, one number: give several, like range\(4\)"):
            sampler.sample(number)
        assert repr(sampler) == "<Sampler of pets: onnx-fp32 on onnxruntime-cpu>"
        assert "pets at" in repr(sampler.bundle)
    assert "closed" in repr(sampler)
    with pytest.raises(UsageError, match="the sampler of pets is closed: open another one"):
        sampler.sample([1])
    with open_sampler(tiny_bundle) as sampler, pytest.raises(UsageError, match="has no classes"):
        sampler.draw(z, np.array([0, 0]))


def test_the_package_shows_what_it_has() -> None:
    assert {"open_sampler", "draw", "Sampler"} <= set(dir(gansample))
    assert "open_sampler" in pydoc.render_doc(gansample)


def test_bad_requests_are_refused(tiny_bundle: Path) -> None:
    with open_sampler(tiny_bundle) as sampler:
        assert sampler.sample([]).shape == (0, 8, 8, 3)
        with pytest.raises(UsageError, match="no classes"):
            sampler.sample([0], labels=[0])
        with pytest.raises(UsageError, match="batch is 0"):
            sampler.sample([0], batch=0)
        with pytest.raises(UsageError, match=r"takes \(N, 6\)"):
            sampler.draw(np.zeros((1, 5), np.float32))
        with pytest.raises(UsageError, match="NaN"):
            sampler.draw(np.full((1, 6), np.nan, np.float32))
    with pytest.raises(BackendUnavailable, match="unknown backend 'abacus'"):
        open_sampler(tiny_bundle, backend="abacus")


@given(st.integers(1, 5000))
def test_auto_grid_is_nearly_square_and_has_room(n: int) -> None:
    columns, rows = grid_shape(n)
    assert columns * rows >= n > columns * (rows - 1)
    assert 0 <= columns - rows <= 1


def test_grid_places_pictures_row_by_row_with_gaps() -> None:
    images = np.arange(5, dtype=np.uint8).reshape(5, 1, 1, 1).repeat(3, 1).repeat(4, 2) + 100
    sheet = make_grid(images, 3, 2)
    assert sheet.shape == (2 * (3 + GAP) + GAP, 3 * (4 + GAP) + GAP, 1)
    for i in range(5):
        top, left = GAP + i // 3 * (3 + GAP), GAP + i % 3 * (4 + GAP)
        assert (sheet[top : top + 3, left : left + 4] == 100 + i).all()
        assert (sheet[top - 1, left : left + 4] < 100).all()


@pytest.mark.parametrize(
    ("n", "layout", "words"),
    [(5, "2x2", "holds 4 pictures, not 5: use 2x3"), (1, "2", "cannot read"), (1, "0x4", "cannot read"), (1, "axb", "cannot")],
)
def test_unusable_grids_are_refused(n: int, layout: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        grid_shape(n, layout)


def test_a_grid_too_large_to_open_is_refused() -> None:
    check_grid_size("png", 100, 100, (64, 64, 3))
    with pytest.raises(UsageError, match=r"a folder or a \.tar"):
        check_grid_size("png", 1000, 1000, (64, 64, 3))


@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (2, "LA"), (3, "RGB"), (4, "RGBA")])
def test_png_keeps_pixels_and_metadata(channels: int, mode: str) -> None:
    image = np.random.RandomState(0).randint(0, 256, (7, 5, channels), np.uint8)
    data = encode_png(image, {"seeds": "0-3", "class": "größe"})
    opened = Image.open(io.BytesIO(data))
    assert opened.mode == mode
    assert np.array_equal(np.array(opened).reshape(image.shape), image)
    assert read_metadata(data) == {"seeds": "0-3", "class": "größe"}


def test_metadata_names_everything_that_redraws_the_picture(tiny_bundle: Path) -> None:
    with open_sampler(tiny_bundle) as sampler:
        metadata = picture_metadata(sampler.bundle, sampler.engine, {"seeds": "3-4", "truncation": None})
        assert metadata["seeds"] == "3-4"
        assert metadata["model_sha256"] == sampler.bundle.sha256
        assert "truncation" not in metadata


def test_pictures_without_metadata_say_so(tmp_path: Path) -> None:
    plain = tmp_path / "plain.png"
    Image.new("L", (2, 2)).save(plain)
    for path, words in [
        (plain, "no metadata of gansample"),
        (tmp_path / "none.png", "missing"),
        (Path(__file__), "no readable"),
    ]:
        with pytest.raises(ArtefactError, match=words):
            read_metadata(path)
