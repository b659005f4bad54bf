"""What can go wrong, each with its exit code.

    GansampleError                  1
    ├── UsageError                  2   the request itself makes no sense
    ├── ArtefactError               3   a file is missing, corrupt, or not what it claims to be
    ├── BackendUnavailable          4   the runtime that was asked for cannot run here
    ├── OutputError                 5   the result cannot be written
    └── ParityError                 6   the exported model does not draw the trained pictures

A message says what happened, with the value; the hint says what to do next. Both fit on one line.
"""

import re
from collections.abc import Callable, Sequence

MAX_WORD = 300  # characters


def shorten(text: str) -> str:
    """`text` with the middle of every word of more than MAX_WORD characters left out: a message quotes what it refuses."""
    return re.sub(rf"\S{{{MAX_WORD + 1},}}", lambda word: f"{word[0][:60]}…{word[0][-20:]}", text)


def suggest(wanted: str, known: Sequence[str], fold: Callable[[str], str] = str.casefold) -> str:
    """The hint for a name that is none of `known`: those most like it, compared as `fold` has them, else all of them."""
    import difflib  # for whoever mistyped, and nobody else

    folded = {fold(name): name for name in reversed(known)}
    near = [folded[each] for each in difflib.get_close_matches(fold(wanted), list(folded), 3)]
    return f"did you mean {' or '.join(near)}?" if near else f"choose {', '.join(known)}"


class GansampleError(Exception):
    """Base of every error a user can cause or meet; `exit_code` is what a command line ends with."""

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(shorten(f"{message}: {hint}" if hint else message))
        self.message = message
        """What happened, without what to do next."""


class UsageError(GansampleError, ValueError):
    exit_code = 2


class ArtefactError(GansampleError):
    exit_code = 3


class BackendUnavailable(GansampleError):
    exit_code = 4


class OutputError(GansampleError):
    exit_code = 5


class ParityError(GansampleError):
    exit_code = 6
