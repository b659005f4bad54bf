"""The parts of a manifest that are shown and not needed to draw: receipts of parity and speed, and what was left out.

A sealed manifest may still hold anything: whoever wrote it can seal it. So every reader of these gets the types it counts on.
"""

from collections.abc import Mapping
from typing import Any

from gansample.errors import ArtefactError
from gansample.system.streams import printable

VERDICTS = ("PASS", "FAIL", "NOT RUN")
_ROW = {"images": False, "max_step": False, "psnr_db": True}  # figure -> whether it may be null, for infinity


def check_parity(parity: Mapping[str, Any], source: str) -> None:
    """Raises ArtefactError unless the verdict is one and every row holds figures."""
    if parity.get("verdict", "NOT RUN") not in VERDICTS:
        raise _wrong(source, "verdict", parity["verdict"], f"one of {', '.join(VERDICTS)}")
    for name in ("reference", "effort"):
        if not isinstance(parity.get(name, ""), str):
            raise _wrong(source, name, parity[name], "a text")
    rows = parity.get("rows", [])
    if not isinstance(rows, list):
        raise _wrong(source, "rows", rows, "a list")
    for row in rows:
        if not isinstance(row, dict):
            raise _wrong(source, "rows", row, "a list of figures")
        for name, may_be_null in _ROW.items():
            if not (_is_number(row.get(name)) or (may_be_null and name in row and row[name] is None)):
                raise _wrong(source, f"rows: {name}", row.get(name), "a number")


def check_speed(speed: Mapping[str, Any], source: str) -> None:
    """Raises ArtefactError unless pictures per second, where there are any, are numbers by batch size."""
    rates = speed.get("images_per_second", {})
    if not isinstance(rates, dict) or not all(map(_is_number, rates.values())):
        raise _wrong(source, "speed: images_per_second", rates, "numbers by batch size")


def check_left_out(entries: Any, source: str) -> None:
    """Raises ArtefactError unless each entry has a name, a verdict and reasons."""
    for entry in entries if isinstance(entries, list) else [entries]:
        texts = [entry.get("name"), entry.get("verdict")] if isinstance(entry, dict) else [None]
        reasons = entry.get("reasons") if isinstance(entry, dict) else None
        if not isinstance(reasons, list) or not all(isinstance(text, str) for text in [*texts, *reasons]):
            raise _wrong(source, "left_out", entry, "names with a verdict and reasons")


def check_text(document: Any, source: str) -> None:
    """Raises ArtefactError for half a surrogate pair anywhere: such a text can be neither written nor sent."""
    waiting = [document]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            waiting += [*value, *value.values()]
        elif isinstance(value, list):
            waiting += value
        elif isinstance(value, str) and not value.isascii() and any("\ud800" <= letter <= "\udfff" for letter in value):
            raise ArtefactError(f"{source} holds {value[:40]!a}, which is no text", "do not use this bundle")


def check_name(name: str, source: str) -> None:
    """Raises ArtefactError for a name with control characters."""
    if printable(name) != name or "\n" in name or "\t" in name:
        raise ArtefactError(f"{source} has the name {name[:40]!a}, with control characters", "do not use this bundle")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and -1e300 < value < 1e300


def _wrong(source: str, what: str, value: Any, wanted: str) -> ArtefactError:
    return ArtefactError(
        f"{source}: {what} is {str(value)[:60]!a}, not {wanted}", "it was not written by this exporter, export again"
    )
