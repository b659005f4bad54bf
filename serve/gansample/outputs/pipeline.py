"""Latents, drawing, encoding and writing, overlapped.

    latents ──▶ runner ──▶ encoders ──▶ output
    (ahead)     (here)     (threads)    (one thread, in order)

The queues between them are bounded, so memory does not grow with the number of pictures, and the slowest stage sets the pace.
Threads are enough: the runtime, libdeflate and NumPy all release the interpreter's lock while they work.
"""

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from gansample.errors import OutputError
from gansample.outputs.base import Output
from gansample.outputs.forms import STDOUT
from gansample.outputs.job import Batch, Job, PictureInputs
from gansample.system.atomic import cannot_write
from gansample.system.signals import delayed_signals, raise_pending
from gansample.system.streams import stdout_error
from gansample.types import Images

if TYPE_CHECKING:
    from concurrent.futures import Executor, Future
    from queue import Queue

    from gansample.sampling.sampler import Sampler
    from gansample.sampling.styles import ToStylesAtPsi

MAX_ENCODERS = 8
OnProgress = Callable[[int], None]  # is called with how many pictures are written so far


def draw_into(
    output: Output[Any], job: Job, sampler: "Sampler", *, batch: int, on_progress: OnProgress = lambda done: None
) -> int:
    """Draw what `output` does not have yet, `batch` pictures at a time, and return how many pictures that were.

    on_progress  is called, from another thread, with how many are written so far.

    Raises OutputError where they cannot be written, with how to resume if something was kept. After any error or interruption
    no unfinished file stands under its final name; what was kept is then a note on the exception.
    """
    with delayed_signals():
        try:
            output.check(job)
            positions = output.open(job)
            if len(positions):
                _draw(output, job, sampler, positions, batch, on_progress)
            output.finish()
        except BaseException as error:
            note = output.abort()
            if isinstance(error, OSError):
                raise _cannot_write(output, error, note) from error
            if note:
                error.add_note(note)
            raise
    return len(positions)


def _cannot_write(output: Output[Any], error: OSError, note: str) -> OutputError:
    if output.path == STDOUT:
        return stdout_error(error)
    failure = cannot_write(output.path, error)
    return OutputError(str(failure), note) if note else failure


def _draw(
    output: Output[Any], job: Job, sampler: "Sampler", positions: Sequence[int], batch: int, on_progress: OnProgress
) -> None:
    mapping = sampler.styles if job.spec.mapping is not None else None

    def draw(part: Sequence[int], inputs: PictureInputs) -> Batch:
        return Batch(part, sampler.draw_rows(inputs.rows, inputs.label), inputs.labels)

    def encode(raw: Batch) -> Any:
        return output.encode(Batch(raw.positions, _upscaled(raw.images, job.upscale), raw.labels))

    if len(positions) <= batch:  # a grid of 64: threads would cost more than they gain
        output.write(encode(draw(positions, job.inputs(positions, mapping))))
        on_progress(len(positions))
        return
    from concurrent.futures import ThreadPoolExecutor
    from queue import Queue

    encoders = max(1, min(MAX_ENCODERS, os.cpu_count() or 1))
    queue: Queue[tuple[int, Future[Any]] | None] = Queue(maxsize=2 * encoders)
    with ThreadPoolExecutor(encoders + 1) as pool, _Writer(output, queue, on_progress) as writer:
        for part, inputs in _prefetched(pool, job, mapping, positions, batch):
            raise_pending()
            if writer.error is not None:
                break
            queue.put((len(part), pool.submit(encode, draw(part, inputs))))
    if writer.error is not None:
        raise writer.error


class _Writer:
    """The thread that writes, in order. After an error it keeps emptying the queue, so that nobody waits for ever."""

    def __init__(self, output: Output[Any], queue: "Queue[tuple[int, Future[Any]] | None]", on_progress: OnProgress) -> None:
        self._output, self._queue, self._on_progress = output, queue, on_progress
        self.error: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="gansample-writer", daemon=True)

    def __enter__(self) -> "_Writer":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        done = 0
        while (item := self._queue.get()) is not None:
            if self.error is not None:
                continue
            count, encoded = item
            try:
                self._output.write(encoded.result())
                done += count
                self._on_progress(done)
            except Exception as error:
                self.error = error


def _prefetched(
    pool: "Executor", job: Job, mapping: "ToStylesAtPsi | None", positions: Sequence[int], batch: int
) -> Iterator[tuple[Sequence[int], PictureInputs]]:
    """Each part with its latents or styles and its labels, prepared while the one before is drawn."""
    before: tuple[Sequence[int], Future[PictureInputs]] | None = None
    for start in range(0, len(positions), batch):
        part = positions[start : start + batch]
        coming = part, pool.submit(job.inputs, part, mapping)
        if before is not None:
            yield before[0], before[1].result()
        before = coming
    if before is not None:
        yield before[0], before[1].result()


def _upscaled(images: Images, factor: int) -> Images:
    """Every pixel as factor × factor of them."""
    return images if factor == 1 else images.repeat(factor, axis=1).repeat(factor, axis=2)
