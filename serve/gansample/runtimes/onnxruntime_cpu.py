"""ONNX Runtime on the CPU: the runtime that starts fastest and is always the reference."""

from typing import Any

import numpy.typing as npt

from gansample.bundle.onnx_check import check_onnx
from gansample.bundle.spec import Spec
from gansample.runtimes.base import ClosingRunner, Port, check_io, runtime_errors
from gansample.runtimes.onnxruntime_module import import_onnxruntime
from gansample.types import Images, Labels, Latents

_NUMPY_NAMES = {"tensor(float)": "float32", "tensor(int64)": "int64", "tensor(uint8)": "uint8"}


class OnnxRuntimeRunner(ClosingRunner):
    """Opens an ONNX model given as bytes (digest already checked) and compares its inputs and outputs with `spec`."""

    backend = "onnxruntime-cpu"

    def __init__(
        self, model: bytes, spec: Spec, *, threads: int | None = None, source: str = "the model", variant: str = "onnx-fp32"
    ) -> None:
        check_onnx(model, source)
        onnxruntime = import_onnxruntime()
        self.variant = variant
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4  # what fails is raised as well, and only once, in plain text
        if threads is not None:
            options.intra_op_num_threads = threads
        with runtime_errors("ONNX Runtime", source):
            self._session: Any = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        check_io(ports_of(self._session), spec, source)

    def run(self, z: Latents, label: Labels | None) -> Images:
        feed: dict[str, npt.NDArray[Any]] = {"z": z} if label is None else {"z": z, "label": label}
        with runtime_errors("ONNX Runtime", "these latents"):
            images: Images = self._session.run(["images"], feed)[0]
        return images

    def close(self) -> None:
        self._session = None


def ports_of(session: Any) -> dict[str, Port]:
    """A session's inputs and outputs by name, as `check_io` takes them."""
    ports = [*session.get_inputs(), *session.get_outputs()]
    return {port.name: (_NUMPY_NAMES.get(port.type, port.type), list(port.shape[1:])) for port in ports}
