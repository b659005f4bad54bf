"""Which pictures: walks, variations, sums, own latents; any part of a selection is what the whole has there."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gansample.errors import ArtefactError, UsageError
from gansample.latents import SEED_END, LatentSpace
from gansample.sampling.options import SelectionOptions
from gansample.sampling.selection import Around, LatentsFile, Mix, Seeds, Selection, Walk

NORMAL, UNIFORM = LatentSpace(16), LatentSpace(16, "uniform")
seeds = st.integers(0, SEED_END - 1)
spaces = st.sampled_from([NORMAL, UNIFORM, LatentSpace(16, truncation=0.7)])


@st.composite
def selections(draw: st.DrawFn) -> Selection:
    """Any selection, as somebody might write it."""
    space, some = draw(spaces), draw(st.lists(seeds, min_size=2, max_size=4))
    text = ",".join(map(str, some))
    sums = ",".join("".join(f"{draw(st.sampled_from('+-'))}{seed}" for seed in some) for _ in range(draw(st.integers(1, 3))))
    wishes = [
        SelectionOptions(n=draw(st.integers(1, 9)), seed=draw(st.integers(0, SEED_END - 9))),
        SelectionOptions(seeds=text),
        SelectionOptions(walk=text, frames=draw(st.integers(1, 5)), loop=draw(st.booleans())),
        SelectionOptions(around=some[0], radius=draw(st.floats(0.01, 1)), n=draw(st.integers(1, 9))),
        SelectionOptions(mix=sums.lstrip("+")),
    ]
    return draw(st.sampled_from(wishes)).selection(space)


@given(selections(), st.data())
def test_any_part_is_what_the_whole_has_there(selection: Selection, data: st.DataObject) -> None:
    whole = selection.latents(range(len(selection)))
    assert whole.shape == (len(selection), 16)
    assert whole.dtype == np.float32
    assert np.isfinite(whole).all()
    part = data.draw(st.lists(st.integers(0, len(selection) - 1), max_size=5))
    assert np.array_equal(selection.latents(part), whole[part])
    assert len(selection.seeds(part)) == len(part)


@given(selections())
def test_the_options_select_the_same_again(selection: Selection) -> None:
    again = SelectionOptions(**{k: v for k, v in selection.options().items() if v is not None}).selection(selection.space)  # type: ignore[attr-defined]
    positions = range(len(selection))
    assert np.array_equal(again.latents(positions), selection.latents(positions))


@given(selections())
def test_names_are_files(selection: Selection) -> None:
    for position in range(len(selection)):
        assert set(selection.name(position)) <= set("abcdefghijklmnopqrstuvwxyz0123456789+-")
        assert len(selection.name(position)) < 90, "it must fit into a tar header"


def test_a_walk_meets_its_seeds_and_keeps_to_the_shell() -> None:
    space = LatentSpace(256)
    walk = Walk.parse("1,7,42", 10, loop=False, space=space)
    z = walk.latents(range(len(walk)))
    assert len(walk) == 21
    assert np.array_equal(z[[0, 10, 20]], space.from_seeds([1, 7, 42]))
    norms = np.linalg.norm(z, axis=1)
    assert norms.min() > 0.9 * norms[[0, 10, 20]].min()
    steps = np.linalg.norm(np.diff(z, axis=0), axis=1)
    assert steps.max() < 1.5 * steps.min(), "no jump on the way"


def test_a_loop_ends_one_step_before_its_start() -> None:
    walk = Walk.parse("1,7", 5, loop=True, space=NORMAL)
    z = walk.latents(range(len(walk)))
    assert len(walk) == 10
    assert np.allclose(z[[6, 7, 8, 9]], z[[4, 3, 2, 1]], atol=1e-5)


def test_variations_are_as_likely_as_any_picture() -> None:
    space = LatentSpace(64)
    around = Around(centre=7, radius=0.5, first=0, n=2000, space=space)
    z, centre = around.latents(range(2000)), space.from_seeds([7])[0]
    offsets = (z - np.sqrt(0.75) * centre) / 0.5
    assert abs(offsets.mean()) < 0.02
    assert abs(offsets.std() - 1) < 0.02
    further = Around(centre=7, radius=0.9, first=0, n=20, space=space).latents(range(20))
    assert np.linalg.norm(further - centre, axis=1).mean() > np.linalg.norm(z[:20] - centre, axis=1).mean()


def test_a_long_sum_still_fits_into_a_tar() -> None:
    assert Mix.parse("+".join(map(str, range(400, 440))), NORMAL).name(0) == "mix0000000"


def test_zero_is_a_seed_like_any_other() -> None:
    assert np.array_equal(SelectionOptions(around=0, radius=1e-9, n=1).selection(NORMAL).latents([0]), NORMAL.from_seeds([0]))


def test_more_variations_begin_with_the_same_ones() -> None:
    few, later = (SelectionOptions(around=7, n=n, seed=s).selection(NORMAL) for n, s in ((8, 0), (4, 4)))
    assert np.array_equal(few.latents(range(4, 8)), later.latents(range(4)))


def test_a_sum_is_brought_back_to_the_shell() -> None:
    (z,) = Mix.parse("3+9-4", NORMAL).latents([0])
    assert np.isclose(np.linalg.norm(z), 4)
    a, b, c = NORMAL.from_seeds([3, 9, 4])
    assert np.allclose(z, (a + b - c) * 4 / np.linalg.norm(a + b - c), atol=1e-6)
    assert np.abs(Mix.parse("3+9+4", UNIFORM).latents([0])).max() <= 1


def test_ten_million_seeds_weigh_nothing() -> None:
    many = SelectionOptions(n=1_000_000_000, seed=5).selection(NORMAL)
    assert isinstance(many, Seeds)
    assert many.name(999_999_999) == "seed1000000004"
    assert many.repeated() is None
    assert Seeds([range(5, 9), range(0, 6)], NORMAL).repeated() == 5


def test_own_latents_are_read_where_they_lie(tmp_path: Path) -> None:
    z = np.random.RandomState(0).standard_normal((9, 16))
    np.save(tmp_path / "z.npy", z)
    mine = LatentsFile(tmp_path / "z.npy", NORMAL)
    assert np.array_equal(mine.latents([8, 0]), z[[8, 0]].astype(np.float32))
    assert mine.options() == {"latents": str(tmp_path / "z.npy")}


def test_latents_may_keep_the_axes_of_a_convolution(tmp_path: Path) -> None:
    rows = np.random.RandomState(0).standard_normal((5, 16)).astype(np.float32)
    for name, z in (("rows", rows), ("maps", rows[..., None, None])):
        np.save(tmp_path / f"{name}.npy", z)
        read = LatentsFile(tmp_path / f"{name}.npy", NORMAL)
        assert len(read) == 5
        assert np.array_equal(read.latents(range(5)), rows)


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.zeros((3, 15)), r"has shape \(3, 15\): this generator takes \(N, 16\)"),
        (np.zeros(16), "has shape"),
        (np.zeros((0, 16)), "has shape"),
        (np.zeros((2, 16), np.int64), "holds int64"),
        (np.array([[np.nan] * 16]), "holds NaN"),
        (np.array([[np.inf] * 16]), "holds NaN or infinity"),
        (np.array([{"a": 1}]), "is no .npy file of numbers"),
    ],
)
def test_latents_that_do_not_fit_are_refused(array: np.ndarray, words: str, tmp_path: Path) -> None:
    np.save(tmp_path / "z.npy", array, allow_pickle=True)
    with pytest.raises((UsageError, ArtefactError), match=words):
        LatentsFile(tmp_path / "z.npy", NORMAL)


@pytest.mark.parametrize("content", [b"", b"no numbers", b"\x93NUMPY\x01\x00\xff\xff"])
def test_a_file_that_holds_no_latents_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "z.npy").write_bytes(content)
    with pytest.raises(ArtefactError, match=r"is no \.npy file"):
        LatentsFile(tmp_path / "z.npy", NORMAL)
    with pytest.raises(ArtefactError, match="is missing"):
        LatentsFile(tmp_path / "absent.npy", NORMAL)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"walk": "1,2", "seeds": "3"}, "both say which pictures"),
        ({"walk": "1,2", "n": 3}, "--walk names every picture already"),
        ({"frames": 3}, "--frames belongs to --walk"),
        ({"loop": True, "seeds": "1"}, "--loop belongs to --walk"),
        ({"radius": 0.2}, "--radius belongs to --around"),
        ({"walk": "1"}, "names one seed"),
        ({"walk": "0-4294967295"}, "names 4,294,967,296 seeds"),
        ({"walk": "1,x"}, "cannot read 'x' in --walk"),
        ({"around": 1, "radius": 0.0}, "--radius is 0"),
        ({"around": 1, "radius": 1.5}, "--radius is 1.5"),
        ({"around": 1, "radius": float("nan")}, "--radius is nan"),
        ({"around": SEED_END}, "outside"),
        ({"mix": "3++9"}, "cannot read"),
        ({"mix": ""}, "cannot read"),
        ({"mix": "3+4294967296"}, "outside"),
        ({"n": 0}, "--n is 0"),
        ({"n": 2_000_000_000}, "split them over several runs"),
    ],
)
def test_wishes_that_make_no_sense_are_refused(options: dict[str, object], words: str) -> None:
    with pytest.raises(UsageError, match=words.replace("+", r"\+")):
        SelectionOptions(**options).selection(NORMAL)  # type: ignore[arg-type]
