"""Who executes the graph. Numpy in, numpy out; what was asked for either runs or is an error, never something else.

One class per runtime, each opened on bytes whose digest was already checked.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self

import numpy as np
import numpy.typing as npt

from gansample.errors import ArtefactError, BackendUnavailable, GansampleError
from gansample.spec import Spec

if TYPE_CHECKING:
    from gansample.bundle import Bundle

Images = npt.NDArray[np.uint8]  # (N, H, W, C)
BACKENDS = ("auto", "onnxruntime")


class Runner(Protocol):
    """An opened generator."""

    backend: str
    """The runtime and device that really run, for example `onnxruntime-cpu`."""
    variant: str

    def run(self, z: npt.NDArray[np.float32], label: npt.NDArray[np.int64] | None) -> Images:
        """Pictures uint8 (N, H, W, C) for latents float32 (N, nz) and, for a conditional generator, labels int64 (N,)."""

    def close(self) -> None: ...

    def __enter__(self) -> Self: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None: ...


def open_runner(bundle: "Bundle", backend: str = "auto", threads: int | None = None) -> Runner:
    """The runner for `bundle` on `backend`; `auto` is ONNX Runtime on the CPU, the one that starts fastest.

    Raises BackendUnavailable, with the fix, where that backend cannot run here.
    """
    from gansample.bundle import REFERENCE

    if backend not in BACKENDS:
        raise BackendUnavailable(f"unknown backend {backend!r}", f"choose one of {', '.join(BACKENDS)}")
    return OnnxRuntimeRunner(bundle.read(REFERENCE), bundle.spec, threads=threads, source=str(bundle.path))


class OnnxRuntimeRunner:
    """ONNX Runtime on the CPU."""

    backend = "onnxruntime-cpu"

    def __init__(
        self,
        model: bytes,
        spec: Spec,
        *,
        threads: int | None = None,
        source: str = "the model",
        variant: str = "onnx-fp32",
    ) -> None:
        try:
            import onnxruntime
        except ImportError:
            raise BackendUnavailable("onnxruntime is not installed", "pip install 'gansample[cpu]'") from None
        self.spec, self.variant = spec, variant
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3  # errors only: ONNX Runtime's warnings are not for people who draw pictures
        if threads is not None:
            options.intra_op_num_threads = threads
        with _runtime_errors(source):
            self._session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        check_face(self._session, spec, source)

    def run(self, z: npt.NDArray[np.float32], label: npt.NDArray[np.int64] | None) -> Images:
        feed: dict[str, npt.NDArray[Any]] = {"z": z} if label is None else {"z": z, "label": label}
        with _runtime_errors("the model"):
            images: Images = self._session.run(["images"], feed)[0]
        return images

    def close(self) -> None:
        del self._session

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def check_face(session: Any, spec: Spec, source: str) -> None:
    """Compare what the graph takes and gives with what the spec promises; ArtefactError on the first difference."""
    wanted = {"z": ("tensor(float)", [spec.latent_size])}
    if spec.classes is not None:
        wanted["label"] = ("tensor(int64)", [])
    wanted["images"] = ("tensor(uint8)", [spec.height, spec.width, spec.channels])
    ports = {port.name: (port.type, list(port.shape[1:])) for port in [*session.get_inputs(), *session.get_outputs()]}
    for name in [*wanted, *ports]:
        if ports.get(name) != wanted.get(name):
            raise ArtefactError(
                f"{source} does not match its spec: {name} is {_words(ports.get(name))}, not {_words(wanted.get(name))}",
                "export again",
            )


def _words(port: tuple[str, list[int]] | None) -> str:
    return "absent" if port is None else f"{port[0]} (N{''.join(f', {size}' for size in port[1])})"


@contextmanager
def _runtime_errors(source: str) -> Iterator[None]:
    """ONNX Runtime's exceptions share no base class of their own, so whatever it raises becomes one ArtefactError."""
    try:
        yield
    except GansampleError:
        raise
    except Exception as error:
        reason = str(error).strip().splitlines()[-1] if str(error).strip() else type(error).__name__
        raise ArtefactError(f"ONNX Runtime refuses {source} ({reason})", "export again with this version") from error
