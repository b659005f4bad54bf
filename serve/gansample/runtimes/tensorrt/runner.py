"""TensorRT on the GPU: pinned buffers, and one recorded CUDA graph per batch size, checked before its first use."""

import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from gansample.bundle.spec import Spec
from gansample.errors import BackendUnavailable
from gansample.runtimes.base import ClosingRunner, check_io
from gansample.runtimes.cuda_device import Buffer, Cuda
from gansample.runtimes.cuda_graphs import Run, check_recording, check_whole, run_padded
from gansample.runtimes.tensorrt.engine import Engine
from gansample.types import Images, Labels, Rows

Ports = dict[str, tuple[np.dtype[Any], list[int]]]  # every tensor's type and its sizes after the batch


class TensorRTRunner(ClosingRunner):
    """Runs a deserialised engine whose origin and digest the caller vouches for."""

    def __init__(self, engine: Engine, spec: Spec, cuda: Cuda, *, variant: str = "onnx-fp32") -> None:
        self.variant = variant
        self.backend = f"{engine.library.backend}-gpu"
        self._engine, self._spec, self._cuda = engine, spec, cuda
        self._recorded: dict[int, _RecordedBatch] = {}
        self._ports = _ports(engine)
        check_io({name: (str(kind), sizes) for name, (kind, sizes) in self._ports.items()}, spec, "the TensorRT engine")
        self._stream = cuda.stream()
        self._scratch: int | None = None
        """One block of device memory for the contexts of every batch size, which take turns."""
        self._turn = threading.Lock()  # one caller at a time: a batch's buffers are reused

    def run(self, z: Rows, label: Labels | None) -> Images:
        with self._turn:
            return run_padded(lambda n: self._batch_of(n).run, self._spec, z, label)

    def on_device(self, z: Rows, label: Labels | None) -> Callable[[], None] | None:
        check_whole(len(z), self._spec, self.backend)
        self.run(z, label)
        return self._batch_of(len(z)).without_copies()

    def _batch_of(self, n: int) -> "_RecordedBatch":
        if n not in self._recorded:
            if self._scratch is None:
                self._scratch = self._cuda.allocate(max(1, self._engine.scratch_bytes()))
            batch = _RecordedBatch(self._engine, self._ports, n, self._cuda, self._stream, self._scratch)
            try:
                check_recording(batch.run, batch.record, self._spec, n, self.backend)
            except BaseException:
                batch.close()
                raise
            self._recorded[n] = batch
        return self._recorded[n]

    def close(self) -> None:
        while self._recorded:
            self._recorded.popitem()[1].close()
        if self._scratch is not None:
            self._cuda.free(self._scratch)
            self._scratch = None
        if self._stream is not None:
            self._cuda.destroy_stream(self._stream)
            self._stream = None


class _RecordedBatch:
    """One batch size: an execution context of its own (a recording belongs to one shape), its buffers, and the recording."""

    def __init__(self, engine: Engine, ports: Ports, n: int, cuda: Cuda, stream: Any, scratch: int) -> None:
        self._engine, self._cuda, self._stream = engine, cuda, stream
        self._graph = self._bare_graph = None
        self._rows = next(name for name in ports if name not in ("label", "images"))
        self._context = engine.context()
        self._context.set_device_memory(scratch, engine.scratch_bytes())
        self._buffers: dict[str, Buffer] = {}
        try:
            for name, (kind, sizes) in ports.items():
                self._buffers[name] = buffer = cuda.buffer((n, *sizes), kind)
                shaped = name == "images" or self._context.set_input_shape(name, buffer.host.shape)
                if not (shaped and self._context.set_tensor_address(name, buffer.address)):
                    raise BackendUnavailable(f"TensorRT refuses batches of {n} ({engine.refusal()})", "ask for smaller batches")
        except BaseException:
            self.close()
            raise

    def record(self) -> Run:
        """Record the graph. Something must have been drawn before: the first run allocates, which no recording may hold."""
        self._graph = self._cuda.record(self._enqueue, self._stream)
        return self.run

    def run(self, z: Rows, label: Labels | None) -> Images:
        self._buffers[self._rows].host[...] = z
        if label is not None:
            self._buffers["label"].host[...] = label
        if self._graph is None:
            self._enqueue()
        else:
            self._cuda.launch(self._graph, self._stream)
        self._cuda.synchronize(self._stream)
        images: Images = self._buffers["images"].host.copy()
        return images

    def without_copies(self) -> Callable[[], None]:
        """What draws the latents that lie on the device, and leaves the pictures there."""
        if self._bare_graph is None:
            self._bare_graph = self._cuda.record(self._execute, self._stream)

        def draw() -> None:
            self._cuda.launch(self._bare_graph, self._stream)
            self._cuda.synchronize(self._stream)

        return draw

    def _enqueue(self) -> None:
        for name, buffer in self._buffers.items():
            if name != "images":
                buffer.upload(self._stream)
        self._execute()
        self._buffers["images"].download(self._stream)

    def _execute(self) -> None:
        if not self._context.execute_async_v3(int(self._stream)):
            raise BackendUnavailable(f"TensorRT does not run ({self._engine.refusal()})", "use --backend cuda")

    def close(self) -> None:
        for graph in (self._graph, self._bare_graph):
            if graph is not None:
                self._cuda.destroy_graph(graph)
        self._graph = self._bare_graph = None
        self._context = None
        while self._buffers:
            self._buffers.popitem()[1].free()


def _ports(engine: Engine) -> Ports:
    trt, handle = engine.library.module, engine.handle
    names = [handle.get_tensor_name(index) for index in range(handle.num_io_tensors)]
    return {
        name: (np.dtype(trt.nptype(handle.get_tensor_dtype(name))), list(handle.get_tensor_shape(name))[1:]) for name in names
    }
