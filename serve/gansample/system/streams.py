"""stdout and stderr: whatever they are connected to, and whatever is printed.

Files are other people's: a class may be named so that a terminal would clear itself, or show another text than there is.
Control characters are therefore printed as escapes. What colours a terminal on purpose writes to `with_codes(sys.stderr)`.
"""

import io
import os
import re
import sys
from typing import IO, TextIO, cast

from gansample.errors import OutputError

# C0 but for tab and new line, DEL, C1, what changes the direction of the text after it, and halves of surrogate pairs.
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(text: str) -> str:
    """`text` with control characters as escapes, like \\x1b."""
    return _CONTROLS.sub(lambda match: match[0].encode("unicode_escape").decode(), text)


class _Plain(io.TextIOWrapper):
    """Text without control characters; what the terminal's encoding does not have is printed as an escape too."""

    def __init__(self, stream: io.TextIOWrapper, *, name: str) -> None:
        super().__init__(
            stream.buffer,
            stream.encoding,
            "backslashreplace",
            line_buffering=stream.line_buffering,
            write_through=stream.write_through,  # as PYTHONUNBUFFERED has it, which containers set
        )
        self.with_codes, self._name = stream, name  # kept, or it would close the file when it goes

    def write(self, text: str) -> int:
        try:
            return super().write(printable(text))
        except OSError as error:
            return self._failed(error)

    def flush(self) -> None:
        try:
            super().flush()
        except OSError as error:
            self._failed(error)

    def _failed(self, error: OSError) -> int:
        """Raises OutputError for stdout, but not where its reader has seen enough, as in `gan list | head`.

        Where stderr cannot be written, nobody can be told.
        """
        if self._name == "stdout" and isinstance(error, BrokenPipeError):
            _silence(1)  # the exit code is still the verdict
            return 0
        if self._name == "stdout":
            raise stdout_error(error) from None
        _silence(2)
        return 0


def prepare_streams() -> None:
    """Make sys.stdout and sys.stderr as described above, for the rest of the process.

    A stream that was closed when the process began is opened, so that no file takes its number and gets what libraries print.
    Text on stdout is then an error all the same, and text on stderr goes nowhere.
    """
    for number, mode in (
        (0, os.O_RDONLY),
        (1, os.O_RDONLY),
        (2, os.O_WRONLY),
    ):  # stdout cannot be written, as when it was closed
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, mode)  # takes the lowest free number
    for number, name in ((1, "stdout"), (2, "stderr")):
        stream = getattr(sys, name)
        if stream is None:  # also in a Windows program without a console
            stream = os.fdopen(number, "w", encoding="utf-8", closefd=False)
        if isinstance(stream, io.TextIOWrapper) and not isinstance(stream, _Plain):
            setattr(sys, name, _Plain(stream, name=name))


def with_codes(stream: TextIO) -> IO[str]:
    """`stream` for those who write a terminal's codes on purpose."""
    return cast(IO[str], getattr(stream, "with_codes", stream))


def open_stdout() -> IO[bytes]:
    """stdout, buffered whatever PYTHONUNBUFFERED says: without a buffer `write` may write a part only."""
    return os.fdopen(sys.stdout.fileno(), "wb", closefd=False)


def stdout_error(error: OSError) -> OutputError:
    """The error for a stdout that cannot be written. Python is silenced: it would complain again when it flushes at exit."""
    _silence(sys.stdout.fileno())
    return OutputError(f"cannot write to stdout ({error.strerror})", "the reader has left or is full")


def _silence(number: int) -> None:
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, number)
    os.close(null)
