"""The manners every command of this project shares: one-line errors, exit codes, signals, a traceback only with --debug."""

import os
import signal
import sys
from types import FrameType
from typing import NoReturn

import typer

from gansample.errors import GansampleError

# Typer carries its own copy of Click and does not name this base class in public.
ClickException: type[typer.BadParameter] = next(c for c in typer.BadParameter.__mro__ if c.__name__ == "ClickException")

INTERRUPTED, TERMINATED = 130, 143  # 128 + the signal's number, as shells report it


def run(app: typer.Typer, name: str) -> NoReturn:
    """Run a Typer app as the process's main function and end with its exit code."""
    signal.signal(signal.SIGTERM, _terminate)
    debug = "--debug" in sys.argv[1:]
    try:
        code = app(prog_name=name, standalone_mode=False)
    except ClickException as error:
        print(f"{name}: {_one_line(error.format_message()).rstrip('.')}. Try: {name} --help", file=sys.stderr)
        code = error.exit_code
    except (typer.Abort, KeyboardInterrupt):
        print(f"{name}: interrupted", file=sys.stderr)
        code = INTERRUPTED
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


def _terminate(number: int, frame: FrameType | None) -> NoReturn:
    print("terminated", file=sys.stderr)
    sys.exit(TERMINATED)


def _one_line(text: str) -> str:
    return " ".join(text.split())
