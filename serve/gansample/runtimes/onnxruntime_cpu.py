"""ONNX Runtime on the CPU: the runtime that starts fastest and is always the reference."""

from typing import Any

from gansample.bundle.onnx_check import check_onnx
from gansample.bundle.spec import Spec
from gansample.runtimes.base import ClosingRunner, Port, check_io, check_pictures, graph_feed, run_batched, runtime_errors
from gansample.runtimes.onnxruntime_module import import_onnxruntime
from gansample.types import Images, Labels, Rows

_NUMPY_NAMES = {"tensor(float)": "float32", "tensor(int64)": "int64", "tensor(uint8)": "uint8"}

# Of the pictures drawn in one run, 64 of 128×128 or 1 of 1024×1024; more are drawn in parts. A run holds the activations of
# all its pictures: 64 of 1024×1024 by a DCGAN would take 13 GB.
PIXELS = 2**20
LARGE = 256 * 256
"""Pixels of one picture from which on activations are given back after a run: the arena that would keep them for the next one
grows by doubling, and saves milliseconds of a run that takes seconds."""


class OnnxRuntimeRunner(ClosingRunner):
    """Opens an ONNX model given as bytes (digest already checked) and compares its inputs and outputs with `spec`."""

    backend = "onnxruntime-cpu"

    def __init__(
        self, model: bytes, spec: Spec, *, threads: int | None = None, source: str = "the model", variant: str = "onnx-fp32"
    ) -> None:
        check_onnx(model, source)
        onnxruntime = import_onnxruntime()
        self.variant, self._spec, self._block = variant, spec, max(1, PIXELS // (spec.height * spec.width))
        options = session_options(spec)
        if threads is not None:
            options.intra_op_num_threads = threads
        with runtime_errors("ONNX Runtime", source):
            self._session: Any = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        check_io(ports_of(self._session), spec, source)

    def run(self, z: Rows, label: Labels | None) -> Images:
        return run_batched(self._run, z, label, self._block) if len(z) > self._block else self._run(z, label)

    def _run(self, z: Rows, label: Labels | None) -> Images:
        with runtime_errors("ONNX Runtime", "these latents"):
            images: Images = self._session.run(["images"], graph_feed(self._spec, z, label))[0]
        return check_pictures(images, len(z), self._spec, self.variant)

    def close(self) -> None:
        self._session = None


def session_options(spec: Spec) -> Any:
    """Options of a session that draws pictures of this size: quiet, and without the arena for large ones."""
    options = import_onnxruntime().SessionOptions()
    options.log_severity_level = 4  # what fails is raised as well, and only once, in plain text
    options.enable_cpu_mem_arena = spec.height * spec.width <= LARGE
    return options


def ports_of(session: Any) -> dict[str, Port]:
    """A session's inputs and outputs by name, as `check_io` takes them."""
    ports = [*session.get_inputs(), *session.get_outputs()]
    return {port.name: (_NUMPY_NAMES.get(port.type, port.type), list(port.shape[1:])) for port in ports}
