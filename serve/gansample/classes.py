"""Classes as people ask for them: by name or by number, one or several that take turns."""

import difflib
from collections.abc import Iterable, Iterator, Sequence
from itertools import cycle

from gansample.errors import UsageError


def parse_classes(text: str, classes: Sequence[str] | None) -> tuple[int, ...]:
    """Labels for `sneaker`, `7` or `sneaker,bag`: names as the bundle has them, whatever their case, or their numbers.

    Raises UsageError for a name or number that is not there, with the nearest names, and for a bundle without classes.
    """
    if classes is None:
        raise UsageError(f"--class {text}, and this generator has no classes", "leave the class out")
    return tuple(_label(part.strip(), classes) for part in text.split(","))


def labels_for(
    seeds: Iterable[int], classes: Sequence[str] | None, wanted: Sequence[int] | None = None
) -> Iterator[int] | None:
    """A label for each seed: the `wanted` ones in turn, else seed mod classes, so that a picture is its seed's alone.

    None for a generator without classes.
    """
    if classes is None:
        return None
    if wanted is not None:
        return (label for _, label in zip(seeds, cycle(wanted), strict=False))
    return (seed % len(classes) for seed in seeds)


def _label(wanted: str, classes: Sequence[str]) -> int:
    folded = [name.casefold() for name in classes]
    if wanted.casefold() in folded:
        return folded.index(wanted.casefold())
    if wanted.isascii() and wanted.isdigit() and int(wanted) < len(classes):
        return int(wanted)
    near = difflib.get_close_matches(wanted.casefold(), folded, 3)
    names = [classes[folded.index(name)] for name in near] or classes
    raise UsageError(
        f"there is no class {wanted!r}", f"did you mean {', '.join(names)}" if near else f"choose {', '.join(names)}"
    )
