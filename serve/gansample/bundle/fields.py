"""Parsed JSON from a file that may be damaged or hostile, read field by field."""

import json
from typing import Any

from gansample.bundle.receipts import check_name, check_text
from gansample.errors import ArtefactError


class FieldReader:
    """Typed look-ups by dotted path in parsed JSON, so that a bad document is one clear ArtefactError."""

    def __init__(self, data: Any, source: str) -> None:
        self.data, self.source = data, source

    def optional(self, path: str, kind: type) -> Any:
        value = self.data
        for key in path.split("."):
            if not isinstance(value, dict):
                raise ArtefactError(f"{self.source} has no {path}", "it was not written by this exporter, export again")
            value = value.get(key)
        if value is not None and not isinstance(value, kind):
            raise ArtefactError(f"{self.source}: {path} must be {kind.__name__}, not {str(value)[:60]!r}")
        return value

    def required(self, path: str, kind: type) -> Any:
        value = self.optional(path, kind)
        if value is None:
            raise ArtefactError(f"{self.source} has no {path}", "it was not written by this exporter, export again")
        return value

    def integer(self, path: str, low: int, high: int = 2**31 - 1) -> int:
        value = self.required(path, int)
        if isinstance(value, bool) or not low <= value <= high:
            raise ArtefactError(f"{self.source}: {path} is {value!r}, outside {low}..{high}")
        return int(value)

    def name(self, path: str) -> str:
        value = str(self.required(path, str))
        check_name(value, self.source)
        return value

    def choice(self, path: str, allowed: tuple[str, ...]) -> str:
        value = self.required(path, str)
        if value not in allowed:
            raise ArtefactError(f"{self.source}: {path} is {value!r}, not one of {', '.join(allowed)}")
        return str(value)


def parse_json(text: str, source: str) -> Any:
    """json.loads whose every failure, deep nesting included, is an ArtefactError; so is text that is none."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ArtefactError(f"{source} is no valid JSON ({error})", "the file is damaged, export again") from None
    check_text(document, source)
    return document
