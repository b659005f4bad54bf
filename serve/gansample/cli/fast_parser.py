"""The plainest commands, understood without Typer: `gansample --n 64 out.png` starts in two thirds of the time.

Typer 0.29 imports pydantic before it reads a word, 80 to 100 ms of a process that needs 250 for the rest. So the options that
nearly every command consists of are read here, and whatever is not exactly that goes to Typer (`cli.py`), which alone knows
help, completion and what to say about mistakes. A test holds the two to the same meaning.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

_FLAGS = {
    "--force": "force", "-f": "force", "--quiet": "quiet", "-q": "quiet", "--json": "as_json", "--resume": "resume",
    "--loop": "loop", "--no-metadata": "no_metadata",
}  # fmt: skip
_VALUES: Mapping[str, tuple[str, Callable[[str], Any]]] = {
    "--n": ("n", int), "-n": ("n", int), "--seed": ("seed", int), "--seeds": ("seeds", str), "--class": ("of_class", str),
    "--bundle": ("bundle", Path), "--grid": ("grid", str), "--precision": ("precision", str), "--backend": ("backend", str),
    "--walk": ("walk", str), "--around": ("around", int), "--format": ("format_", str),
}  # fmt: skip


def plain(words: Sequence[str]) -> dict[str, Any] | None:
    """The keyword arguments for `drawing.draw`, or None where Typer has to look."""
    if any(name.endswith("_COMPLETE") for name in os.environ):
        return None
    options: dict[str, Any] = {}
    rest = iter(words)
    for word in rest:
        if word in _FLAGS:
            options[_FLAGS[word]] = True
        elif word in _VALUES:
            name, kind = _VALUES[word]
            value = next(rest, "-")
            if value.startswith("-") or not value or (kind is int and not (value.isascii() and value.isdigit())):
                return None
            options[name] = kind(value)
        elif (word == "-" or not word.startswith("-")) and word and "out" not in options:
            options["out"] = Path(word)
        else:
            return None
    return options
