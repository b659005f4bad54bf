"""The manners every command of this project shares: one-line errors, exit codes, signals, a traceback only with --debug."""

import os
import signal
import sys
from typing import NoReturn

import typer

from gansample.errors import GansampleError
from gansample.signals import Stopped, listen

# Typer carries its own copy of Click and does not name this base class in public.
ClickException: type[typer.BadParameter] = next(c for c in typer.BadParameter.__mro__ if c.__name__ == "ClickException")


def run(app: typer.Typer, name: str) -> NoReturn:
    """Run a Typer app as the process's main function and end with its exit code."""
    listen()
    debug = "--debug" in sys.argv[1:]
    try:
        code = app(prog_name=name, standalone_mode=False)
    except ClickException as error:
        print(f"{name}: {_one_line(error.format_message()).rstrip('.')}. Try: {name} --help", file=sys.stderr)
        code = error.exit_code
    except typer.Abort:
        print(f"{name}: interrupted", file=sys.stderr)
        code = 128 + signal.SIGINT
    except Stopped as stop:
        print(f"{name}: {'; '.join([str(stop), *getattr(stop, '__notes__', [])])}", file=sys.stderr)
        code = 128 + stop.number
    except GansampleError as error:
        if debug:
            raise
        print(f"{name}: {_one_line(str(error))}", file=sys.stderr)
        code = error.exit_code
    except MemoryError:
        if debug:
            raise
        print(f"{name}: out of memory: ask for fewer pictures at a time", file=sys.stderr)
        code = 1
    sys.exit(code if isinstance(code, int) else 0)


def share_processor() -> None:
    """Let the numeric libraries' threads sleep while they wait, where the user's environment does not say otherwise.

    Threads that spin take each other's turns as soon as anything else runs: on 2 cores with a load of 6, what takes 1.9 s
    with these settings took 16.8 s without. They are read when torch and numpy load, so call this before.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


def _one_line(text: str) -> str:
    return " ".join(text.split())
