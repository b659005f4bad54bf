"""Odd values, and valid documents and files with some of them in their places."""

import copy
from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st

NUMBERS = [0, -1, 1, 3, 2**31, 2**63, 2**64, 10**400, 0.5, -0.0, 1e308, float("nan"), float("inf")]
TEXTS = [
    "",
    "\0",
    "\x1b]0;t\x07",
    "a\nb",
    "\ud800",
    "\u202e",
    "x" * 5000,
    "../../etc/passwd",
    "/dev/zero",
    "1",
    "PASS",
    "normal",
]
values = st.one_of(
    st.sampled_from([None, True, False, *NUMBERS, *TEXTS, [], {}, [[]], [None], {"": None}, ["a"] * 300]),
    st.text(max_size=8),
    st.integers(),
    st.floats(),
)
Path = tuple[str | int, ...]


def paths(document: Any, at: Path = ()) -> list[Path]:
    """The place of every value in a JSON document."""
    items = document.items() if isinstance(document, Mapping) else enumerate(document) if isinstance(document, list) else ()
    return [place for key, value in items for place in ((*at, key), *paths(value, (*at, key)))]


@st.composite
def changed(draw: st.DrawFn, document: Any) -> Any:
    """`document` with up to three of its values replaced by odd ones, deleted, or repeated."""
    document = copy.deepcopy(document)
    for _ in range(draw(st.integers(1, 3))):
        places = paths(document)
        if not places:
            break
        *way, last = draw(st.sampled_from(places))
        owner = document
        for key in way:
            owner = owner[key]
        match draw(st.sampled_from(["replace", "delete", "repeat", "rename", "nest"])):
            case "replace":
                owner[last] = draw(values)
            case "delete":
                del owner[last]
            case "repeat" if isinstance(owner, list):
                owner += owner[last : last + 1] * 3
            case "rename" if isinstance(owner, dict):
                owner[draw(st.sampled_from(TEXTS))] = owner.pop(last)
            case _:
                owner[last] = [owner[last]]
    return document


@st.composite
def damaged(draw: st.DrawFn, data: bytes) -> bytes:
    """`data` with up to four bytes flipped, cut, repeated or overwritten."""
    changed = bytearray(data)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(0, len(changed) - 1)))
        match draw(st.sampled_from(["flip", "cut", "repeat", "write"])):
            case "flip" if changed:
                changed[at] ^= 1 << draw(st.integers(0, 7))
            case "cut":
                del changed[at : at + draw(st.integers(1, 64))]
            case "repeat":
                changed[at:at] = changed[at : at + draw(st.integers(1, 64))]
            case _:
                changed[at : at + 8] = draw(st.binary(min_size=8, max_size=8))
    return bytes(changed)
