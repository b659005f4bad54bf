"""What `gansample` does once its options are understood: open the bundle, draw, and say what was done.

Only the standard library is imported at first: numpy and the runtime wait until there is something to draw.
"""

import json
import sys
import time
from typing import TYPE_CHECKING

from gansample.cli.draw_report import DrawReport
from gansample.errors import UsageError
from gansample.outputs.forms import STDOUT, VIDEOS, check_path
from gansample.outputs.options import DrawOptions

if TYPE_CHECKING:
    from gansample.cli.option_table import Command

MIN_VIDEO_SIDE = 256  # pixels: smaller videos are a stamp on today's screens


def run_command(command: "Command") -> None:
    """Draw, and report on stdout or stderr as was asked. Raises GansampleError."""
    options, messages = command.draw, command.messages
    if messages.as_json and not options.engine.ray and options.output.out is not None and options.output.path == STDOUT:
        raise UsageError("--json and the pictures cannot share stdout", "write them to a file")
    from gansample.cli.log import log_to_stderr

    log_to_stderr("gansample", messages.quiet)
    report = draw(options, quiet=messages.quiet)
    if messages.as_json:
        print(json.dumps(report.to_dict()))
    elif not messages.quiet:
        engine = report.variant if options.engine.precision == "fast" or options.engine.ray else report.backend
        print(report.summary(engine), file=sys.stderr)


def draw(options: DrawOptions, *, quiet: bool = True) -> DrawReport:
    """Draw what `options` say into what they say, here or on a Ray cluster.

    quiet  show no progress on stderr.

    Raises GansampleError, before anything is written, for whatever cannot be done.
    """
    form = options.form
    if options.output.out is None:
        raise UsageError("say where the pictures go", "for example out.png, pictures/ or - for stdout")
    if options.engine.ray:
        from gansample.cli.draw_on_ray import draw_on_ray

        return draw_on_ray(options, quiet=quiet)
    started = time.perf_counter()
    check_path(options.output.out, form, replaceable=options.output.force or options.output.resume)

    from gansample.bundle.open import open_bundle
    from gansample.cli.progress import Progress
    from gansample.outputs.job import job_from_options, selection_from_options
    from gansample.outputs.open import open_output
    from gansample.outputs.pipeline import draw_into
    from gansample.runtimes.backends import BACKEND_OF
    from gansample.sampling.sampler import open_sampler

    bundle = open_bundle(options.engine.bundle)
    selection = selection_from_options(options.selection, bundle.spec)
    output = open_output(options)
    begun = output.resumable_job() or {}  # a resumed job is drawn by the engine that began it
    backend = options.engine.backend
    if backend == "auto":
        backend = BACKEND_OF.get(begun.get("backend", ""), backend)
    with open_sampler(
        bundle,
        backend,
        options.engine.threads,
        variant=begun.get("variant"),
        precision=options.engine.precision,
        pictures=len(selection),
    ) as sampler:
        opened = time.perf_counter()
        default_upscale = _video_scale(bundle.spec.height, bundle.spec.width) if form in VIDEOS else 1
        upscale = options.output.upscale or default_upscale
        job = job_from_options(options, bundle, sampler.engine, selection=selection, upscale=upscale)
        with Progress(len(job), quiet) as progress:
            drawn = draw_into(output, job, sampler, batch=options.engine.batch, on_progress=progress.done)
        ended = time.perf_counter()
        return DrawReport(
            out=options.output.out,
            format=form,
            n=len(job),
            drawn=drawn,
            bundle=str(bundle.path),
            model=bundle.spec.name,
            model_sha256=bundle.sha256,
            backend=sampler.runner.backend,
            variant=sampler.runner.variant,
            why=sampler.why,
            seconds={"open": round(opened - started, 4), "draw": round(ended - opened, 4)},
        )


def _video_scale(height: int, width: int) -> int:
    return max(1, -(-MIN_VIDEO_SIDE // min(height, width)))
