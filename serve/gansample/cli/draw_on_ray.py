"""`gansample --ray`: connect, choose the engine, write the shards."""

import os
import time
from dataclasses import replace

from gansample.cli.draw_report import DrawReport
from gansample.errors import UsageError
from gansample.outputs.options import DrawOptions
from gansample.sampling.options import EngineOptions

SHARD = 10_000  # pictures; some 30 MB of DCGAN-64 as PNG


def draw_on_ray(options: DrawOptions, *, quiet: bool) -> DrawReport:
    """As `draw.draw`; `out` is a path or an address that fsspec knows.

    Raises GansampleError, before anything is written, for whatever cannot be done.
    """
    from gansample.bundle.open import open_bundle
    from gansample.cli.info import check_classes
    from gansample.cli.progress import Progress
    from gansample.outputs.job import Job, job_from_options, selection_from_options
    from gansample.ray.connect import connect
    from gansample.ray.resumable_job import check_resumable, job_record
    from gansample.ray.store import Store
    from gansample.runtimes.backends import BACKEND_OF
    from gansample.sampling.sampler import UNCHOSEN, Engine
    from gansample.sampling.selection import check_unique_names

    started = time.perf_counter()
    wanted, output, kind = options.engine, options.output, options.form
    assert output.out is not None, "checked first"
    bundle = open_bundle(wanted.bundle)
    if options.selection.of_class is not None:
        check_classes(options.selection.of_class, bundle)
    size = output.shard or SHARD
    selection = selection_from_options(options.selection, bundle.spec)
    check_unique_names(selection)

    def job_of(engine: Engine) -> Job:
        return job_from_options(options, bundle, engine, selection=selection, upscale=output.upscale or 1)

    record = job_record(job_of(UNCHOSEN), size, kind)  # compared without the engine
    existing = check_resumable(Store(output.out), record, force=output.force, resume=output.resume)
    resumed = existing["identity"] if existing is not None and output.resume else {}
    ray = connect(cpus=max(os.cpu_count() or 1, (wanted.workers or 1) * (wanted.threads or 1)))
    from gansample.ray.bulk import write_shards
    from gansample.ray.engine import choose_engine, worker_options

    if wanted.backend == "auto":
        wanted = replace(wanted, backend=BACKEND_OF.get(resumed.get("backend", ""), "auto"))
    options = replace(options, engine=worker_options(wanted, bundle))
    engine = choose_engine(ray, bundle.sha256, options.engine, variant=resumed.get("variant"), pictures=len(selection))
    job = job_of(engine)
    room = int(min(ray.cluster_resources().get(name, 0) // amount for name, amount in _needed(options.engine).items()))
    if wanted.workers is not None and wanted.workers > room:
        raise UsageError(f"--workers {wanted.workers} is more than the cluster has room for, {room}", "see: ray status")
    workers = wanted.workers or max(1, room)
    opened = time.perf_counter()
    with Progress(len(job), quiet) as progress:
        drawn = write_shards(options, job, bundle.sha256, engine.variant, size=size, workers=workers, on_progress=progress.done)
    ended = time.perf_counter()
    return DrawReport(
        out=output.out,
        format=kind,
        n=len(job),
        drawn=drawn,
        bundle=str(bundle.path),
        model=bundle.spec.name,
        model_sha256=bundle.sha256,
        backend=engine.backend,
        variant=engine.variant,
        why=engine.why,
        notes=job.notes,
        workers=workers,
        seconds={"open": round(opened - started, 4), "draw": round(ended - opened, 4)},
    )


def _needed(options: EngineOptions) -> dict[str, float]:
    """The resources of one engine, by their names in a cluster."""
    from gansample.ray.engine import actor_resources

    return {{"num_cpus": "CPU", "num_gpus": "GPU"}[name]: amount for name, amount in actor_resources(options).items()}
