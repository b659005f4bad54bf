"""Several processes that train one generator: `torchrun --nproc-per-node N -m train …`, gloo on processors, nccl on GPUs.

Data parallel training in its plain form: every process holds the same weights, sees its own part of every batch, and
gradients are averaged before each step. torch's DistributedDataParallel wrapper would do the same, but a GAN is what it does
not fit: D is run twice before one backward pass, once more while it holds still, and is differentiated by its input for a
gradient penalty.
"""

import os
from collections.abc import Iterable
from datetime import timedelta
from types import TracebackType
from typing import Any, Self

import torch
from torch import Tensor
from torch import distributed as dist

from gansample.errors import GansampleError, UsageError

TIMEOUT = timedelta(minutes=30)  # the others wait while the first one scores pictures


class ProcessLost(GansampleError):
    """Another process of the group has ended; the last checkpoint is intact."""


class ProcessGroup:
    """The processes of a run, of which this is number `rank`; a group of one does nothing and costs nothing."""

    def __init__(self, rank: int = 0, size: int = 1, local_rank: int = 0) -> None:
        self.rank, self.size, self.local_rank = rank, size, local_rank

    @classmethod
    def from_environment(cls, device: str) -> "ProcessGroup":
        """Join the group that torchrun describes in the environment; a group of one elsewhere."""
        size = int(os.environ.get("WORLD_SIZE", "1"))
        if size == 1:
            return cls()
        group = cls(int(os.environ["RANK"]), size, int(os.environ.get("LOCAL_RANK", "0")))
        if device == "cuda":
            torch.cuda.set_device(group.local_rank)
        dist.init_process_group("nccl" if device == "cuda" else "gloo", timeout=TIMEOUT)
        return group

    @property
    def is_main(self) -> bool:
        """Whether this process scores, shows and writes."""
        return self.rank == 0

    def shard(self, batch: Tensor) -> Tensor:
        """This process's share of a batch (N, …): together the shares are the batch."""
        return batch if self.size == 1 else batch[self.rank :: self.size]

    def check_batch(self, batch: int) -> None:
        """Raise UsageError where a batch cannot be shared out evenly."""
        if batch % self.size:
            raise UsageError(f"a batch of {batch} cannot be shared by {self.size} processes", "choose --set batch=… to fit")

    def all_reduce_mean(self, tensors: Iterable[Tensor]) -> None:
        """Replace each tensor by its mean over all processes, in one message."""
        if self.size == 1:
            return
        tensors = list(tensors)
        flat = torch.cat([tensor.flatten() for tensor in tensors])
        self._run(lambda: dist.all_reduce(flat))
        flat /= self.size
        for tensor, mean in zip(tensors, torch.split(flat, [tensor.numel() for tensor in tensors]), strict=True):
            tensor.copy_(mean.view_as(tensor))

    def any_process(self, *flags: bool) -> tuple[bool, ...]:
        """For each flag whether it is set in any process: what all of them must decide alike."""
        if self.size == 1:
            return flags
        votes = torch.tensor(flags, dtype=torch.int32)
        if dist.get_backend() == "nccl":
            votes = votes.cuda()
        self._run(lambda: dist.all_reduce(votes, op=dist.ReduceOp.MAX))
        return tuple(bool(vote) for vote in votes.tolist())

    def all_gather(self, value: Any) -> list[Any]:
        """Every process's value, by rank."""
        if self.size == 1:
            return [value]
        values: list[Any] = [None] * self.size
        self._run(lambda: dist.all_gather_object(values, value))
        return values

    def broadcast(self, value: Any) -> Any:
        """The first process's value, everywhere."""
        if self.size == 1:
            return value
        box = [value]
        self._run(lambda: dist.broadcast_object_list(box, src=0))
        return box[0]

    def _run(self, call: Any) -> None:
        try:
            call()
        except (RuntimeError, ValueError) as error:  # gloo and nccl have no type of their own for a peer that is gone
            reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            raise ProcessLost(
                f"another of the {self.size} processes is gone ({reason})",
                "continue with --resume RUN",
            ) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self.size > 1 and dist.is_initialized() and error is None:
            dist.destroy_process_group()
