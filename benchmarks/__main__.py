"""`make bench`: every benchmark that needs no hours, one after the other, each in a process of its own, and then the pages."""

import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from gansample.cli import console
from gansample.errors import GansampleError

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


@app.command(context_settings={"help_option_names": ["-h", "--help"]})
def bench(
    weights: Annotated[Path | None, typer.Option(help="State dict of a tutorial DCGAN-64 (default: seeded random).")] = None,
    peers: Annotated[Path | None, typer.Option(help="A virtual environment with litserve and ray (else NOT RUN).")] = None,
    debug: Annotated[bool, typer.Option("--debug", help="Show a traceback where something fails.")] = False,
) -> None:
    """Measure this project beside its peers on this machine, and write the tables of README.md and docs/."""
    trained = ["--weights", str(weights)] if weights is not None else []
    compared = ["--peers", str(peers)] if peers is not None else []
    programs = {"engines": trained, "training": [], "sampling": trained, "service": compared, "scale": [], "pages": []}
    for name, options in programs.items():
        command = [sys.executable, "-m", f"benchmarks.{name}", *options]
        if status := subprocess.run(command, check=False).returncode:
            raise GansampleError(f"{' '.join(command[1:])} ended with exit code {status}")


if __name__ == "__main__":
    console.run(app, "bench")
