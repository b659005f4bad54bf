"""`gansample --n 10000000 --ray OUT.tar`: shards drawn by Ray Data's workers, wherever they are.

Shard k holds the pictures k·S to (k+1)·S of the job, so its bytes do not depend on how many draw, on where, or on when: a
worker that dies is replaced and its shard drawn again; a driver that dies leaves what was done, and --resume draws the rest.
"""

import logging
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from gansample.bundle.open import Bundle
from gansample.errors import GansampleError
from gansample.outputs.base import Job
from gansample.outputs.pipeline import draw_into
from gansample.ray.engine import open_there, place_of
from gansample.ray.resumable_job import begun_job, check_begun
from gansample.ray.shards import shard_of
from gansample.ray.store import Store


class ShardWriter:
    """One of Ray Data's workers: an engine, and the way to where shards go."""

    def __init__(
        self, path: str, sha256: str, wishes: dict[str, Any], job: Job, kind: str, size: int, address: str, batch: int
    ) -> None:
        self._sampler = open_there(path, sha256, wishes)
        self._job, self._kind, self._size, self._batch = job, kind, size, batch
        self._store = Store(address)

    def __call__(self, rows: dict[str, Any]) -> dict[str, Any]:
        numbers = [int(number) for number in rows["item"]]
        return {"shard": np.array(numbers), "sha256": np.array([self._write(number) for number in numbers])}

    def _write(self, number: int) -> str:
        """Draw the shard, unless it was drawn before this worker was asked again."""
        if (known := self._store.digest_of(number)) is not None:
            return known
        shard = shard_of(self._kind, positions_of(number, self._size, len(self._job)))
        draw_into(shard, self._job, self._sampler, batch=self._batch)
        return self._store.put(number, shard.data)


def positions_of(number: int, size: int, total: int) -> range:
    return range(number * size, min((number + 1) * size, total))


def draw_shards(
    address: str,
    job: Job,
    bundle: Bundle,
    wishes: dict[str, Any],
    *,
    kind: str,
    size: int,
    workers: int,
    batch: int,
    force: bool,
    resume: bool,
    drawn: Callable[[int], None],
) -> int:
    """Draw what is not there yet, and give how many pictures that were.

    wishes  what every worker opens the bundle with: backend, variant and threads, the same on all of them.
    drawn   hears how many are written so far.

    Raises OutputError before anything is drawn where another job stands there, and later where a worker cannot write.
    """
    store = Store(address)
    numbers = range(-(-len(job) // size))
    done: dict[int, str] = {}
    if (there := check_begun(store, begun_job(job, size, kind), force=force, resume=resume)) is not None:
        if force:  # the older job may have had more of them
            store.clear(range(-(-int(there["pictures"]) // int(there["shard"]))))
        else:
            done = store.done(numbers)
            job = job.as_begun(there["identity"]) or job
    begun = begun_job(job, size, kind)
    store.write_job(begun)
    left = [number for number in numbers if number not in done]
    before = count = sum(len(positions_of(number, size, len(job))) for number in done)
    drawn(count)
    if left:
        arguments = (str(bundle.path.resolve()), bundle.sha256, wishes, job, kind, size, address, batch)
        try:
            for number, sha256 in _drawn_by_workers(left, arguments, wishes, min(workers, len(left))):
                done[number] = sha256
                count += len(positions_of(number, size, len(job)))
                drawn(count)
        except BaseException as error:
            error.add_note(f"{count:,} pictures are kept, the same command with --resume goes on")
            raise
    store.sweep()
    shards = [{"name": store.path(n).rpartition("/")[2], "sha256": done[n]} for n in numbers]
    store.write_job({**begun, "shards": shards})
    return count - before


def _drawn_by_workers(
    left: list[int], arguments: tuple[Any, ...], wishes: dict[str, Any], workers: int
) -> Iterator[tuple[int, str]]:
    """Each shard's number and digest, as they are done."""
    from ray import data

    logging.getLogger("ray.data").setLevel(logging.ERROR)
    context = data.DataContext.get_current()
    context.enable_progress_bars = False
    shards = data.from_items(left, override_num_blocks=len(left)).map_batches(
        ShardWriter,
        fn_constructor_args=arguments,
        batch_size=1,
        compute=data.ActorPoolStrategy(size=workers),
        **place_of(wishes["backend"], wishes["threads"]),
    )
    try:
        for row in shards.iter_rows():
            yield int(row["shard"]), str(row["sha256"])
    except Exception as error:
        raise _ours(error) from None


def _ours(error: BaseException) -> BaseException:
    """What a worker raised, out of what Ray wraps around it."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, GansampleError):
            return type(seen)(str(seen))
        seen = getattr(seen, "cause", None) or seen.__cause__
    return error
