"""Ordinary commands, parsed without Typer: `gansample --n 64 out.png` starts in two thirds of the time.

Typer 0.29 imports pydantic before it reads a word, 80 to 100 ms of a process that needs 250 for the rest. So what consists of
options and plain values alone is parsed here, and everything else is left to Typer (`gansample.py`), which alone knows help,
completion and what to say about mistakes. A test holds the two to the same meaning.
"""

import os
from collections.abc import Sequence
from pathlib import Path

from gansample.cli.option_table import OPTIONS
from gansample.sampling.options import Option
from gansample.system.numbers import MAX_DIGITS, whole_number

_BY_FLAG = {flag: each for each in OPTIONS for flag in each.flags if each.kind is not float}
_ARGUMENT = next(each for each in OPTIONS if each.argument)
Value = bool | int | str | Path


def parse_fast(words: Sequence[str]) -> dict[str, Value] | None:
    """The options that were given, by their fields' names, or None where Typer has to look."""
    if any(name.endswith("_COMPLETE") for name in os.environ):
        return None
    values: dict[str, Value] = {}
    rest = iter(words)
    for word in rest:
        each = _BY_FLAG.get(word)
        if each is None:
            if (word.startswith("-") and word != "-") or not word or _ARGUMENT.name in values:
                return None
            values[_ARGUMENT.name] = word
        elif each.kind is bool:
            values[each.name] = True
        elif (value := _parsed(each, next(rest, ""))) is None or (each is _ARGUMENT and each.name in values):
            return None
        else:
            values[each.name] = value
    return values


def _parsed(each: Option, text: str) -> Value | None:
    if not text or (text.startswith("-") and not (each.argument and text == "-")):
        return None
    if each.kind is int:
        if len(text) > MAX_DIGITS or (number := whole_number(text)) is None:
            return None
        within = (each.minimum is None or number >= each.minimum) and (each.maximum is None or number <= each.maximum)
        return number if within else None
    return Path(text) if each.kind is Path else text
