"""What every form of output implements: it is asked whether it holds a job, opened, given pictures, finished or aborted."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

from gansample.outputs.job import Batch, Job

Encoded = TypeVar("Encoded")


class Output(Protocol[Encoded]):
    """One form of output. `encode` may run in several threads at once; all other methods are called from one, in order.

    `write` and `finish` may raise OSError: `draw_into` turns it into a message.
    """

    @property
    def path(self) -> Path:
        """The file or folder, for messages."""

    def resumable_job(self) -> Mapping[str, Any] | None:
        """The identity of the interrupted job that would be resumed, or None."""

    def check(self, job: Job) -> None:
        """Raise UsageError for a job that this form cannot hold, BackendUnavailable where nothing here encodes it."""

    def open(self, job: Job) -> Sequence[int]:
        """Get ready to write; returns the positions still to be drawn: all of them, but for what an interrupted run left."""

    def encode(self, batch: Batch) -> Encoded: ...

    def write(self, encoded: Encoded) -> None: ...

    def finish(self) -> None:
        """Everything is written: give the file its final name."""

    def abort(self) -> str:
        """Stop early, leaving no unfinished file under the final name. Returns what is kept and how to resume, or ''."""
