"""What `python -m export` shows on stderr: its steps with their time, and the verdict at the end."""

import logging
import sys
import time
from typing import TYPE_CHECKING

from gansample.system.streams import printable, with_codes

if TYPE_CHECKING:
    from export.parity.verdict import ParityReport
    from gansample.bundle.spec import Spec


WIDTH = 120  # of what is written into a file or a pipe


class _Elapsed(logging.Formatter):
    """`[  3.2 s] message`, in seconds since this was made."""

    def __init__(self) -> None:
        super().__init__()
        self._started = time.perf_counter()

    def format(self, record: logging.LogRecord) -> str:
        return f"[{time.perf_counter() - self._started:5.1f} s] {record.getMessage()}"


def log_steps(quiet: bool) -> None:
    """Print every step on stderr, with the time it began."""
    logger, handler = logging.getLogger("export"), logging.StreamHandler()
    handler.setFormatter(_Elapsed())
    logger.handlers = [handler]
    logger.setLevel(logging.ERROR if quiet else logging.INFO)


def print_verdict(reports: "tuple[ParityReport, ...]", spec: "Spec") -> None:
    """A table of the variants, and under it the verdict with what it rests on."""
    from rich.console import Console
    from rich.table import Table

    from export.bundle_writer.report import decibels
    from gansample.bundle.basis import format_basis, grade, verdict_line

    table = Table(title=f"Against {reports[0].reference}", title_justify="left")
    for name in ("variant", "verdict", "max step", "identical", "PSNR", "worst latent"):
        table.add_column(name, justify="right", no_wrap=True)
    for report in reports:
        verdict, seen = grade(report.verdict, spec.basis), report.overall
        figures = (f"{seen.max_step:.0f}", f"{seen.identical:.3%}", decibels(seen.psnr_db), decibels(report.worst.psnr_db))
        table.add_row(report.variant, f"[{_color(verdict)}]{verdict}[/]", *figures)
    screen = Console(file=with_codes(sys.stderr), width=None if sys.stderr.isatty() else WIDTH)
    screen.print(table)
    line = verdict_line(reports[0].verdict, spec.basis, reports[0].to_dict())
    screen.print(printable(line), style=_color(line), markup=False, highlight=False)
    screen.print(printable("\n".join(format_basis(spec.basis))), markup=False, highlight=False, soft_wrap=True)


def _color(grade: str) -> str:
    """Of a verdict, or a line that begins with it."""
    return "yellow" if "AS ASSUMED" in grade else "green" if grade.startswith("PASS") else "red"
