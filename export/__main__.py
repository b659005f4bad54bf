"""`python -m export`: any trained generator in, a verified bundle out.

python -m export                                                   the newest run under runs/ -> artifacts/<name>
python -m export netG_epoch_24.pth                                 a stranger's weights, recognised without a class
python -m export --generator model.py:Generator --weights gen.pth  with its class, whose file is executed
python -m export --onnx gan.onnx                                   a graph that someone else exported
"""

import json
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gansample.cli import console
from gansample.errors import UsageError

if TYPE_CHECKING:
    from export.export_model import ExportModel
    from export.importers.request import Request
    from export.parity.verdict import ParityReport
    from export.variants import Builder
    from export.variants.decisions import Decisions

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


@app.command(context_settings={"help_option_names": ["-h", "--help"]})
def export(
    source: Annotated[
        Path | None, typer.Argument(metavar="[RUN|WEIGHTS]", help="A run folder or a weights file (default: the newest run).")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="The bundle's folder (default: artifacts/<name>).")] = None,
    force: Annotated[bool, typer.Option("--force", "-f", help="Replace a bundle that stands there.")] = False,
    weights: Annotated[Path | None, typer.Option(help="The same as WEIGHTS: torch, legacy torch or safetensors.")] = None,
    generator: Annotated[
        str | None,
        typer.Option(metavar="FILE.py:CLASS", help="The generator's class. The file is executed; weights never are."),
    ] = None,
    kwargs: Annotated[
        str | None, typer.Option(metavar="JSON", help="Constructor arguments that the shapes do not tell.")
    ] = None,
    key: Annotated[str | None, typer.Option(help="Which state dict of the file (default: EMA, then the generator).")] = None,
    chain: Annotated[str | None, typer.Option(help="The layers, as an export without a class prints them.")] = None,
    onnx: Annotated[Path | None, typer.Option(help="Take an ONNX graph instead of weights.")] = None,
    torchscript: Annotated[Path | None, typer.Option(help="Take a TorchScript program instead of weights.")] = None,
    image: Annotated[str | None, typer.Option(metavar="CxHxW", help="The picture's shape, like 1x28x28.")] = None,
    value_range: Annotated[str, typer.Option("--range", help="auto, tanh, sigmoid or bytes (0..255).")] = "auto",
    latent: Annotated[str, typer.Option(help="auto, normal or uniform.")] = "auto",
    latent_shape: Annotated[str | None, typer.Option(metavar="SHAPE", help="One latent's shape, like 100 or 16x4x4.")] = None,
    classes: Annotated[int | None, typer.Option(min=1, help="Number of classes of a conditional generator.")] = None,
    class_names: Annotated[str | None, typer.Option(metavar="A,B,…", help="The classes' names, in order.")] = None,
    recalibrate_bn: Annotated[bool, typer.Option("--recalibrate-bn", help="Measure BatchNorm's statistics anew.")] = False,
    compact: Annotated[bool, typer.Option("--compact", help="Round the weights to half precision: half the size.")] = False,
    variants: Annotated[
        str | None, typer.Option(metavar="A,B,…", help="Build only these variants beside onnx-fp32 (default: all).")
    ] = None,
    like: Annotated[
        Path | None, typer.Option(metavar="BUNDLE", help="Decide as that export did, and not by timing: the same files again.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="The bundle's name (default: the file's).")] = None,
    features: Annotated[Path | None, typer.Option(help="Feature network (.onnx) to compare distributions in.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the verdict as JSON on stdout.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show a traceback where something fails.")] = False,
) -> None:
    """Export a trained generator to a verified model bundle.

    The bundle is written only if the exported model draws the pictures of PyTorch; exit code 6 says that it does not.
    """
    started = time.perf_counter()
    console.share_processor()

    def say(step: str) -> None:
        if not quiet:
            print(f"[{time.perf_counter() - started:5.1f} s] {step}", file=sys.stderr)

    run = source if source is not None and source.is_dir() else None
    if run is None and source is not None and weights is not None:
        raise UsageError(f"two weights files, {source} and {weights}", "pass one")
    foreign = run is None and any(entry is not None for entry in (source, weights, onnx, torchscript, generator))
    request = _request(
        weights=weights if source is None or run is not None else source,
        onnx=onnx,
        torchscript=torchscript,
        generator=generator,
        kwargs=kwargs,
        key=key,
        chain=chain,
        image=image,
        latent_shape=latent_shape,
        latent=latent if latent != "auto" else None,
        value_range=value_range if value_range != "auto" else None,
        classes=classes,
        class_names=class_names,
        recalibrate_bn=recalibrate_bn or None,
        name=name if foreign else None,
    )
    if request is not None and run is not None:
        raise UsageError(f"{run} is a run folder", "a run says all of itself, leave the other options out")
    say("loading PyTorch")
    from export.build import build_bundle
    from export.bundle_writer.write import check_replaceable
    from export.parity.features import features_from_file
    from export.variants.decisions import MEASURED, Decisions
    from gansample.bundle.open import ARTIFACTS, open_bundle

    model = _model(request, run, None if foreign else name, say)
    out = out if out is not None else ARTIFACTS / model.spec.name
    check_replaceable(out, force=force)
    network = features_from_file(features) if features is not None else None
    decided = Decisions.of(open_bundle(like)) if like is not None else MEASURED
    outcome = build_bundle(model, out, say, _builders(variants, decided), network, compact, decided)
    say("done")
    if as_json:
        verdicts = {report.variant: report.to_dict() for report in outcome.reports}
        print(json.dumps({"out": str(out), "variants": verdicts, "left_out": [asdict(entry) for entry in outcome.left_out]}))
    elif not quiet:
        _print_verdict(outcome.reports)
        print(f"\n{out} is ready. Draw with it:\n\n    .venv/bin/gansample --bundle {out} --n 64 out.png\n", file=sys.stderr)


def _builders(variants: str | None, decided: "Decisions") -> "Mapping[str, Builder]":
    """The reference and those that were asked for. Raises UsageError for one that there is not."""
    from export.variants import builders

    every = builders(decided)
    if variants is None:
        return every
    wanted = variants.split(",")
    if unknown := [name for name in wanted if name not in every]:
        raise UsageError(f"there is no variant {unknown[0]!r}", f"choose from {', '.join(every)}")
    reference = next(iter(every))
    return {name: build for name, build in every.items() if name == reference or name in wanted}


def _request(**options: Any) -> "Request | None":
    """The options about a foreign generator as a validated request; None where none was given."""
    from export.importers.request import Request, parse_kwargs, parse_latent, parse_range, parse_shape, parse_size

    parsers: dict[str, Callable[[str], Any]] = {
        "kwargs": parse_kwargs,
        "image": parse_size,
        "latent_shape": lambda text: parse_shape(text, "--latent-shape"),
        "latent": parse_latent,
        "value_range": parse_range,
        "class_names": lambda text: tuple(text.split(",")),
    }
    given = {key: parsers[key](value) if key in parsers else value for key, value in options.items() if value is not None}
    return Request(**given) if given else None


def _model(request: "Request | None", run: Path | None, name: str | None, say: Callable[[str], None]) -> "ExportModel":
    if request is None:
        from export.importers.from_run import generator_from_run

        return generator_from_run(run, name)
    from export.importers.load_generator import take

    return take(request, say).generator


def _print_verdict(reports: "tuple[ParityReport, ...]") -> None:
    from rich.console import Console
    from rich.table import Table

    from export.bundle_writer.report import decibels

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
