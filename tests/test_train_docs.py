"""docs/gan.md explains the code that is there: every line it points at holds what it names."""

import re
from dataclasses import fields

import pytest

from tests.conftest import ROOT
from train.config import Config

PAGE = (ROOT / "docs/gan.md").read_text()
REFERENCES = re.findall(r"\[(?:`([^`]+)`|(\w+))\]\(\.\./(train/\w+\.py)#L(\d+)\)", PAGE)
WORDS = {"refused": "raise UsageError", "recomputed": "def recompute_statistics"}
"""Links whose text is prose, and what their line holds."""


def test_nothing_is_left_out() -> None:
    assert len(REFERENCES) == len(re.findall(r"\.\./train/", PAGE)) > 20


@pytest.mark.parametrize(("symbol", "word", "path", "line"), REFERENCES)
def test_the_line_holds_what_is_named(symbol: str, word: str, path: str, line: str) -> None:
    lines = (ROOT / path).read_text().splitlines()
    wanted = symbol or WORDS[word]
    defined = re.compile(rf"(def|class) {re.escape(wanted)}\b") if wanted.isidentifier() else None
    places = [number for number, text in enumerate(lines, 1) if defined and defined.search(text)]
    places = places or [number for number, text in enumerate(lines, 1) if wanted in text]
    assert int(line) in places, f"{wanted} is at {path}, line {places}"


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
