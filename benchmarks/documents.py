"""What was measured, as JSON files, and the pages whose tables are rendered from them."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from gansample.system.atomic import write_atomic

RESULTS = Path(__file__).parent / "results"

Document = Mapping[str, Any]
Table = Callable[[Document], str]


def load(name: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((RESULTS / name).read_text(encoding="utf-8"))
    return document


def save(name: str, document: Document) -> None:
    RESULTS.mkdir(exist_ok=True)
    write_atomic(RESULTS / name, (json.dumps(document, indent=1) + "\n").encode())


def replaced(page: str, name: str, content: str) -> str:
    """`page` with `content` between the markers of that name. Raises ValueError where one is missing."""
    begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
    before, found_begin, rest = page.partition(begin)
    _, found_end, after = rest.partition(end)
    if not found_begin or not found_end:
        raise ValueError(f"the page has no {begin} … {end}")
    return f"{before}{begin}\n{content}\n{end}{after}"
