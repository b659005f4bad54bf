"""What was found out about an imported generator, in that order: logged, kept in the bundle's provenance as `findings`, and, as
far as it decides pixels, as the facts that the verdict rests on.
"""

import logging
from dataclasses import dataclass, field
from typing import Literal

from gansample.bundle.basis import Basis, Fact, Known

logger = logging.getLogger(__name__)

Kind = Literal["picked", "told", "assumed", "measured", "warning"]


@dataclass(frozen=True, slots=True)
class ImportNote:
    """picked: one of several in the file; told: by the user or the file; assumed: the file does not tell; measured: observed;
    warning: may be wrong.
    """

    kind: Kind
    text: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.text}"


@dataclass(slots=True)
class ImportLog:
    """The notes and facts so far; each is logged as it is made."""

    notes: list[ImportNote] = field(default_factory=list)
    facts: dict[str, Fact] = field(default_factory=dict)

    def picked(self, text: str) -> None:
        self._add("picked", text)

    def assumed(self, text: str) -> None:
        """An assumption without a name of its own; it counts as one."""
        self.facts[text] = Fact(name=text, value="as usual", known="assumed")
        self._add("assumed", text)

    def measured(self, text: str) -> None:
        self._add("measured", text)

    def warn(self, text: str) -> None:
        self._add("warning", text)

    def fact(self, name: str, value: str, known: Known, how: str) -> None:
        """A fact that decides pixels. A later one of the same name replaces it.

        how  who told it, the margin of the measurement, or for an assumption how to say otherwise.
        """
        self.facts[name] = Fact(name=name, value=value, known=known, how=how)
        self._add(known, str(self.facts[name]))

    @property
    def basis(self) -> Basis:
        return Basis(facts=tuple(self.facts.values()))

    def texts(self, kind: Kind) -> list[str]:
        return [note.text for note in self.notes if note.kind == kind]

    def to_list(self) -> list[str]:
        return [str(note) for note in self.notes]

    def _add(self, kind: Kind, text: str) -> None:
        note = ImportNote(kind, text)
        self.notes.append(note)
        logger.info(str(note))
