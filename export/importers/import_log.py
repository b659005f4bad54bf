"""What was found out about an imported generator, in that order: logged, and kept in the bundle's provenance as `findings`."""

import logging
from dataclasses import dataclass, field
from typing import Literal

logger = logging.getLogger(__name__)

Kind = Literal["picked", "assumed", "measured", "warning"]


@dataclass(frozen=True, slots=True)
class ImportNote:
    """picked: one of several in the file; assumed: the file does not tell; measured: observed; warning: may be wrong."""

    kind: Kind
    text: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.text}"


@dataclass(slots=True)
class ImportLog:
    """The notes so far; each is logged as it is made."""

    notes: list[ImportNote] = field(default_factory=list)

    def picked(self, text: str) -> None:
        self._add("picked", text)

    def assumed(self, text: str) -> None:
        self._add("assumed", text)

    def measured(self, text: str) -> None:
        self._add("measured", text)

    def warn(self, text: str) -> None:
        self._add("warning", text)

    def texts(self, kind: Kind) -> list[str]:
        return [note.text for note in self.notes if note.kind == kind]

    def to_list(self) -> list[str]:
        return [str(note) for note in self.notes]

    def _add(self, kind: Kind, text: str) -> None:
        note = ImportNote(kind, text)
        self.notes.append(note)
        logger.info(str(note))
