"""`gansample --n 64 out.png`: draw pictures from an exported generator.

Only the standard library and Typer are imported before the arguments are understood: numpy, Pillow and the runtime wait
until there is something to draw.
"""

import json
import os
import sys
import time
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

import gansample
from gansample import console
from gansample.errors import OutputError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from gansample.sampler import Sampler

MAX_PICTURES = 10_000_000  # in one run; past this a typo is likelier than a wish
STDOUT = Path("-")

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


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
    out: Annotated[Path | None, typer.Argument(metavar="OUT", help="A .png file for the grid, or - for stdout.")] = None,
    n: Annotated[int | None, typer.Option("--n", "-n", help="Number of pictures (default 64).")] = None,
    seed: Annotated[int | None, typer.Option(help="First seed; picture k has seed SEED + k (default 0).")] = None,
    seeds: Annotated[str | None, typer.Option(help="Exactly these seeds, like 0-35,40.")] = None,
    of_class: Annotated[
        str | None, typer.Option("--class", metavar="NAME|INDEX[,…]", help="Draw this class, or these in turn (default: all).")
    ] = None,
    out_dir: Annotated[Path | None, typer.Option(help="Write single pictures seed0000042.png here instead of a grid.")] = None,
    grid: Annotated[str, typer.Option(help="Columns x rows, like 8x4, or auto.")] = "auto",
    bundle: Annotated[
        Path | None, typer.Option(help="Bundle folder, .onnx or name (default: the newest under artifacts/, else fashion).")
    ] = None,
    backend: Annotated[str, typer.Option(help="auto, onnxruntime, openvino, cuda or tensorrt.")] = "auto",
    batch: Annotated[int, typer.Option(min=1, max=4096, help="Pictures per run of the model; changes speed only.")] = 64,
    threads: Annotated[int | None, typer.Option(min=1, max=1024, help="Processor threads (default: all cores).")] = None,
    force: Annotated[bool, typer.Option("--force", "-f", help="Replace an existing file.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was done as JSON on stdout.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show a traceback where something fails.")] = False,
    version: Annotated[bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print it.")] = False,
) -> None:
    """Draw pictures from an exported generator.

    \b
    gansample --n 64 out.png                     an 8 x 8 grid of seeds 0 to 63
    gansample --seeds 7,42,1000-1004 few.png     these seeds, in this order
    gansample --n 500 --out-dir pictures         one file a picture
    gansample --n 4 - | display                  a PNG on stdout
    """
    started = time.perf_counter()
    wanted = _which_seeds(n, seed, seeds)
    _check_target(out, out_dir, force, as_json)

    from gansample.classes import parse_classes
    from gansample.grid import check_grid_size, grid_shape
    from gansample.runners import silent
    from gansample.sampler import open_sampler

    layout = grid_shape(len(wanted), grid) if out is not None else None
    with open_sampler(bundle, backend, threads, say=silent if quiet else _say) as sampler:
        opened = time.perf_counter()
        labels = parse_classes(of_class, sampler.spec.classes) if of_class is not None else None
        if out is not None and layout is not None:
            check_grid_size(*layout, sampler.spec.height, sampler.spec.width)
            _write_grid(sampler, wanted, labels, layout, out, force=force, batch=batch)
        elif out_dir is not None:
            _write_folder(sampler, wanted, labels, out_dir, force=force, batch=batch, quiet=quiet)
        ended = time.perf_counter()
        report: dict[str, Any] = {
            "out": str(out if out is not None else out_dir),
            "n": len(wanted),
            "bundle": str(sampler.bundle.path),
            "model": sampler.spec.name,
            "model_sha256": sampler.bundle.sha256,
            "backend": sampler.runner.backend,
            "variant": sampler.runner.variant,
            "seconds": {"open": round(opened - started, 4), "draw": round(ended - opened, 4)},
        }
    if as_json:
        print(json.dumps(report))
    elif not quiet:
        noun = "picture" if len(wanted) == 1 else "pictures"
        print(
            f"{len(wanted):,} {noun} of {report['model']} in {report['out']} "
            f"({report['backend']}, {ended - started:.2f} s)",
            file=sys.stderr,
        )  # fmt: skip


def _say(message: str) -> None:
    print(f"gansample: {message}", file=sys.stderr)


def _which_seeds(n: int | None, seed: int | None, seeds: str | None) -> "Seeds":
    from gansample.latents import SEED_END, parse_seeds

    if seeds is not None:
        if n is not None or seed is not None:
            raise UsageError("--seeds names every picture already", "leave out --n and --seed")
        wanted = Seeds(parse_seeds(seeds))
    else:
        n, seed = 64 if n is None else n, seed or 0
        if n < 1:
            raise UsageError(f"--n is {n}", "ask for at least 1 picture")
        if not 0 <= seed < SEED_END:
            raise UsageError(f"seed {seed} is outside 0..{SEED_END - 1}", "choose a seed in that range")
        if seed + n > SEED_END:
            raise UsageError(f"--n {n} from seed {seed} runs past the last seed, {SEED_END - 1}", "ask for fewer pictures")
        wanted = Seeds([range(seed, seed + n)])
    if len(wanted) > MAX_PICTURES:
        raise UsageError(f"{len(wanted):,} pictures are more than {MAX_PICTURES:,}", "split the seeds over several runs")
    return wanted


