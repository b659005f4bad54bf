"""Classes as people ask for them: by name or by number, one, or several that alternate."""

import unicodedata
from collections.abc import Iterable, Iterator, Sequence

from gansample.errors import UsageError, suggest
from gansample.system.numbers import whole_number


def parse_classes(wanted: str | Sequence[str | int], classes: Sequence[str] | None) -> tuple[int, ...]:
    """Labels for `sneaker`, `7` or `sneaker,bag`, in one text or as a sequence: names as the bundle has them or their numbers.

    Of a name case, spaces and punctuation do not matter, and its beginning is enough where no other begins like it.

    Raises UsageError for a name or number that is not there, with the nearest names, and for a bundle without classes.
    """
    if classes is None:
        raise no_classes(f"class {wanted}")
    parts = wanted.split(",") if isinstance(wanted, str) else [str(part) for part in wanted]
    return tuple(_label(part.strip(), classes) for part in parts)


def no_classes(asked: str, generator: str = "this generator", hint: str = "leave it out") -> UsageError:
    """What is raised where a generator without classes was `asked` for one."""
    return UsageError(f"{asked}, and {generator} has no classes", hint)


def format_class(label: int, classes: Sequence[str]) -> str:
    """What `parse_classes` reads as `label`: the class's name, or its number where the name has a comma or a namesake."""
    name = classes[label]
    try:
        return name if parse_classes(name, classes) == (label,) else str(label)
    except UsageError:
        return str(label)


def labels_for(seeds: Iterable[int], classes: Sequence[str] | None) -> Iterator[int] | None:
    """The label of each seed where none was asked for: seed mod classes, so that a picture is its seed's alone.

    None for a generator without classes.
    """
    return (seed % len(classes) for seed in seeds) if classes is not None else None


def _label(wanted: str, classes: Sequence[str]) -> int:
    exact = [_folded(name) for name in classes]
    if (sought := _folded(wanted)) in exact:
        return exact.index(sought)
    if (number := whole_number(wanted)) is not None and number < len(classes):
        return number
    folded, sought = [_letters(name) for name in classes], _letters(wanted)
    same = [label for label, name in enumerate(folded) if name == sought]
    begun = [label for label, name in enumerate(folded) if name.startswith(sought) and not sought.isdigit()]
    if sought and len(found := same or begun) == 1:
        return found[0]
    if sought and found:
        possible = ", ".join(classes[label] for label in found)
        raise UsageError(f"the class {wanted!r} may be any of {possible}", "write more of the name")
    raise UsageError(f"there is no class {wanted!r}", suggest(wanted, classes, _letters))


def _letters(name: str) -> str:
    return "".join(letter for letter in _folded(name) if letter.isalnum())


def _folded(name: str) -> str:
    """Whatever its case, and however its accents are encoded: macOS gives `é` as e and an accent."""
    return unicodedata.normalize("NFC", name).casefold()
