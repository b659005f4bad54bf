"""`gan verify | sign | info | doctor | serve | export-triton`: look after exported generators and the machine they run on.

Results go to stdout, errors to stderr; the exit code is the verdict.
"""

import json
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer

import gansample
from gansample.cli import console
from gansample.cli.serve_command import Debug, serve
from gansample.errors import BackendUnavailable

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)

Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout.")]


def main() -> NoReturn:
    console.run(app, "gan")


@app.callback(invoke_without_command=True)
def overview(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", is_eager=True, help="Print it.")] = False,
) -> None:
    """Look after exported generators and the machine they run on; `gansample` draws from them."""
    if version:
        print(f"gan {gansample.__version__}")
    elif context.invoked_subcommand is None:
        print(context.get_help())


@app.command(short_help="Check that a bundle still draws its reference's pictures on this machine.")
def verify(
    bundle: Annotated[
        Path | None,
        typer.Argument(metavar="BUNDLE", help="A bundle folder or name (default: the newest under artifacts/, else fashion)."),
    ] = None,
    signed: Annotated[
        Path | None, typer.Option(metavar="KEY.pub", help="Also demand that the holder of this key signed every file.")
    ] = None,
    report: Annotated[
        Path | None, typer.Option(metavar="FILE.md", help="Also measure speed and memory, and write all of it down.")
    ] = None,
    minutes: Annotated[float | None, typer.Option(min=0.5, max=1440, help="Time for the report (6).")] = None,
    threads: Annotated[int | None, typer.Option(min=1, max=1024, help="Processor threads (default: all cores).")] = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Check that a bundle still draws its reference's pictures, on this machine.

    Every file's digest first, then every variant that can run here, on the CPU and on a GPU, against the goldens in the bundle.
    Exit code 3: a file is damaged, or not signed by KEY. 4: nothing could run (with --report: something could not).
    6: a variant draws other pictures.
    """
    from gansample.cli.verify import verify_bundle

    verify_bundle(bundle, signed=signed, report=report, minutes=minutes, threads=threads, as_json=as_json)


@app.command(short_help="Sign a bundle, so that a changed one can be told from it.")
def sign(
    bundle: Annotated[Path, typer.Argument(metavar="BUNDLE", help="A bundle folder or name, or one .onnx file.")],
    key: Annotated[Path, typer.Option(help="Your private key: elliptic curve, PEM. It is read and kept nowhere.")],
    password_file: Annotated[Path | None, typer.Option(help="Where the key's password stands, if it has one.")] = None,
    debug: Debug = False,
) -> None:
    """Sign a bundle, so that whoever has your public key can tell it from one that somebody changed.

    \b
    openssl ecparam -name prime256v1 -genkey -noout -out key.pem
    openssl ec -in key.pem -pubout -out key.pub
    gan sign artifacts/digits --key key.pem
    gan verify artifacts/digits --signed key.pub
    """
    from gansample.bundle.open import open_bundle
    from gansample.bundle.signature import sign
    from gansample.sampling.verify import check_digests
    from gansample.system.token_file import read_token_file

    opened = open_bundle(bundle)
    check_digests(opened)  # a signature under damaged files would vouch for the damage
    password = read_token_file(password_file, "the password") if password_file is not None else None
    signature = sign(opened.path, key, password)
    print(f"{opened.spec.name}: signed, {signature}")


@app.command(short_help="Tell what a bundle holds, or how a picture was drawn.")
def info(
    path: Annotated[
        Path | None,
        typer.Argument(metavar="PATH", help="A bundle, or what gansample drew: a picture, video, archive or folder."),
    ] = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Tell what a bundle holds and where it came from, or how pictures were drawn and how to draw them again."""
    from gansample.bundle.open import MANIFEST, open_bundle
    from gansample.outputs.file_metadata import is_drawing, read_drawing

    if path is not None and not (path / MANIFEST).exists() and is_drawing(path):
        from gansample.cli.picture_info import describe_drawing, format_drawing

        facts = describe_drawing(read_drawing(path), path)
        text = format_drawing(facts)
    else:
        from gansample.cli.info import describe_bundle, format_bundle

        facts = describe_bundle(open_bundle(path))
        text = format_bundle(facts)
    print(json.dumps(facts) if as_json else text)


@app.command(name="list", short_help="List the bundles here.")
def list_bundles(as_json: Json = False, debug: Debug = False) -> None:
    """List the bundles here by what --bundle takes: under artifacts/, under models/ and in the package."""
    from gansample.bundle.open import open_bundle
    from gansample.cli.info import bundle_argument, bundles_here, format_bundles

    bundles, default = bundles_here(), open_bundle()
    if as_json:
        facts = [
            {
                "bundle": bundle_argument(each.path),
                "default": each.path == default.path,
                "path": str(each.path),
                **each.spec.to_dict(),
            }
            for each in bundles
        ]
        print(json.dumps(facts))
    else:
        print(format_bundles(bundles, default))


@app.command(short_help="Name what is wrong with the runtimes here, and what puts it right.")
def doctor(as_json: Json = False, debug: Debug = False) -> None:
    """Name what is wrong with the runtimes installed here, and the one command that puts it right.

    Exit code 4: something is broken.
    """
    from gansample.cli.doctor import diagnose, examine

    findings = diagnose(examine())
    broken = [finding for finding in findings if finding.state == "broken"]
    if as_json:
        print(json.dumps({"broken": len(broken), "findings": [finding.to_dict() for finding in findings]}))
    else:
        for finding in findings:
            print(f"{finding.state:7} {finding.what}" + (f"\n        {finding.fix}" if finding.fix else ""))
    if broken:
        sys.exit(BackendUnavailable.exit_code)


app.command(cls=console.GroupedCommand, short_help="Answer HTTP requests for pictures.")(serve)


@app.command(short_help="Build a GPU engine for other programs, without a GPU.")
def build_engine(
    bundle: Annotated[Path, typer.Argument(metavar="BUNDLE", help="A bundle folder or name.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The file to write, like generator.engine.")],
    target: Annotated[
        list[str] | None, typer.Option(metavar="SM", help="A generation of GPUs (may be repeated; sm80 sm86 sm89 sm120).")
    ] = None,
    variant: Annotated[str, typer.Option(help="Which ONNX variant.")] = "onnx-fp32",
    force: Annotated[bool, typer.Option("--force", "-f", help="Replace what exists.")] = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Have NVIDIA's TensorRT for RTX compile a bundle's graph into one engine file, for programs of your own.

    It takes z float32 (N, size) [and label int64 (N)] to images uint8 (N, H, W, C), N from 1. No GPU is needed to build it;
    none has drawn with it either: gansample itself builds on the target and checks the goldens first (--backend tensorrt-rtx).
    """
    from gansample.bundle.open import open_bundle
    from gansample.runtimes.tensorrt.receipt import write_engine

    receipt = write_engine(open_bundle(bundle), variant, out, targets=tuple(target or ()), force=force)
    print(json.dumps(receipt.to_dict()) if as_json else f"{out}: {receipt}")


@app.command(short_help="Write a bundle as model repositories for NVIDIA Triton.")
def export_triton(
    bundle: Annotated[Path, typer.Argument(metavar="BUNDLE", help="A bundle folder or name.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The folder to write.")],
    force: Annotated[bool, typer.Option("--force", "-f", help="Replace what an earlier export-triton wrote.")] = False,
    max_batch: Annotated[int, typer.Option(min=1, max=4096, help="Pictures that Triton may put into one batch.")] = 64,
    debug: Debug = False,
) -> None:
    """Write a bundle as model repositories for NVIDIA Triton, with a script that replays the goldens and gives a verdict.

    \b
    gan export-triton fashion triton
    tritonserver --model-repository triton/onnx --disable-auto-complete-config
    python triton/replay.py
    """
    from gansample.bundle.open import open_bundle
    from gansample.triton.repository import export_triton

    names = export_triton(open_bundle(bundle), out, force=force, max_batch=max_batch)
    print(f"{out}: {', '.join(names)}; its README.md says how to serve and to check them")


if __name__ == "__main__":
    main()
