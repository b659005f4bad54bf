"""The grammar of `gansample`: every option, its help and its limits. What they do is in `drawing.py`."""

from pathlib import Path
from typing import Annotated, NoReturn

import typer

import gansample
from gansample.cli import console
from gansample.cli.draw import draw

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
        str | None,
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
    ray: Annotated[
        bool, typer.Option("--ray", help="Draw shards on a Ray cluster: .tar or .parquet, a path or an address like s3://…")
    ] = False,
    workers: Annotated[int | None, typer.Option(min=1, help="With --ray: engines (default: all there is room for).")] = None,
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
    where = out if ray or out is None else Path(out)  # an address like s3://… is no path
    draw(
        where, n=n, seed=seed, seeds=seeds, of_class=of_class, truncation=truncation, walk=walk, frames=frames, loop=loop,
        around=around, radius=radius, mix=mix, latents=latents, bundle=bundle, backend=backend, precision=precision,
        batch=batch, threads=threads, format_=format_, grid=grid, pad=pad, upscale=upscale, fps=fps, shard=shard, force=force,
        resume=resume, no_metadata=no_metadata, as_json=as_json, quiet=quiet, ray=ray, workers=workers,
    )  # fmt: skip
