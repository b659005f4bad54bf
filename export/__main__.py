"""`python -m export`: any trained generator in, a verified bundle out.

What each option means is in `--help`; which of them go together is in `importers/request.py`.
"""

import json
import logging
import shlex
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from export.effort import Effort
from export.terminal import log_steps, print_verdict
from gansample.cli import console
from gansample.errors import ArtefactError, ParityError, UsageError

if TYPE_CHECKING:
    from export.export_model import ExportModel
    from export.importers.request import ImportRequest

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
logger = logging.getLogger("export")
GROUPS = {
    "What to export": "weights onnx torchscript generator kwargs call key",
    "What the file does not tell": "chain image value_range latent latent_shape classes class_names noise recalibrate_bn",
    "Into what": "out force name compact variants like",
    "How far it is proven": "expect strict effort features",
}  # of --help


@app.command(cls=console.grouped(GROUPS), context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
def export(
    source: Annotated[
        Path | None,
        typer.Argument(metavar="RUN|WEIGHTS", help="A run, a weights file or its folder (default: the newest run)."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="The bundle's folder (default: artifacts/<name>).")] = None,
    force: Annotated[bool, typer.Option("--force", "-f", help="Replace the bundle in that folder.")] = False,
    name: Annotated[str | None, typer.Option(help="The bundle's name (default: the file's or the data set's).")] = None,
    weights: Annotated[Path | None, typer.Option(help="The same as WEIGHTS: torch, legacy torch or safetensors.")] = None,
    onnx: Annotated[Path | None, typer.Option(help="An ONNX graph instead of weights.")] = None,
    torchscript: Annotated[Path | None, typer.Option(help="A TorchScript program instead of weights.")] = None,
    generator: Annotated[
        str | None,
        typer.Option(metavar="FILE.py:CLASS", help="The class of the weights. This file is executed; weights never are."),
    ] = None,
    kwargs: Annotated[
        str | None, typer.Option(metavar="JSON", help="Constructor arguments of CLASS that no shape in the weights tells.")
    ] = None,
    call: Annotated[
        str | None, typer.Option(metavar="NAME", help="The method or part of CLASS that draws, like decode (default: forward).")
    ] = None,
    key: Annotated[
        str | None, typer.Option(help="Which state dict of the weights file (default: EMA, then the generator).")
    ] = None,
    chain: Annotated[str | None, typer.Option(help="The layers, as an export without a class prints them.")] = None,
    image: Annotated[str | None, typer.Option(metavar="CxHxW", help="The picture's shape, like 1x28x28.")] = None,
    value_range: Annotated[str, typer.Option("--range", help="auto, tanh (-1..1), sigmoid (0..1) or bytes (0..255).")] = "auto",
    latent: Annotated[str, typer.Option(help="What latents are drawn from: auto, normal or uniform.")] = "auto",
    latent_shape: Annotated[str | None, typer.Option(metavar="SHAPE", help="One latent's shape, like 100 or 16x4x4.")] = None,
    classes: Annotated[int | None, typer.Option(min=1, help="Number of classes of a conditional generator.")] = None,
    class_names: Annotated[str | None, typer.Option(metavar="A,B,…", help="The classes' names, in order.")] = None,
    noise: Annotated[
        str,
        typer.Option(help="Noise in forward: auto (refused), none (zeros), fixed (one drawing), seeded (in the latent)."),
    ] = "auto",
    recalibrate_bn: Annotated[
        bool, typer.Option("--recalibrate-bn", help="Measure BatchNorm's running statistics again.")
    ] = False,
    compact: Annotated[bool, typer.Option("--compact", help="Round the weights to half precision: half the size.")] = False,
    variants: Annotated[
        str | None, typer.Option(metavar="A,B,…", help="Build only these variants beside onnx-fp32 (default: all).")
    ] = None,
    like: Annotated[
        Path | None,
        typer.Option(metavar="BUNDLE", help="Repeat what that bundle's export decided by timing: the same files again."),
    ] = None,
    expect: Annotated[
        Path | None,
        typer.Option(metavar="REF.npz", help="The author's own answer: z, out [, label], drawn again and compared."),
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit with 6 and write nothing where a fact had to be assumed.")
    ] = False,
    effort: Annotated[
        Effort, typer.Option(help="How much is compared: full (1,024 latents, fewer of large pictures) or quick (128).")
    ] = "full",
    features: Annotated[Path | None, typer.Option(help="Feature network (.onnx) to compare distributions in.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the verdict as JSON on stdout.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show a traceback where something fails.")] = False,
) -> None:
    """Export a trained generator to a verified model bundle.

    \b
    python -m export                                the newest run under runs/ -> artifacts/<name>
    python -m export netG_epoch_24.pth              weights alone: the architecture is recognised
    python -m export gen.pth --generator model.py:Generator
                                                    weights and their class
    python -m export --onnx gan.onnx                a graph exported elsewhere

    The bundle is written only if the exported model draws the pictures of PyTorch; exit code 6 says that it does not.
    """
    from export.importers.weights_folder import is_weights_folder
    from gansample.bundle.open import ARTIFACTS, MANIFEST, open_bundle

    console.share_processor()
    log_steps(quiet)
    run = source if source is not None and source.is_dir() and not is_weights_folder(source) else None
    if run is not None and (run / MANIFEST).is_file():
        raise UsageError(
            f"{run} is a bundle already", f"draw from it: gansample --bundle {shlex.quote(str(run))} --n 64 out.png"
        )
    if source is not None and run is None and weights is not None:
        raise UsageError(f"two weights files, {source} and {weights}", "pass one")
    if run is None and source is not None:
        weights = source
    about_import = {
        "--weights": weights,
        "--onnx": onnx,
        "--torchscript": torchscript,
        "--generator": generator,
        "--kwargs": kwargs,
        "--call": call,
        "--key": key,
        "--chain": chain,
        "--image": image,
        "--range": value_range if value_range != "auto" else None,
        "--latent": latent if latent != "auto" else None,
        "--latent-shape": latent_shape,
        "--classes": classes,
        "--class-names": class_names,
        "--noise": noise if noise != "auto" else None,
        "--recalibrate-bn": recalibrate_bn or None,
    }
    given = [option for option, value in about_import.items() if value is not None]
    if given and run is not None:
        raise UsageError(f"{', '.join(given)} cannot be used with the run folder {run}", "a run records all of this itself")
    from export.importers.noise import parse_noise
    from export.importers.request import ImportRequest, parse_kwargs, parse_latent, parse_range, parse_shape, parse_size

    request = None
    if given:
        request = ImportRequest(
            weights=weights,
            onnx=onnx,
            torchscript=torchscript,
            generator=generator,
            kwargs=parse_kwargs(kwargs) if kwargs is not None else None,
            call=call,
            key=key,
            chain=chain,
            image=parse_size(image) if image is not None else None,
            latent_shape=parse_shape(latent_shape, "--latent-shape") if latent_shape is not None else None,
            latent=parse_latent(latent),
            value_range=parse_range(value_range),
            classes=classes,
            class_names=tuple(class_names.split(",")) if class_names is not None else None,
            noise=parse_noise(noise),
            recalibrate_bn=recalibrate_bn,
            name=name,
        )

    from export.bundle_writer.write import check_bundle_replaceable
    from export.importers.expected_file import read_expected

    if request is not None:
        request.check_files()
    author = read_expected(expect) if expect is not None else None
    if like is not None:
        open_bundle(like)
    if features is not None and not features.is_file():
        raise ArtefactError(f"--features {features} is no file", "pass a feature network as .onnx, or leave it out")
    if out is None and request is not None:
        out = ARTIFACTS / request.bundle_name
    if out is not None:  # last of what is cheap: --force would only lead to the next mistake
        check_bundle_replaceable(out, force=force)
    if author is not None and request is not None:
        request = replace(request, author_latents=author.distribution, author_range=author.value_range)
    logger.info("loading PyTorch")
    from export.build import build_bundle
    from export.importers.expect_recipe import recipe
    from export.importers.expected import confirm_with_author
    from export.parity.features import features_from_file
    from export.variants import builders
    from export.variants.timing_decisions import decisions_like

    if variants is not None:
        builders(variants=variants)  # a name that is wrong is said before anything is imported
    model = _import(request, out) if request is not None else _import_run(run, name)
    out = out if out is not None else ARTIFACTS / model.spec.name
    check_bundle_replaceable(out, force=force)
    if author is not None:
        model = confirm_with_author(model, author, out)
    if strict:
        _refuse_assumptions(model)
    network = features_from_file(features) if features is not None else None
    decisions = decisions_like(like, model.spec)
    result = build_bundle(model, out, builders(decisions, variants), network, compact, decisions, effort)
    logger.info("done")
    if as_json:
        verdicts = {report.variant: report.to_dict() for report in result.reports}
        basis = model.spec.basis.to_dict() if model.spec.basis is not None else None
        left_out = [asdict(entry) for entry in result.left_out]
        print(json.dumps({"out": str(out), "basis": basis, "variants": verdicts, "left_out": left_out}))
    elif not quiet:
        print_verdict(result.reports, model.spec)
        if model.spec.basis is not None and model.spec.basis.assumptions and (line := recipe(model)):
            print(f"to confirm them with --expect ref.npz, where it was trained:\n    {line}", file=sys.stderr)
        draw = f".venv/bin/gansample --bundle {shlex.quote(str(out))} --n 64 out.png"
        print(f"\n{out} is ready, its report is {out / 'report.html'}. Draw with it:\n\n    {draw}\n", file=sys.stderr)


def _import(request: "ImportRequest", out: Path | None) -> "ExportModel":
    """The generator. Where several readings of it are as good, they are drawn beside `out` and the error names them."""
    from export.importers.choices import UndecidedError, with_picture
    from export.importers.load_generator import load_generator

    try:
        return load_generator(request).generator
    except UndecidedError as error:
        raise (with_picture(error, out) if out is not None else error) from None


def _import_run(run: Path | None, name: str | None) -> "ExportModel":
    from export.importers.from_run import generator_from_run

    return generator_from_run(run, name)


def _refuse_assumptions(model: "ExportModel") -> None:
    """Raise ParityError where a fact of the export is assumed."""
    basis = model.spec.basis
    if basis is not None and basis.assumptions:
        facts = "; ".join(str(fact) for fact in basis.assumptions)
        raise ParityError(
            f"--strict: {len(basis.assumptions)} facts are assumed, nothing was written ({facts})",
            "tell them, or pass --expect",
        )


if __name__ == "__main__":
    console.run(app, "export")
