"""What was found out about a stranger's generator, in the order it was found: printed, and kept in the bundle's provenance."""

import logging
from dataclasses import dataclass, field
from typing import Literal

logger = logging.getLogger(__name__)

Kind = Literal["picked", "assumed", "measured", "warning"]


@dataclass(frozen=True, slots=True)
class ImportNote:
    """picked: one of several the file offered; assumed: not decidable from the file; measured: seen; warning: read this."""

    kind: Kind
    text: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.text}"


@dataclass(slots=True)
class ImportLog:
    """A growing list of log; each is logged as it is made."""

    items: list[ImportNote] = field(default_factory=list)

    def picked(self, text: str) -> None:
        self._add("picked", text)

    def assumed(self, text: str) -> None:
        self._add("assumed", text)

    def measured(self, text: str) -> None:
        self._add("measured", text)

    def warn(self, text: str) -> None:
        self._add("warning", text)

    def texts(self, kind: Kind) -> list[str]:
        return [item.text for item in self.items if item.kind == kind]

    def to_list(self) -> list[str]:
        return [str(item) for item in self.items]

    def _add(self, kind: Kind, text: str) -> None:
        self.items.append(ImportNote(kind, text))
        logger.info(str(self.items[-1]))
