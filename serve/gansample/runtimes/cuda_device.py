"""The GPU as a runner needs it: is there one, which, its memory, a stream, and a recorded graph.

Through cuda-bindings, NVIDIA's own Python names of the CUDA runtime API, so that no PyTorch is needed. Every call's status is
checked; what CUDA refuses is a BackendUnavailable that names the call.
"""

import ctypes
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gansample.errors import BackendUnavailable

DRIVER_LIBRARY = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"
_DRIVER_VERSION = Path("/sys/module/nvidia/version")  # Linux only


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpu:
    """The device and the software beneath a runner: everything that a compiled engine depends on."""

    name: str
    compute_capability: str
    """Major and minor, for example 9.0."""
    driver: str
    """The driver's release where the system tells it, and the newest CUDA it supports."""
    cuda: str
    """The CUDA runtime that this process uses."""

    def to_dict(self) -> dict[str, str]:
        return asdict(self)


def missing_gpu() -> str | None:
    """Why no NVIDIA GPU can be used here, or None where one can. Needs no package, only the driver's own library."""
    try:
        driver: Any = ctypes.CDLL(DRIVER_LIBRARY)
    except OSError:
        return f"no NVIDIA driver on this machine ({DRIVER_LIBRARY} is missing)"
    count = ctypes.c_int(0)
    if (status := driver.cuInit(0)) or (status := driver.cuDeviceGetCount(ctypes.byref(count))):
        return f"the NVIDIA driver does not start (CUDA error {status})"
    return None if count.value else "the NVIDIA driver sees no GPU"


def require_gpu() -> None:
    """Raise BackendUnavailable, with the reason, where no NVIDIA GPU can be used."""
    if (reason := missing_gpu()) is not None:
        raise BackendUnavailable(reason, "use --backend auto, or a machine with an NVIDIA GPU")


class Cuda:
    """The current device: every CUDA call that the runners make, checked."""

    def __init__(self) -> None:
        try:
            from cuda.bindings import runtime
        except ImportError:
            raise BackendUnavailable("cuda-bindings is not installed", "pip install 'gansample[trt]'") from None
        self._runtime: Any = runtime

    def _checked(self, call: Callable[..., Any], *arguments: Any) -> Any:
        status, *values = call(*arguments)
        if status != self._runtime.cudaError_t.cudaSuccess:
            hint = (
                "ask for smaller batches" if status == self._runtime.cudaError_t.cudaErrorMemoryAllocation else "see nvidia-smi"
            )
            raise BackendUnavailable(f"CUDA refuses {call.__name__} ({status.name})", hint)
        return values[0] if len(values) == 1 else values

    def gpu(self) -> Gpu:
        """What the engine cache's key and every report say about the device."""
        properties = self._checked(self._runtime.cudaGetDeviceProperties, self._checked(self._runtime.cudaGetDevice))
        supported = _dotted(self._checked(self._runtime.cudaDriverGetVersion))
        release = f"{_DRIVER_VERSION.read_text(encoding='utf-8').strip()}, " if _DRIVER_VERSION.exists() else ""
        return Gpu(
            name=properties.name.split(b"\0")[0].decode(),
            compute_capability=f"{properties.major}.{properties.minor}",
            driver=f"{release}CUDA {supported}",
            cuda=_dotted(self._checked(self._runtime.cudaRuntimeGetVersion)),
        )

    def used_bytes(self) -> int:
        """Memory in use on the device, by everyone."""
        free, total = self._checked(self._runtime.cudaMemGetInfo)
        return int(total) - int(free)

    def stream(self) -> Any:
        """A stream that does not wait for the default one."""
        return self._checked(self._runtime.cudaStreamCreateWithFlags, self._runtime.cudaStreamNonBlocking)

    def destroy_stream(self, stream: Any) -> None:
        self._checked(self._runtime.cudaStreamDestroy, stream)

    def synchronize(self, stream: Any) -> None:
        self._checked(self._runtime.cudaStreamSynchronize, stream)

    def record(self, work: Callable[[], None], stream: Any) -> Any:
        """Record what `work` enqueues on `stream` as a graph that `launch` repeats at the same addresses."""
        self._checked(
            self._runtime.cudaStreamBeginCapture, stream, self._runtime.cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal
        )
        try:
            work()
        finally:  # an unfinished recording would poison the stream
            graph = self._checked(self._runtime.cudaStreamEndCapture, stream)
        try:
            return self._checked(self._runtime.cudaGraphInstantiate, graph, 0)
        finally:
            self._checked(self._runtime.cudaGraphDestroy, graph)

    def launch(self, graph: Any, stream: Any) -> None:
        self._checked(self._runtime.cudaGraphLaunch, graph, stream)

    def destroy_graph(self, graph: Any) -> None:
        self._checked(self._runtime.cudaGraphExecDestroy, graph)

    def allocate(self, size: int) -> int:
        """The address of so many bytes on the device, until `free`."""
        return int(self._checked(self._runtime.cudaMalloc, size))

    def free(self, address: int) -> None:
        self._checked(self._runtime.cudaFree, address)

    def buffer(self, shape: tuple[int, ...], dtype: npt.DTypeLike) -> "Buffer":
        return Buffer(self, self._runtime, shape, np.dtype(dtype))


class Buffer:
    """One tensor twice: `host`, a numpy array in pinned memory, and `address`, its place on the device."""

    def __init__(self, cuda: Cuda, runtime: Any, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self._cuda, self._runtime = cuda, runtime
        self._bytes = int(np.prod(shape)) * dtype.itemsize
        self._pinned = int(cuda._checked(runtime.cudaMallocHost, self._bytes))
        try:
            self.address = cuda.allocate(self._bytes)
        except BackendUnavailable:
            cuda._checked(runtime.cudaFreeHost, self._pinned)
            raise
        memory: Any = (ctypes.c_byte * self._bytes).from_address(self._pinned)
        self.host: npt.NDArray[Any] = np.frombuffer(memory, dtype).reshape(shape)

    def upload(self, stream: Any) -> None:
        """Enqueue the copy host -> device."""
        self._copy(self.address, self._pinned, self._runtime.cudaMemcpyKind.cudaMemcpyHostToDevice, stream)

    def download(self, stream: Any) -> None:
        """Enqueue the copy device -> host."""
        self._copy(self._pinned, self.address, self._runtime.cudaMemcpyKind.cudaMemcpyDeviceToHost, stream)

    def _copy(self, to: int, source: int, kind: Any, stream: Any) -> None:
        self._cuda._checked(self._runtime.cudaMemcpyAsync, to, source, self._bytes, kind, stream)

    def free(self) -> None:
        """Give both back; `host` must not be touched afterwards."""
        self._cuda.free(self.address)
        self._cuda._checked(self._runtime.cudaFreeHost, self._pinned)


def _dotted(version: int) -> str:
    """CUDA's 13040 -> 13.4."""
    return f"{version // 1000}.{version % 1000 // 10}"
