"""`gansample --n 64 out.png`: draw pictures from an exported generator.

Only the standard library and Typer are imported before the arguments are understood: numpy and the runtime wait until there is
something to draw.
"""

import json
import sys
import time
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

import gansample
from gansample import console
from gansample.errors import UsageError

MIN_VIDEO_SIDE = 256  # pixels: smaller videos are a stamp on today's screens

app = typer.Typer(add_completion=True, rich_markup_mode=None, pretty_exceptions_enable=False)


def main() -> NoReturn:
    console.run(app, "gansample")


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"gansample {gansample.__version__}")
        raise typer.Exit


@app.command(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Same seed, same picture: whatever the batch size, the machine or the day.",
)
def sample(
    out: Annotated[
        Path | None,
        typer.Argument(
            metavar="OUT",
            help="Its ending decides: .png .webp .jpg a grid; .mp4 .webm .gif a video; "
            ".npz .npy .tar .zip; a folder; - is stdout.",
        ),
    ] = None,
    n: Annotated[int | None, typer.Option("--n", "-n", help="Number of pictures (default 64).")] = None,
    seed: Annotated[int | None, typer.Option(help="First seed; picture k has seed SEED + k (default 0).")] = None,
    seeds: Annotated[str | None, typer.Option(help="Exactly these seeds, like 0-35,40.")] = None,
    of_class: Annotated[
        str | None, typer.Option("--class", metavar="NAME|INDEX[,…]", help="Draw this class, or these in turn (default: all).")
    ] = None,
    truncation: Annotated[
        float | None, typer.Option(help="Redraw latent components beyond ±T: below 2 fewer odd pictures, near 0 all alike.")
    ] = None,
    walk: Annotated[str | None, typer.Option(help="A way through these seeds, like 1,7,42.")] = None,
    frames: Annotated[int | None, typer.Option(min=1, max=100_000, help="From one seed of a walk to the next (60).")] = None,
    loop: Annotated[bool, typer.Option("--loop", help="Let the walk end where it begins.")] = False,
    around: Annotated[int | None, typer.Option(metavar="SEED", help="Variations of this picture.")] = None,
    radius: Annotated[float | None, typer.Option(help="How far they stray, above 0 to 1 (0.3).")] = None,
    mix: Annotated[str | None, typer.Option(metavar="A+B-C[,…]", help="Latent arithmetic on seeds.")] = None,
    latents: Annotated[Path | None, typer.Option(metavar="Z.npy", help="Your own latents, float (N, size).")] = None,
    bundle: Annotated[
        Path | None, typer.Option(help="Bundle folder, .onnx or name (default: the newest under artifacts/, else fashion).")
    ] = None,
    backend: Annotated[str, typer.Option(help="auto, onnxruntime, openvino, cuda or tensorrt.")] = "auto",
    precision: Annotated[
        str, typer.Option(help="exact: within one 8-bit step of PyTorch; fast: the quickest that passed its gate.")
    ] = "exact",
    batch: Annotated[int, typer.Option(min=1, max=4096, help="Pictures per run of the model; changes speed only.")] = 64,
    threads: Annotated[int | None, typer.Option(min=1, max=1024, help="Processor threads (default: all cores).")] = None,
    format_: Annotated[
        str | None, typer.Option("--format", help="What OUT's ending would say; also folder, and rgb24: raw frames.")
    ] = None,
    grid: Annotated[str, typer.Option(help="Columns x rows, like 8x4, or auto.")] = "auto",
    pad: Annotated[int, typer.Option(min=0, max=256, help="Pixels between the pictures of a grid.")] = 2,
    upscale: Annotated[int | None, typer.Option(min=1, max=64, help="Every pixel as N x N (videos: up to 256).")] = None,
    fps: Annotated[int, typer.Option(min=1, max=120, help="Frames a second of a video.")] = 30,
    shard: Annotated[int | None, typer.Option(min=1, help="Pictures per .tar: OUT-000000.tar, OUT-000001.tar …")] = None,
    force: Annotated[bool, typer.Option("--force", "-f", help="Replace what exists.")] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with an interrupted folder or .tar.")] = False,
    no_metadata: Annotated[bool, typer.Option("--no-metadata", help="Leave seeds and model out of the files.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was done as JSON on stdout.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show a traceback where something fails.")] = False,
    version: Annotated[bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print it.")] = False,
) -> None:
    """Draw pictures from an exported generator.

    \b
    gansample --n 64 out.png                       an 8 x 8 grid of seeds 0 to 63
    gansample --seeds 7,42,1000-1004 few.webp      these seeds, in this order
    gansample --n 50000 pictures.tar               WebDataset; --resume goes on after an interruption
    gansample --walk 1,7,42 --loop walk.mp4        a way through three seeds and back
    gansample --around 7 --n 16 like-seven.png     sixteen variations of one picture
    gansample --n 4 - | display                    a PNG on stdout
    """  # fmt: skip
    started = time.perf_counter()
    from gansample.outputs.forms import STDOUT, VIDEOS, Form, check_path, form_of
    from gansample.which import Which

    if out is None:
        raise UsageError("say where the pictures go", "for example out.png, pictures/ or - for stdout")
    form = Form(form_of(out, format_), grid=grid, pad=pad, fps=fps, shard=shard, force=force, resume=resume)
    check_path(out, form)
    if as_json and out == STDOUT:
        raise UsageError("--json and the pictures cannot share stdout", "write them to a file")
    which = Which(n=n, seed=seed, seeds=seeds, walk=walk, frames=frames, loop=loop, around=around, radius=radius, mix=mix,
                  latents=latents)  # fmt: skip

    from gansample.bundle import open_bundle
    from gansample.classes import parse_classes
    from gansample.latents import LatentSpace
    from gansample.metadata import picture_metadata
    from gansample.outputs.base import Job
    from gansample.outputs.open import open_output
    from gansample.pipeline import draw_into
    from gansample.progress import Progress
    from gansample.runners import BACKEND_OF, silent
    from gansample.sampler import open_sampler

    model = open_bundle(bundle)
    spec = model.spec
    selection = which.selection(LatentSpace(spec.latent_size, spec.distribution, truncation))
    wanted = parse_classes(of_class, spec.classes) if of_class is not None else None
    output = open_output(out, form)
    begun = output.begun() or {}  # what is gone on with is drawn by the engine that began it
    if backend == "auto":
        backend = BACKEND_OF.get(begun.get("backend", ""), backend)
    say = silent if quiet else _say
    with open_sampler(
        model, backend, threads, variant=begun.get("variant"), precision=precision, pictures=len(selection), say=say
    ) as sampler:  # fmt: skip
        opened = time.perf_counter()
        sampler.why = begun.get("why", sampler.why)
        upscale = upscale or (_video_scale(spec.height, spec.width) if form.kind in VIDEOS else 1)
        about = picture_metadata(sampler, {"truncation": truncation, "upscale": upscale if upscale > 1 else None})
        job = Job(selection, spec, wanted, upscale, about, remember=not no_metadata)
        with Progress(len(job), quiet) as progress:
            drawn = draw_into(output, job, sampler, batch=batch, drawn=progress.done)
        ended = time.perf_counter()
        report: dict[str, Any] = {
            "out": str(out),
            "format": form.kind,
            "n": len(job),
            "drawn": drawn,
            "bundle": str(model.path),
            "model": spec.name,
            "model_sha256": model.sha256,
            "backend": sampler.runner.backend,
            "variant": sampler.runner.variant,
            "why": sampler.why,
            "seconds": {"open": round(opened - started, 4), "draw": round(ended - opened, 4)},
        }
    if as_json:
        print(json.dumps(report))
    elif not quiet:
        _say_done(report, precision)


def _say(message: str) -> None:
    print(f"gansample: {message}", file=sys.stderr)


def _say_done(report: dict[str, Any], precision: str) -> None:
    noun = "picture" if report["n"] == 1 else "pictures"
    seconds = sum(report["seconds"].values())
    engine = report["variant"] if precision == "fast" else report["backend"]
    left = f", {report['n'] - report['drawn']:,} were there" if report["drawn"] < report["n"] else ""
    words = f"{report['n']:,} {noun} of {report['model']} in {report['out']} ({engine}, {seconds:.2f} s{left})"
    print(words, file=sys.stderr)


def _video_scale(height: int, width: int) -> int:
    return max(1, -(-MIN_VIDEO_SIDE // min(height, width)))
