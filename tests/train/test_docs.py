"""docs/gan.md explains the code that is there: every file it points at holds what it names."""

import re
from dataclasses import fields

import pytest

from tests.support.repository import ROOT
from train.config import Config

PAGE = (ROOT / "docs/gan.md").read_text()
LINK = re.compile(r'\[(?:`([^`]+)`|\w+)\]\(\.\./(train/[\w/]+\.py)(?: "([^"]+)")?\)')
REFERENCES = [(symbol or title, path) for symbol, path, title in LINK.findall(PAGE)]


def test_nothing_is_left_out() -> None:
    assert len(REFERENCES) == len(re.findall(r"\.\./train/", PAGE)) > 20


@pytest.mark.parametrize(("symbol", "path"), REFERENCES)
def test_the_file_holds_what_is_named(symbol: str, path: str) -> None:
    assert re.search(rf"(?<!\w){re.escape(symbol)}(?!\w)", (ROOT / path).read_text()), f"{path} does not hold {symbol}"


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