class Seeds:
    """Seeds in the order they were asked for, kept as ranges so that ten million weigh nothing."""

    def __init__(self, spans: list[range]) -> None:
        self.spans = spans

    def __len__(self) -> int:
        return sum(len(span) for span in self.spans)

    def __iter__(self) -> "chain[int]":
        return chain.from_iterable(self.spans)


def _check_target(out: Path | None, out_dir: Path | None, force: bool, as_json: bool) -> None:
    """Refuse what cannot be written before anything is loaded, so that a mistake costs no time."""
    if (out is None) == (out_dir is None):
        raise UsageError("say where the pictures go", "one of OUT.png, - or --out-dir FOLDER")
    if out_dir is not None:
        if out_dir.exists() and not out_dir.is_dir():
            raise OutputError(f"{out_dir} is no folder", "give --out-dir a folder")
        if not out_dir.absolute().parent.is_dir():
            raise OutputError(f"{out_dir.parent} does not exist", f"create it first: mkdir -p {out_dir.parent}")
    elif out == STDOUT:
        if as_json:
            raise UsageError("--json and the picture cannot share stdout", "write the picture to a file")
        if sys.stdout.isatty():
            raise UsageError("a PNG on a terminal is unreadable", "pipe it into a program, or name a file")
    elif out is not None:
        if out.suffix.lower() != ".png":
            raise UsageError(f"{out} does not end in .png", "name a .png file, - for stdout, or use --out-dir FOLDER")
        if out.is_dir():
            raise OutputError(f"{out} is a folder", "name a file, or use --out-dir")
        if not out.absolute().parent.is_dir():
            raise OutputError(f"{out.parent} does not exist", f"create it first: mkdir -p {out.parent}")
        if out.exists() and not force:
            raise OutputError(f"{out} exists", "pass --force to replace it")


Labels = tuple[int, ...] | None
"""The classes that were asked for, which take turns; None where none were."""


def _write_grid(
    sampler: "Sampler", wanted: Seeds, labels: Labels, layout: tuple[int, int], out: Path, *, force: bool, batch: int
) -> None:
    import numpy as np

    from gansample.atomic import write_atomic
    from gansample.grid import make_grid
    from gansample.png import encode_png, picture_metadata

    columns, rows = layout
    images = np.concatenate(list(sampler.stream(wanted, labels=_labels(sampler, wanted, labels), batch=batch)))
    asked = ",".join(_names(sampler, labels)) if labels else None
    metadata = picture_metadata(sampler, list(wanted), **{"class": asked}, grid=f"{columns}x{rows}")
    data = encode_png(make_grid(images, columns, rows), metadata)
    if out == STDOUT:
        _write_stdout(data)
    else:
        write_atomic(out, data, overwrite=force)


def _write_stdout(data: bytes) -> None:
    try:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    except OSError as error:
        # Python would complain once more when it flushes stdout at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise OutputError(f"cannot write to stdout ({error.strerror})", "the reader has left or is full") from None


def _labels(sampler: "Sampler", wanted: Seeds, labels: Labels) -> "Iterator[int] | None":
    from gansample.classes import labels_for

    return labels_for(wanted, sampler.spec.classes, labels)


def _names(sampler: "Sampler", labels: "Iterable[int]") -> "Iterator[str]":
    classes = sampler.spec.classes or ()
    return (classes[label] for label in labels)


def _write_folder(
    sampler: "Sampler", wanted: Seeds, labels: Labels, folder: Path, *, force: bool, batch: int, quiet: bool
) -> None:
    from gansample.atomic import cannot_write, write_atomic
    from gansample.png import encode_png, picture_metadata

    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise cannot_write(folder, error) from error
    present = set() if force else {path.name for path in folder.iterdir()}
    if present and (taken := next((seed for seed in wanted if _picture_name(seed) in present), None)) is not None:
        raise OutputError(f"{folder / _picture_name(taken)} exists", "pass --force to replace it")
    seeds, classes = iter(wanted), _names(sampler, _labels(sampler, wanted, labels) or ())
    stream = sampler.stream(wanted, labels=_labels(sampler, wanted, labels), batch=batch)
    for images in _with_progress(stream, len(wanted), quiet):
        for image, seed in zip(images, seeds, strict=False):
            data = encode_png(image, picture_metadata(sampler, [seed], **{"class": next(classes, None)}))
            write_atomic(folder / _picture_name(seed), data, overwrite=force)


def _picture_name(seed: int) -> str:
    return f"seed{seed:07d}.png"


def _with_progress(batches: Any, total: int, quiet: bool) -> Any:
    """Pass the batches through; on a terminal, show rate and time left for anything that takes a while."""
    if quiet or total < 2_000 or not sys.stderr.isatty():
        yield from batches
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]}"), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task, started, done = progress.add_task("", total=total, rate=""), time.perf_counter(), 0
        for images in batches:
            yield images
            done += len(images)
            progress.update(task, completed=done, rate=f"{done / (time.perf_counter() - started):,.0f} img/s")
