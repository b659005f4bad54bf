"""`python -m export`: a training run in, a verified bundle out.

python -m export                        the newest run under runs/ -> artifacts/<name>
python -m export runs/0001-digits-modern --out artifacts/mine
"""

import json
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gansample import console

if TYPE_CHECKING:
    from export.parity import ParityReport

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


@app.command(context_settings={"help_option_names": ["-h", "--help"]})
def export(
    run: Annotated[Path | None, typer.Argument(metavar="RUN", help="A run folder (default: the newest under runs/).")] = None,
    out: Annotated[Path | None, typer.Option(help="The bundle's folder (default: artifacts/<name>).")] = None,
    force: Annotated[bool, typer.Option("--force", "-f", help="Replace a bundle that stands there.")] = False,
    features: Annotated[Path | None, typer.Option(help="Feature network (.onnx) to compare distributions in.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the verdict as JSON on stdout.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show a traceback where something fails.")] = False,
) -> None:
    """Export a trained generator to a verified model bundle.

    The bundle is written only if the exported model draws the pictures of PyTorch; exit code 6 says that it does not.
    """
    started = time.perf_counter()

    def say(step: str) -> None:
        if not quiet:
            print(f"[{time.perf_counter() - started:5.1f} s] {step}", file=sys.stderr)

    say("loading PyTorch")
    from export.build import build_bundle
    from export.features import features_from_file
    from export.from_run import face_from_run
    from export.write_bundle import check_replaceable
    from gansample.bundle import ARTIFACTS

    face = face_from_run(run)
    out = out if out is not None else ARTIFACTS / face.spec.name
    check_replaceable(out, force=force)
    network = features_from_file(features) if features is not None else None
    outcome = build_bundle(face, out, say, features=network)
    say("done")
    if as_json:
        variants = {report.variant: report.to_dict() for report in outcome.reports}
        print(json.dumps({"out": str(out), "variants": variants, "left_out": [asdict(entry) for entry in outcome.left_out]}))
    elif not quiet:
        _print_verdict(outcome.reports)
        print(f"\n{out} is ready. Draw with it:\n\n    .venv/bin/gansample --bundle {out} --n 64 out.png\n", file=sys.stderr)


def _print_verdict(reports: "tuple[ParityReport, ...]") -> None:
    from rich.console import Console
    from rich.table import Table

    from export.report import decibels

    table = Table(title="Against PyTorch float64", title_justify="left")
    for name in ("variant", "verdict", "max step", "identical", "PSNR", "worst latent"):
        table.add_column(name, justify="right")
    for report in reports:
        color, seen = "green" if report.verdict == "PASS" else "red", report.overall
        figures = (f"{seen.max_step:.0f}", f"{seen.identical:.3%}", decibels(seen.psnr_db), decibels(report.worst.psnr_db))
        table.add_row(report.variant, f"[{color}]{report.verdict}[/]", *figures)
    Console(stderr=True).print(table)


if __name__ == "__main__":
    console.run(app, "export")
