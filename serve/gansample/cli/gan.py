"""`gan verify | sign | info | doctor | serve | export-triton`: look after exported generators and the machine they run on.

Results go to stdout, errors to stderr; the exit code is the verdict.
"""

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from gansample.cli import console
from gansample.errors import BackendUnavailable, ParityError
from gansample.runtimes.backends import GPU_BACKENDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gansample.bundle.open import Bundle
    from gansample.sampling.verify import Check

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    help="Look after exported generators and the machine they run on.",
    context_settings={"help_option_names": ["-h", "--help"]},
)

Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show a traceback where something fails.")]


def main() -> NoReturn:
    console.run(app, "gan")


@app.command()
def verify(
    bundle: Annotated[
        Path | None, typer.Argument(help="A bundle folder or name (default: the newest under artifacts/, else fashion).")
    ] = None,
    signed: Annotated[
        Path | None, typer.Option(metavar="KEY.pub", help="Also demand that the holder of this key signed every file.")
    ] = None,
    report: Annotated[
        Path | None, typer.Option(metavar="FILE.md", help="Also measure speed and memory, and write all of it down.")
    ] = None,
    threads: Annotated[int | None, typer.Option(min=1, max=1024, help="Processor threads (default: all cores).")] = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Check that a bundle still draws PyTorch's pictures, on this machine.

    Every file's digest first, then every variant that can run here, on the CPU and on a GPU, against the goldens in the bundle.
    Exit code 3: a file is damaged, or not signed by KEY. 4: nothing could run (with --report: something could not).
    6: a variant draws other pictures.
    """
    from gansample.bundle.basis import format_basis, grade
    from gansample.bundle.open import open_bundle
    from gansample.sampling.verify import check_digests

    started = time.perf_counter()
    opened = open_bundle(bundle)
    if signed is not None:
        from gansample.bundle.signature import check_signature

        check_signature(opened.path, signed)
        opened = open_bundle(opened.path)  # what was read before may not be what was signed
    files = check_digests(opened)
    console.log_to_stderr("gan")
    checks = list(_checks(opened, threads, report))
    failed = [check for check in checks if check.verdict == "FAIL"]
    ran = [check for check in checks if check.verdict != "NOT RUN"]
    verdict = "FAIL" if failed else "PASS" if ran else "NOT RUN"
    seconds = time.perf_counter() - started
    if as_json:
        document = {
            "bundle": str(opened.path),
            "model_sha256": opened.sha256,
            "verdict": verdict,
            "grade": grade(verdict, opened.spec.basis),
            "basis": opened.spec.basis.to_dict() if opened.spec.basis is not None else None,
            "files": files,
            "signed_by": str(signed) if signed is not None else None,
            "variants": [check.to_dict() for check in checks],
            "seconds": round(seconds, 3),
        }
        print(json.dumps(document))
    else:
        by = f", signed by the holder of {signed}" if signed is not None else ""
        print(f"{opened.spec.name}: {files} files as they were exported{by} ({opened.path}, {seconds:.1f} s)")
        print("\n".join(dict.fromkeys(_format_check(check) for check in checks)))  # all that no GPU runs is one line
        print("\n  ".join([f"verdict: {grade(verdict, opened.spec.basis)}", *format_basis(opened.spec.basis)]))
    if failed:
        names = ", ".join(check.variant.name for check in failed)
        hint = "gan doctor" if report is None else str(report)
        raise ParityError(f"{names} does not draw PyTorch's pictures here", f"do not use it here, see: {hint}")
    if report is not None and (missing := [check for check in checks if check.verdict == "NOT RUN"]):
        names = ", ".join(f"{check.variant.name} on {check.backend}" for check in missing)
        raise BackendUnavailable(f"{names} did not run on this machine", f"see: {report}")
    if not ran:
        raise BackendUnavailable("no variant of this bundle can run here, nothing was verified", "see: gan doctor")


def _checks(bundle: "Bundle", threads: int | None, report: Path | None) -> "Iterator[Check]":
    """The checks of every variant; with a report, measured as well and written down."""
    from gansample.sampling.verify import check_variants

    checks = check_variants(bundle, threads)
    if report is None:
        yield from checks
        return
    from gansample.sampling.verify_report import markdown, measure
    from gansample.system.atomic import cannot_write, write_atomic

    try:
        report.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(report, error) from error
    rows = list(measure(bundle, checks, threads))
    write_atomic(report, markdown(bundle, rows).encode())
    yield from (row.check for row in rows)


def _format_check(check: "Check") -> str:
    if check.backend in GPU_BACKENDS and check.verdict == "NOT RUN":
        return f"  {check.backend:16} NOT RUN  {'; '.join(check.reasons)}"
    line = f"  {check.variant.name:16} {check.verdict:8}"
    if (seen := check.worst) is not None:
        decibels = "identical" if seen.identical == 1 else f"{seen.psnr_db:.1f} dB"
        line += f"{check.backend}: {decibels}, max {seen.max_step:.0f} steps, {seen.identical:.3%} of the pixels identical"
    return line + "".join(f"\n{'':27}{reason}" for reason in check.reasons)


@app.command()
def sign(
    bundle: Annotated[Path, typer.Argument(help="A bundle folder or name, or one .onnx file.")],
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


@app.command()
def info(
    path: Annotated[Path | None, typer.Argument(help="A bundle, or a picture that gansample drew.")] = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Tell what a bundle holds and where it came from, or how a picture was drawn and how to draw it again."""
    from gansample.bundle.open import open_bundle
    from gansample.cli import info as about

    if path is not None and path.suffix.lower() in about.PICTURES:
        from gansample.outputs.metadata import read_metadata

        facts = about.describe_picture(read_metadata(path), path)
        text = about.format_picture(facts)
    else:
        facts = about.describe_bundle(open_bundle(path))
        text = about.format_bundle(facts)
    print(json.dumps(facts) if as_json else text)


@app.command()
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


@app.command()
def serve(
    bundle: Annotated[
        list[Path] | None, typer.Argument(help="Bundle folders or names (default: the newest under artifacts/, else fashion).")
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 lets other machines in.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes any free one.")] = 8000,
    backend: Annotated[str, typer.Option(help="auto, onnxruntime, openvino, cuda or tensorrt.")] = "auto",
    precision: Annotated[str, typer.Option(help="exact or fast, as for gansample.")] = "exact",
    threads: Annotated[int | None, typer.Option(min=1, max=1024, help="Processor threads (default: all cores).")] = None,
    token_file: Annotated[
        Path | None, typer.Option(help="Ask for the token in this file (or in GAN_SERVE_TOKEN) with every request.")
    ] = None,
    allow_origin: Annotated[
        list[str] | None,
        typer.Option(metavar="ORIGIN", help="Let pages of this origin call it from a browser (may be repeated; * is all)."),
    ] = None,
    root_path: Annotated[
        str, typer.Option(metavar="PREFIX", help="The path under which a proxy shows the service, like /gan.")
    ] = "",
    max_waiting: Annotated[int, typer.Option(min=1, help="Pictures in the queue before 429.")] = 2048,
    max_pictures: Annotated[int, typer.Option(min=1, help="Pictures in one request.")] = 256,
    per_client: Annotated[int, typer.Option(min=1, help="Requests of one address at the same time.")] = 64,
    deadline: Annotated[float, typer.Option(min=0.1, help="Seconds for a request before 504.")] = 30.0,
    ray: Annotated[
        bool, typer.Option("--ray", help="Draw on the Ray cluster of RAY_ADDRESS, or on one of this machine.")
    ] = False,
    replicas: Annotated[str, typer.Option(metavar="MIN[-MAX]", help="With --ray: engines for each bundle.")] = "1-4",
    debug: Debug = False,
) -> None:
    """Answer HTTP requests for pictures: curl http://127.0.0.1:8000/v1/images/42.png -o 42.png

    Documentation is at /docs. Ctrl-C or SIGTERM answers what was accepted and ends.
    """
    from gansample.cli.serve import parse_replicas, read_token, run_service
    from gansample.http.browser import check_origin, check_root_path
    from gansample.http.settings import Settings
    from gansample.sampling.options import EngineOptions

    settings = Settings(
        engine=EngineOptions(backend=backend, precision=precision, threads=threads),
        token=read_token(token_file),
        allow_origins=tuple(check_origin(origin) for origin in allow_origin or ()),
        root_path=check_root_path(root_path),
        max_waiting=max_waiting,
        max_pictures=max_pictures,
        per_client=per_client,
        deadline=deadline,
    )
    run_service(bundle or [], settings, host=host, port=port, replicas=parse_replicas(replicas) if ray else None)


@app.command()
def export_triton(
    bundle: Annotated[Path, typer.Argument(help="A bundle folder or name.")],
    out: Annotated[Path, typer.Argument(help="The folder to write.")],
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
