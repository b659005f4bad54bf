"""Progress of the command-line programs: what the modules log is printed on stderr. Without Typer, which starts slowly."""

import logging
import sys

PACKAGES = ("gansample", "train", "export", "demo")


class _PrintOnStderr(logging.Handler):
    """Looks sys.stderr up anew for every line, so that whoever redirects it gets them all."""

    def __init__(self, program: str) -> None:
        super().__init__()
        self._program = program

    def emit(self, record: logging.LogRecord) -> None:
        print(f"{self._program}: {self.format(record)}", file=sys.stderr, flush=True)


def log_to_stderr(program: str, quiet: bool = False) -> None:
    """Print what this project's packages log as `PROGRAM: message` on stderr: from INFO on, or only warnings where `quiet`.

    Calling it again replaces the program's name and level.
    """
    for package in PACKAGES:
        logger = logging.getLogger(package)
        logger.handlers = [_PrintOnStderr(program)]
        logger.setLevel(logging.WARNING if quiet else logging.INFO)
