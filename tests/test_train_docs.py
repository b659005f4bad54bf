"""docs/gan.md explains the code that is there: every line it points at holds what it names."""

import re
from dataclasses import fields

import pytest

from tests import renumber_docs
from train.config import Config

PAGE = renumber_docs.PAGE.read_text()
REFERENCES = renumber_docs.LINK.findall(PAGE)


def test_nothing_is_left_out() -> None:
    assert len(REFERENCES) == len(re.findall(r"\.\./train/", PAGE)) > 20


@pytest.mark.parametrize(("symbol", "word", "path", "line"), REFERENCES)
def test_the_line_holds_what_is_named(symbol: str, word: str, path: str, line: str) -> None:
    wanted = symbol or renumber_docs.WORDS[word]
    assert int(line) in renumber_docs.places(wanted, path), "mend it with: python -m tests.renumber_docs"


@pytest.mark.parametrize(
    "tip", ["tanh", "normal distribution", "dropout", "noise to D's labels", "Stride", "LeakyReLU", "divisible"]
)
def test_every_tip_has_its_paragraph_with_evidence(tip: str) -> None:
    paragraphs = [
        part for part in PAGE.split("\n\n") if part.startswith("**") and tip in part.split("**")[1] + part.split(":")[0]
    ]
    assert paragraphs
    assert any("*For:*" in part and ("*Against:*" in part or "*Neutral:*" in part) for part in paragraphs)


def test_settings_named_in_the_page_exist() -> None:
    known = {field.name for field in fields(Config)}
    assert set(re.findall(r"--set (\w+)=", PAGE)) <= known
