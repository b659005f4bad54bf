"""What `gansample` does once its words are understood: open the bundle, draw, and say what was done.

Only the standard library is imported at first: numpy and the runtime wait until there is something to draw.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

from gansample.errors import UsageError
from gansample.outputs.forms import STDOUT, VIDEOS, Form, check_path, form_of
from gansample.sampling.options import Which

MIN_VIDEO_SIDE = 256  # pixels: smaller videos are a stamp on today's screens


def draw(
    out: Path | str | None = None,
    *,
    n: int | None = None,
    seed: int | None = None,
    seeds: str | None = None,
    of_class: str | None = None,
    truncation: float | None = None,
    walk: str | None = None,
    frames: int | None = None,
    loop: bool = False,
    around: int | None = None,
    radius: float | None = None,
    mix: str | None = None,
    latents: Path | None = None,
    bundle: Path | None = None,
    backend: str = "auto",
    precision: str = "exact",
    batch: int = 64,
    threads: int | None = None,
    format_: str | None = None,
    grid: str = "auto",
    pad: int = 2,
    upscale: int | None = None,
    fps: int = 30,
    shard: int | None = None,
    force: bool = False,
    resume: bool = False,
    no_metadata: bool = False,
    as_json: bool = False,
    quiet: bool = False,
    ray: bool = False,
    workers: int | None = None,
) -> None:
    """Draw pictures into `out`; the arguments are the options of the command line (`cli.py` tells what each means).

    Raises GansampleError, before anything is written, for whatever cannot be done.
    """
    started = time.perf_counter()
    if out is None:
        raise UsageError("say where the pictures go", "for example out.png, pictures/ or - for stdout")
    if ray or workers is not None:
        if not ray:
            raise UsageError("--workers belongs to --ray", "add --ray, or leave it out")
        from gansample.cli.draw_on_ray import draw_on_cluster

        which = Which(n=n, seed=seed, seeds=seeds, walk=walk, frames=frames, loop=loop, around=around, radius=radius, mix=mix,
                      latents=latents)  # fmt: skip
        draw_on_cluster(
            str(out), which, of_class=of_class, truncation=truncation, bundle=bundle, backend=backend, precision=precision,
            batch=batch, threads=threads, format_=format_, upscale=upscale, shard=shard, force=force, resume=resume,
            remember=not no_metadata, as_json=as_json, quiet=quiet, workers=workers,
        )  # fmt: skip
        return
    out = Path(out)
    form = Form(form_of(out, format_), grid=grid, pad=pad, fps=fps, shard=shard, force=force, resume=resume)
    check_path(out, form)
    if as_json and out == STDOUT:
        raise UsageError("--json and the pictures cannot share stdout", "write them to a file")
    which = Which(n=n, seed=seed, seeds=seeds, walk=walk, frames=frames, loop=loop, around=around, radius=radius, mix=mix,
                  latents=latents)  # fmt: skip

    from gansample.bundle.open import open_bundle
    from gansample.cli.log import log_to_stderr
    from gansample.cli.progress import Progress
    from gansample.outputs.base import Job
    from gansample.outputs.metadata import picture_metadata
    from gansample.outputs.open import open_output
    from gansample.outputs.pipeline import draw_into
    from gansample.runtimes.backends import BACKEND_OF
    from gansample.sampling.classes import parse_classes
    from gansample.sampling.sampler import open_sampler

    model = open_bundle(bundle)
    spec = model.spec
    selection = which.selection(spec.latent_space(truncation))
    wanted = parse_classes(of_class, spec.classes) if of_class is not None else None
    output = open_output(out, form)
    begun = output.begun() or {}  # what is gone on with is drawn by the engine that began it
    if backend == "auto":
        backend = BACKEND_OF.get(begun.get("backend", ""), backend)
    log_to_stderr("gansample", quiet)
    with open_sampler(
        model, backend, threads, variant=begun.get("variant"), precision=precision, pictures=len(selection)
    ) as sampler:  # fmt: skip
        opened = time.perf_counter()
        upscale = upscale or (_video_scale(spec.height, spec.width) if form.kind in VIDEOS else 1)
        about = picture_metadata(model, sampler.engine, {"truncation": truncation, "upscale": upscale if upscale > 1 else None})
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


def _say_done(report: dict[str, Any], precision: str) -> None:
    noun = "picture" if report["n"] == 1 else "pictures"
    seconds = sum(report["seconds"].values())
    engine = report["variant"] if precision == "fast" else report["backend"]
    left = f", {report['n'] - report['drawn']:,} were there" if report["drawn"] < report["n"] else ""
    words = f"{report['n']:,} {noun} of {report['model']} in {report['out']} ({engine}, {seconds:.2f} s{left})"
    print(words, file=sys.stderr)


def _video_scale(height: int, width: int) -> int:
    return max(1, -(-MIN_VIDEO_SIDE // min(height, width)))
