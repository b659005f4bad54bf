"""What `gansample` does once its options are understood: open the bundle, draw, and say what was done.

Only the standard library is imported at first: numpy and the runtime wait until there is something to draw.
"""

import json
import sys
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from gansample.cli.draw_report import DrawReport
from gansample.errors import UsageError
from gansample.outputs.forms import GRIDS, STDOUT, VIDEOS, check_path
from gansample.outputs.options import DrawOptions

if TYPE_CHECKING:
    from gansample.cli.option_table import Command
    from gansample.outputs.job import Job

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
        for line in (*report.notes, report.summary()):
            print(line, file=sys.stderr)


def draw(options: DrawOptions, *, quiet: bool = True) -> DrawReport:
    """Draw what `options` say into what they say, here or on a Ray cluster.

    quiet  show no progress on stderr.

    Raises GansampleError, before anything is written, for whatever cannot be done.
    """
    form = options.form
    if options.output.out is None:
        raise UsageError("say where the pictures go", "for example out.png, pictures/ or - for stdout")
    if options.output.path == STDOUT and sys.stdout is not None and sys.stdout.isatty():
        raise UsageError("pictures are bytes, and stdout is a terminal", "name a file, or pipe them: gansample - > out.png")
    if options.engine.ray:
        from gansample.cli.draw_on_ray import draw_on_ray

        return draw_on_ray(options, quiet=quiet)
    started = time.perf_counter()

    from gansample.bundle.open import open_bundle
    from gansample.cli.progress import Progress
    from gansample.outputs.job import job_from_options
    from gansample.outputs.open import open_output
    from gansample.outputs.pipeline import draw_into
    from gansample.runtimes.backends import BACKEND_OF
    from gansample.sampling.engine_choice import check_backend
    from gansample.sampling.sampler import UNCHOSEN, open_sampler

    bundle = open_bundle(options.engine.bundle)
    if options.selection.of_class is not None:
        from gansample.cli.info import check_classes

        check_classes(options.selection.of_class, bundle)
    planned = job_from_options(options, bundle, UNCHOSEN)
    upscale = options.output.upscale or _default_upscale(options, planned)
    output = open_output(options)
    output.check(replace(planned, upscale=upscale))
    check_backend(options.engine.backend)
    # Last of what can be told before an engine is open: --force would only lead to the next mistake.
    check_path(options.output.out, form, replaceable=options.output.force or options.output.resume)
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
        pictures=len(planned),
    ) as sampler:
        opened = time.perf_counter()
        job = job_from_options(options, bundle, sampler.engine, selection=planned.selection, upscale=upscale)
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
            why="it began this job" if begun else sampler.why,
            device=sampler.engine.device,
            notes=job.notes,
            seconds={"open": round(opened - started, 4), "draw": round(ended - opened, 4)},
        )


def _default_upscale(options: DrawOptions, job: "Job") -> int:
    """The factor that makes a small sheet of several pictures, or a small video, large enough to look at."""
    if options.form in VIDEOS:
        return max(1, -(-MIN_VIDEO_SIDE // min(job.spec.height, job.spec.width)))
    if options.form not in GRIDS:
        return 1
    from gansample.outputs.sheet import SheetLayout

    return SheetLayout.of(job, options.output.grid, options.output.pad).upscale(job)
