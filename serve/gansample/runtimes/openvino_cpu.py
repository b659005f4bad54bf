"""OpenVINO on the CPU: slower to open than ONNX Runtime, faster to draw, and the only one here with real int8 and bf16."""

import threading
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from gansample.bundle.onnx_check import check_onnx
from gansample.bundle.openvino_check import check_openvino
from gansample.bundle.spec import Precision, Spec
from gansample.errors import BackendUnavailable
from gansample.runtimes.base import ClosingRunner, Port, check_io, check_pictures, graph_feed, runtime_errors
from gansample.system.telemetry import disable_telemetry
from gansample.types import Images, Labels, Rows

Scalar = TypeVar("Scalar", bound=np.generic)

_NUMPY_NAMES = {"f32": "float32", "i64": "int64", "u8": "uint8"}

# Every run draws exactly this many pictures, the last one padded: the same kernels for every picture, so none can depend on
# the batch it is drawn in (free batch sizes flip a rounding here and there), and a fixed shape is 10-15 % faster in float32.
# Larger blocks gain a few per cent in int8 and cost a single picture its latency. Of pictures beyond 256×256 a block has fewer:
# all its activations are in memory at once.
BLOCK, PIXELS = 8, 2**19

# What everything that the graph itself does not quantise is computed in. Beside int8 that is bf16: finer than int8 by far, and
# with AMX faster as well, so layers can stay unquantised; a processor without bf16 takes float32.
HINTS: dict[Precision, str] = {"fp32": "f32", "bf16": "bf16", "int8": "bf16"}


class OpenVinoRunner(ClosingRunner):
    """Opens an ONNX or IR model given as bytes (digests already checked) and compares its inputs and outputs with `spec`.

    model      an .onnx file, or the .xml of an OpenVINO IR
    weights    the IR's .bin; None for ONNX
    precision  the variant's; a processor that cannot compute in it is an error, never a silent float32

    The latency hint gives one picture stream all cores; the throughput hint halves the speed of a single caller.
    """

    backend = "openvino-cpu"

    def __init__(
        self,
        model: bytes,
        weights: bytes | None,
        spec: Spec,
        *,
        precision: Precision,
        variant: str,
        threads: int | None = None,
        source: str = "the model",
    ) -> None:
        (check_onnx if weights is None else check_openvino)(model, source)
        disable_telemetry()
        try:
            import openvino
        except ImportError:
            raise BackendUnavailable("openvino is not installed", "pip install 'gansample[openvino]'") from None
        self.variant, self._spec, self._shape = variant, spec, (spec.height, spec.width, spec.channels)
        self._block = block_size(spec)
        self._turn = threading.Lock()  # a request draws for one caller at a time
        core = openvino.Core()
        if precision not in HINTS:
            raise BackendUnavailable(f"OpenVINO on a CPU does not run {precision}", "choose another variant")
        if precision == "bf16" and "BF16" not in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
            raise BackendUnavailable("this processor has no bf16 instructions", "use the variant openvino-fp32 or onnx-fp32")
        settings: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": HINTS[precision]}
        if threads is not None:
            settings["INFERENCE_NUM_THREADS"] = threads
        with runtime_errors("OpenVINO", source):
            graph = core.read_model(model) if weights is None else core.read_model(model, weights)
            check_io(openvino_ports(graph), spec, source)
            graph.reshape({port.get_any_name(): [self._block, *_sizes(port)] for port in graph.inputs})
            self._request: Any = core.compile_model(graph, "CPU", settings).create_infer_request()

    def run(self, z: Rows, label: Labels | None) -> Images:
        images, n = np.empty((len(z), *self._shape), np.uint8), self._block
        for start in range(0, len(z), n):
            feed = graph_feed(self._spec, padded(z, start, n), padded(label, start, n) if label is not None else None)
            with runtime_errors("OpenVINO", "these latents"), self._turn:
                drawn = check_pictures(self._request.infer(feed)["images"], n, self._spec, self.variant)
                images[start : start + n] = drawn[: len(z) - start]
        return images

    def close(self) -> None:
        self._request = None


def block_size(spec: Spec) -> int:
    """How many pictures every run draws: BLOCK, fewer where one is larger than 256×256."""
    return max(1, min(BLOCK, PIXELS // (spec.height * spec.width)))


def padded(rows: npt.NDArray[Scalar], start: int, n: int) -> npt.NDArray[Scalar]:
    """`n` rows from `start` on, zeros where there are no more."""
    block = rows[start : start + n]
    if len(block) == n:
        return block
    return np.concatenate([block, np.zeros((n - len(block), *rows.shape[1:]), rows.dtype)])


def openvino_ports(graph: Any) -> dict[str, Port]:
    """A model's inputs and outputs by name, as `check_io` takes them."""
    return {port.get_any_name(): _port(port) for port in [*graph.inputs, *graph.outputs]}


def _port(port: Any) -> Port:
    kind = port.get_element_type().get_type_name()
    return _NUMPY_NAMES.get(kind, kind), _sizes(port)


def _sizes(port: Any) -> list[int]:
    """The sizes after the batch; -1 for one that is not fixed."""
    return [size.get_length() if size.is_static else -1 for size in port.get_partial_shape()][1:]
