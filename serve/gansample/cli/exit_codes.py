"""How every command of this project ends: one-line errors, exit codes, a traceback only with --debug."""

import io
import sys
from collections.abc import Callable
from typing import NoReturn

from gansample.errors import GansampleError
from gansample.system.signals import Stopped, listen


def end(name: str, call: Callable[[], object]) -> NoReturn:
    """Run the process's main function, `call`, and end with the exit code that it gives, or that what it raises stands for."""
    listen()
    _print_anywhere()
    debug = "--debug" in sys.argv[1:]
    try:
        code = call()
    except Stopped as stop:
        print(f"{name}: {'; '.join([str(stop), *getattr(stop, '__notes__', [])])}", file=sys.stderr)
        code = 128 + stop.number
    except GansampleError as error:
        if debug:
            raise
        print(f"{name}: {one_line(str(error))}", file=sys.stderr)
        code = error.exit_code
    except MemoryError:
        if debug:
            raise
        print(f"{name}: out of memory: ask for fewer pictures at a time", file=sys.stderr)
        code = 1
    sys.exit(code if isinstance(code, int) else 0)


def _print_anywhere() -> None:
    """What the terminal's encoding does not have is printed as an escape: no reason for a command to fail."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # none at all in a Windows program without a console
            stream.reconfigure(errors="backslashreplace")


def one_line(text: str) -> str:
    return " ".join(text.split())
