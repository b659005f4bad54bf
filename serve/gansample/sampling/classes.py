"""Classes as people ask for them: by name or by number, one, or several that alternate."""

import difflib
import unicodedata
from collections.abc import Iterable, Iterator, Sequence

from gansample.errors import UsageError
from gansample.system.numbers import whole_number


def parse_classes(text: str, classes: Sequence[str] | None) -> tuple[int, ...]:
    """Labels for `sneaker`, `7` or `sneaker,bag`: names as the bundle has them, whatever their case, or their numbers.

    Raises UsageError for a name or number that is not there, with the nearest names, and for a bundle without classes.
    """
    if classes is None:
        raise UsageError(f"--class {text}, and this generator has no classes", "leave the class out")
    return tuple(_label(part.strip(), classes) for part in text.split(","))


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
    folded, sought = [_folded(name) for name in classes], _folded(wanted)
    if sought in folded:
        return folded.index(sought)
    if (number := whole_number(wanted)) is not None and number < len(classes):
        return number
    near = difflib.get_close_matches(sought, folded, 3)
    names = [classes[folded.index(name)] for name in near] or classes
    raise UsageError(
        f"there is no class {wanted!r}", f"did you mean {', '.join(names)}" if near else f"choose {', '.join(names)}"
    )


def _folded(name: str) -> str:
    """Whatever its case, and however its accents are encoded: macOS gives `é` as e and an accent."""
    return unicodedata.normalize("NFC", name).casefold()
