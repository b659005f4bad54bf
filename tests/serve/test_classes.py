"""A class is asked for by name or number, and a picture is its seed's and its class's, whatever stands beside it."""

import json
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from gansample import open_sampler
from gansample.errors import UsageError
from gansample.outputs.metadata import read_metadata
from gansample.sampling.classes import format_class, labels_for, parse_classes
from tests.support.processes import Command

PETS = ("ant", "Bee", "cat, wild")


@pytest.mark.parametrize(
    ("text", "labels"), [("ant", (0,)), ("bee", (1,)), ("2", (2,)), ("1,ANT", (1, 0)), (" ant , 1 ", (0, 1))]
)
def test_names_and_numbers(text: str, labels: tuple[int, ...]) -> None:
    assert parse_classes(text, PETS) == labels


@pytest.mark.parametrize(
    ("text", "label"),
    [("tshirt", 0), ("T-Shirt/Top", 0), ("t shirt", 0), ("sho", 2), ("shirt", 1), ("ANKLE", 3), ("ankle-boot", 3)],
)
def test_the_beginning_of_a_name_is_enough(text: str, label: int) -> None:
    assert parse_classes(text, ("T-shirt/top", "Shirt", "Shoe", "Ankle boot")) == (label,)


@pytest.mark.parametrize(
    ("text", "words"), [("sh", "may be any of Shirt, Shoe"), ("-", "there is no class"), ("1", "no class")]
)
def test_a_beginning_that_two_names_share_is_refused(text: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        parse_classes(text, ("Shirt",) if text == "1" else ("Shirt", "Shoe", "10 cm"))


@pytest.mark.parametrize("classes", [PETS, ("x", "X", "2", "0"), ("", " a", "b ")])
def test_every_class_has_a_word_that_is_read_as_itself(classes: tuple[str, ...]) -> None:
    for label in range(len(classes)):
        assert parse_classes(format_class(label, classes), classes) == (label,)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("snaker", "there is no class 'snaker': did you mean sneaker"),
        ("3", "there is no class '3': choose sneaker, bag, coat"),
        ("-1", "there is no class '-1'"),
        ("²", "there is no class '²'"),
        ("bag,,", "there is no class ''"),
    ],
)
def test_refuses_what_is_not_there(text: str, reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        parse_classes(text, ("sneaker", "bag", "coat"))


def test_a_name_is_found_however_its_accents_are_encoded() -> None:
    assert parse_classes("E\u0301te\u0301", ("pomme", "\u00e9t\u00e9")) == (1,)
    assert parse_classes("\u00e9t\u00e9", ("pomme", "e\u0301te\u0301")) == (1,)


def test_without_a_wish_the_class_is_the_seeds_own() -> None:
    assert list(labels_for([7, 3, 5], PETS) or ()) == [1, 0, 2]
    assert labels_for([1], None) is None


def test_a_seed_draws_the_same_picture_alone_and_in_company(tiny_classes_bundle: Path) -> None:
    with open_sampler(tiny_classes_bundle) as sampler:
        together = sampler.sample(range(20), batch=7)
        for seed in range(20):
            assert np.array_equal(together[seed], sampler.sample([seed])[0])
            assert np.array_equal(together[seed], sampler.sample([seed], labels=[seed % 3])[0])


def test_a_picture_knows_its_class(gansample: Command, tiny_classes_bundle: Path, tmp_path: Path) -> None:
    assert gansample("--bundle", tiny_classes_bundle, "--n", 4, "--class", "bee", "bees.png").returncode == 0
    metadata = read_metadata(tmp_path / "bees.png")
    assert (metadata["class"], metadata["seeds"]) == ("bee", "0-3")
    info = [sys.executable, "-m", "gansample.cli.gan", "info", "bees.png", "--json"]
    about = json.loads(subprocess.run(info, cwd=tmp_path, capture_output=True, check=True).stdout)
    redraw = [*shlex.split(about["command"])[1:], "--bundle", tiny_classes_bundle]
    assert gansample(*redraw).returncode == 0
    assert (tmp_path / "again.png").read_bytes() == (tmp_path / "bees.png").read_bytes()
    assert gansample("--bundle", tiny_classes_bundle, "--n", 6, "all").returncode == 0
    assert [read_metadata(path)["class"] for path in sorted((tmp_path / "all").glob("*.png"))] == ["ant", "bee", "cat"] * 2


def test_refuses_a_class_that_is_not_there(gansample: Command, tiny_classes_bundle: Path, tiny_bundle: Path) -> None:
    done = gansample("--bundle", tiny_classes_bundle, "--class", "bea", "x.png")
    assert (done.returncode, done.stderr.decode()) == (2, "gansample: there is no class 'bea': did you mean bee?\n")
    done = gansample("--bundle", tiny_bundle, "--class", "bee", "x.png")
    assert done.returncode == 2
    assert done.stderr.decode() == "gansample: --class bee, and tiny has no classes: leave it out, or draw from fashion\n"
