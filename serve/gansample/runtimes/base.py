"""What the runners share: the context manager, the check of a graph's inputs and outputs, and one kind of error."""

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self, TypeVar

import numpy as np
import numpy.typing as npt

from gansample.bundle.spec import Spec
from gansample.errors import ArtefactError, GansampleError
from gansample.types import Images, Labels, Rows

Pixel = TypeVar("Pixel", bound=np.generic)
Run = Callable[[Rows, Labels | None], npt.NDArray[Pixel]]
"""Latents (N, nz) and labels (N,), or styles, to pictures (N, H, W, C), like `Runner.run`."""


def graph_feed(spec: Spec, rows: Rows, label: Labels | None) -> dict[str, npt.NDArray[Any]]:
    """The inputs of the spec's graph by name."""
    name, _ = spec.graph_input
    return {name: rows} if label is None else {name: rows, "label": label}


class ClosingRunner:
    """The context manager half of a runner."""

    device: str | None = None

    def on_device(self, z: Rows, label: Labels | None) -> Callable[[], None] | None:
        """Nothing is copied: the host's memory is all there is."""
        return None

    def close(self) -> None:
        """Free the session; running afterwards is an error."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def run_batched(run: Run[Pixel], z: Rows, label: Labels | None, batch: int) -> npt.NDArray[Pixel]:
    """What `run` draws for latents (N, nz) and labels (N,), `batch` at a time, as one array (N, …)."""
    return np.concatenate(list(each_batch(run, z, label, batch)))


def each_batch(run: Run[Pixel], z: Rows, label: Labels | None, batch: int) -> Iterator[npt.NDArray[Pixel]]:
    """The parts of `run_batched` one after the other; `label` may have rows beyond those of `z`."""
    for start in range(0, len(z), batch):
        part = slice(start, min(start + batch, len(z)))
        yield run(z[part], label[part] if label is not None else None)


def images_per_second(run: Run[np.uint8], z: Rows, label: Labels | None, seconds: float) -> float:
    """Pictures in host memory per second, copies included."""
    return per_second(lambda: run(z, label), len(z), seconds)


def per_second(draw: Callable[[], object], pictures: int, seconds: float) -> float:
    """Pictures per second of what draws so many: the median over at least `seconds`, after two runs that settle."""
    for _ in range(2):
        draw()
    times: list[float] = []
    until = time.perf_counter() + seconds
    while len(times) < 3 or time.perf_counter() < until:
        started = time.perf_counter()
        draw()
        times.append(time.perf_counter() - started)
    return pictures / statistics.median(times)


Port = tuple[str, list[int]]  # element type and the sizes after the batch


def check_io(ports: dict[str, Port], spec: Spec, source: str) -> None:
    """Compare what a graph takes and gives with what the spec promises; ArtefactError on the first difference.

    ports  every input and output by name, with its element type as numpy names it and its sizes after the batch.
    """
    name, shape = spec.graph_input
    wanted: dict[str, Port] = {name: ("float32", list(shape))}
    if spec.graph_takes_label:
        wanted["label"] = ("int64", [])
    wanted["images"] = ("uint8", [spec.height, spec.width, spec.channels])
    compare_ports(ports, wanted, source)


def compare_ports(ports: dict[str, Port], wanted: dict[str, Port], source: str) -> None:
    """ArtefactError, naming `source`, on the first port that is not as wanted."""
    for name in [*wanted, *ports]:
        if ports.get(name) != wanted.get(name):
            is_, should_be = _format_port(ports.get(name)), _format_port(wanted.get(name))
            raise ArtefactError(f"{source} does not match its spec: {name} is {is_}, not {should_be}", "export again")


def _format_port(port: Port | None) -> str:
    return "absent" if port is None else f"{port[0]} (N{''.join(f', {size}' for size in port[1])})"


def check_pictures(images: Images, count: int, spec: Spec, source: str) -> Images:
    """`images` themselves. ArtefactError unless they are `count` pictures of the spec: what a graph declares is a claim."""
    if images.shape != (count, spec.height, spec.width, spec.channels):
        raise ArtefactError(f"{source} draws {images.shape} for {count} latents", "it is no generator, export again")
    return images


@contextmanager
def runtime_errors(runtime: str, source: str) -> Iterator[None]:
    """Turn whatever a runtime raises (their exceptions share no base class) into one ArtefactError."""
    try:
        yield
    except GansampleError:
        raise
    except Exception as error:
        raise ArtefactError(f"{runtime} refuses {source} ({last_line(error)})", "export again with this version") from error


def last_line(error: Exception) -> str:
    """The reason in what a runtime raised, which writes its own call stack before it."""
    lines = str(error).strip().splitlines()
    return lines[-1] if lines else type(error).__name__
