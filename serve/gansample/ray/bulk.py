"""`gansample --n 10000000 --ray OUT.tar`: shards drawn by Ray Data's workers, wherever they are.

Shard k holds the pictures k·S to (k+1)·S of the job, so its bytes do not depend on the number of workers, their machines or the
time: a worker that dies is replaced and its shard drawn again; after a driver that died, --resume draws the missing shards.
"""

import logging
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from gansample.errors import GansampleError, OutputError
from gansample.outputs.job import Job
from gansample.outputs.options import DrawOptions
from gansample.outputs.pipeline import draw_into
from gansample.ray.engine import actor_resources, open_on_worker
from gansample.ray.resumable_job import check_resumable, job_record
from gansample.ray.shards import open_shard
from gansample.ray.store import Store


class ShardWriter:
    """Runs in each of Ray Data's workers, with an engine of its own."""

    def __init__(self, options: DrawOptions, sha256: str, variant: str, job: Job, size: int) -> None:
        self._sampler = open_on_worker(options.engine, sha256, variant)
        self._options, self._job, self._size = options, job, size
        self._store = Store(_address(options))

    def __call__(self, rows: dict[str, Any]) -> dict[str, Any]:
        numbers = [int(number) for number in rows["item"]]
        return {"shard": np.array(numbers), "sha256": np.array([self._write(number) for number in numbers])}

    def _write(self, number: int) -> str:
        """Draw a shard, unless it is there: Ray Data may run a task twice."""
        if (known := self._store.digest(number)) is not None:
            return known
        shard = open_shard(self._options.form, shard_positions(number, self._size, len(self._job)))
        draw_into(shard, self._job, self._sampler, batch=self._options.engine.batch)
        return self._store.put(number, shard.data)


def _address(options: DrawOptions) -> str:
    assert options.output.out is not None, "checked first"
    return options.output.out


def shard_positions(number: int, size: int, total: int) -> range:
    return range(number * size, min((number + 1) * size, total))


def write_shards(
    options: DrawOptions, job: Job, sha256: str, variant: str, *, size: int, workers: int, on_progress: Callable[[int], None]
) -> int:
    """Draw the missing shards, and return how many pictures they have.

    options      with the engine as every worker opens it (`engine.worker_options`).
    sha256       of the bundle.
    variant      of the bundle, the same on all workers.
    size         pictures in each shard.
    on_progress  called with the number of pictures written so far.

    Raises OutputError before anything is drawn if another job is there, and later if a worker cannot write.
    """
    store, kind = Store(_address(options)), options.form
    force, resume = options.output.force, options.output.resume
    numbers = range(-(-len(job) // size))
    done: dict[int, str] = {}
    existing = check_resumable(store, job_record(job, size, kind), force=force, resume=resume)
    if existing is None:  # shards without their job's record are nobody's, so not this run's either
        if (left := sorted(store.digests(numbers))) and not force:
            raise OutputError(f"{store.path(left[0])} exists", "pass --force to replace it")
        store.clear(left)
    else:
        if force:  # the older job may have had more of them
            store.clear(range(-(-int(existing["pictures"]) // int(existing["shard"]))))
        else:
            done = store.digests(numbers)
            job = job.as_begun(existing["identity"]) or job
    record = job_record(job, size, kind)
    store.write_job(record)
    missing = [number for number in numbers if number not in done]
    before = count = sum(len(shard_positions(number, size, len(job))) for number in done)
    on_progress(count)
    if missing:
        arguments = (options, sha256, variant, job, size)
        resources = actor_resources(options.engine)
        try:
            for number, digest in _run_workers(missing, arguments, resources, min(workers, len(missing))):
                done[number] = digest
                count += len(shard_positions(number, size, len(job)))
                on_progress(count)
        except BaseException as error:
            error.add_note(f"{count:,} pictures are kept, the same command with --resume draws the rest")
            raise
    store.sweep()
    shards = [{"name": store.path(n).rpartition("/")[2], "sha256": done[n]} for n in numbers]
    store.write_job({**record, "shards": shards})
    return count - before


def _run_workers(
    missing: list[int], arguments: tuple[Any, ...], resources: dict[str, Any], workers: int
) -> Iterator[tuple[int, str]]:
    """Each shard's number and digest, in the order in which they are finished."""
    from ray import data

    logging.getLogger("ray.data").setLevel(logging.ERROR)
    context = data.DataContext.get_current()
    context.enable_progress_bars = False
    shards = data.from_items(missing, override_num_blocks=len(missing)).map_batches(
        ShardWriter,
        fn_constructor_args=arguments,
        batch_size=1,
        compute=data.ActorPoolStrategy(size=workers),
        **resources,
    )
    try:
        for row in shards.iter_rows():
            yield int(row["shard"]), str(row["sha256"])
    except Exception as error:
        raise _cause(error) from None


def _cause(error: BaseException) -> BaseException:
    """What a worker raised, unwrapped from Ray's own exceptions."""
    inner: BaseException | None = error
    while inner is not None:
        if isinstance(inner, GansampleError):
            return type(inner)(str(inner))
        inner = getattr(inner, "cause", None) or inner.__cause__
    return error
