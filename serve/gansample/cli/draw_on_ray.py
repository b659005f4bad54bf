"""`gansample --ray`, once its options are parsed: connect, choose the engine, write the shards, report."""

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from gansample.errors import UsageError
from gansample.sampling.options import Which

SHARD = 10_000  # pictures; some 30 MB of DCGAN-64 as PNG


def draw_on_cluster(
    out: str,
    which: Which,
    *,
    of_class: str | None,
    truncation: float | None,
    bundle: Path | None,
    backend: str,
    precision: str,
    batch: int,
    threads: int | None,
    format_: str | None,
    upscale: int | None,
    shard: int | None,
    force: bool,
    resume: bool,
    remember: bool,
    as_json: bool,
    quiet: bool,
    workers: int | None,
) -> None:
    """The arguments are the options of the command line; `out` is a path or an address that fsspec knows.

    Raises GansampleError, before anything is written, for whatever cannot be done.
    """
    from gansample.bundle.open import open_bundle
    from gansample.cli.progress import Progress
    from gansample.outputs.base import Job
    from gansample.outputs.metadata import picture_metadata
    from gansample.outputs.tar import check_seeds
    from gansample.ray.connect import connect
    from gansample.ray.resumable_job import check_resumable, job_record
    from gansample.ray.shards import KINDS
    from gansample.ray.store import Store
    from gansample.runtimes.backends import BACKEND_OF
    from gansample.sampling.classes import parse_classes
    from gansample.sampling.sampler import Engine

    started = time.perf_counter()
    kind = format_ or out.rpartition(".")[2].lower()
    if kind not in KINDS:
        raise UsageError(f"{out} is no .tar and no .parquet", "--ray writes shards of those: name one, or leave --ray out")
    model = open_bundle(bundle)
    spec, threads, size = model.spec, threads or 1, shard or SHARD
    selection = which.selection(spec.latent_space(truncation))
    check_seeds(selection)
    wanted = parse_classes(of_class, spec.classes) if of_class is not None else None

    def job_of(engine: Engine) -> Job:
        about = picture_metadata(model, engine, {"truncation": truncation, "upscale": upscale})
        return Job(selection, spec, wanted, upscale or 1, about, remember=remember)

    nobody = Engine("", "", "")
    existing = check_resumable(Store(out), job_record(job_of(nobody), size, kind), force=force, resume=resume)
    resumed = existing["identity"] if existing is not None and resume and not force else {}
    ray = connect(cpus=max(os.cpu_count() or 1, (workers or 1) * threads))
    from gansample.ray.bulk import write_shards
    from gansample.ray.engine import actor_resources, choose_engine

    backend = BACKEND_OF.get(resumed.get("backend", ""), backend) if backend == "auto" else backend
    resources = actor_resources(backend, threads)
    wishes: dict[str, Any] = {"backend": backend, "threads": threads, "precision": precision, "pictures": len(selection)}
    engine = choose_engine(ray, model, resources, {**wishes, "variant": resumed.get("variant")})
    job = job_of(engine)
    room = int(min(ray.cluster_resources().get(name, 0) // amount for name, amount in _cluster_names(resources).items()))
    if workers is not None and workers > room:
        raise UsageError(f"--workers {workers} is more than the cluster has room for, {room}", "see: ray status")
    opened = time.perf_counter()
    with Progress(len(job), quiet) as progress:
        drawn = write_shards(
            out, job, model, {"backend": backend, "threads": threads, "variant": engine.variant},
            kind=kind, size=size, workers=workers or max(1, room), batch=batch, force=force, resume=resume,
            drawn=progress.done,
        )  # fmt: skip
    ended = time.perf_counter()
    report = {
        "out": out,
        "format": kind,
        "n": len(job),
        "drawn": drawn,
        "bundle": str(model.path),
        "model": spec.name,
        "model_sha256": model.sha256,
        "backend": engine.backend,
        "variant": engine.variant,
        "why": engine.why,
        "workers": workers or max(1, room),
        "seconds": {"open": round(opened - started, 4), "draw": round(ended - opened, 4)},
    }
    if as_json:
        print(json.dumps(report))
    elif not quiet:
        left = f", {len(job) - drawn:,} were there" if drawn < len(job) else ""
        words = f"{len(job):,} pictures of {spec.name} in {out} ({engine.variant}, {ended - started:.1f} s{left})"
        print(words, file=sys.stderr)


def _cluster_names(resources: dict[str, Any]) -> dict[str, float]:
    """By the names of Ray's cluster resources."""
    return {{"num_cpus": "CPU", "num_gpus": "GPU"}[name]: amount for name, amount in resources.items()}
