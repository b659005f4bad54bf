"""Files are read and written as UTF-8, never in the encoding of the locale, which is cp1252 on a Western Windows."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.repository import ROOT

TEXT_METHODS = {"read_text": 0, "write_text": 1}  # name -> arguments before `encoding`
NO_TEXT = {"Image", "av", "os", "tarfile", "zipfile"}  # modules whose `open` has other arguments


def calls_without_encoding(source: bytes) -> Iterator[ast.Call]:
    """Calls that open text and do not say in which encoding."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and _opens_text(node) and "encoding" not in {word.arg for word in node.keywords}:
            yield node


def _opens_text(call: ast.Call) -> bool:
    if isinstance(call.func, ast.Name):
        name, owner, before_mode = call.func.id, "", 1
    elif isinstance(call.func, ast.Attribute):
        name, owner, before_mode = call.func.attr, ast.unparse(call.func.value), 0
    else:
        return False
    if name in TEXT_METHODS:
        return len(call.args) <= TEXT_METHODS[name]
    if name not in ("open", "fdopen") or owner in NO_TEXT - ({"os"} if name == "fdopen" else set()):
        return False
    given = {word.arg: word.value for word in call.keywords}
    before_mode = 1 if name == "fdopen" else before_mode
    mode = call.args[before_mode] if len(call.args) > before_mode else given.get("mode")
    if mode is None:
        return before_mode == 1  # a built-in `open`; `x.open()` may be anything
    return isinstance(mode, ast.Constant) and isinstance(mode.value, str) and set(mode.value) <= set("rwaxt+")


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("path.read_text()", 1),
        ("path.write_text('é')", 1),
        ("path.write_text('é', 'utf-8')", 0),
        ("path.open('a', newline='')", 1),
        ("open(path)", 1),
        ("open(path, 'rb')", 0),
        ("open(path, encoding='utf-8')", 0),
        ("os.fdopen(1, 'w')", 1),
        ("os.open(path, flags)", 0),
        ("self.target.open()", 0),
    ],
)
def test_a_forgotten_encoding_is_found(source: str, found: int) -> None:
    assert len(list(calls_without_encoding(source.encode()))) == found


@pytest.mark.parametrize("folder", ["serve", "export", "train", "demo", "benchmarks"])
def test_every_text_file_has_its_encoding(folder: str) -> None:
    files = sorted((ROOT / folder).rglob("*.py"))
    places = [f"{path.relative_to(ROOT)}:{call.lineno}" for path in files for call in _calls(path)]
    assert places == []


def _calls(path: Path) -> Iterator[ast.Call]:
    return calls_without_encoding(path.read_bytes())
