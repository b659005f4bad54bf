"""How every command of this project ends: one-line errors, exit codes, a traceback only with --debug."""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from gansample.errors import GansampleError, OutputError, shorten
from gansample.system.signals import Stopped, listen
from gansample.system.streams import prepare_streams


def end(name: str, call: Callable[[], object]) -> NoReturn:
    """Run the process's main function, `call`, and end with the exit code that it gives, or that what it raises stands for."""
    listen()
    prepare_streams()
    debug = "--debug" in sys.argv[1:]
    try:
        code = _call(call)
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
    except OSError as error:  # where it was foreseen, it says what for
        if debug:
            raise
        print(f"{name}: {one_line(_format_os_error(error))}", file=sys.stderr)
        code = OutputError.exit_code
    sys.exit(code if isinstance(code, int) else 0)


def _call(call: Callable[[], object]) -> object:
    """What it gives, or ends with; after all that it printed is written, so that a full disk is met here and not at exit."""
    try:
        code = call()
    except SystemExit as stop:
        code = stop.code
    sys.stdout.flush()
    return code


def _format_os_error(error: OSError) -> str:
    try:
        Path.cwd()
    except OSError:
        return "the folder that this command runs in is gone: change to another one"
    where = f"{os.fsdecode(error.filename)}: " if isinstance(error.filename, str | bytes) else ""
    return f"{where}{error.strerror or error}"


def one_line(text: str) -> str:
    return shorten(" ".join(text.split()))
