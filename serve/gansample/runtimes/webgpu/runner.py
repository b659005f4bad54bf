"""ONNX Runtime on WebGPU, by Microsoft's plugin beside plain onnxruntime: any vendor's GPU, no silent fall-back to the CPU."""

import contextlib
import os
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from gansample.bundle.onnx_check import check_onnx
from gansample.bundle.spec import Spec
from gansample.errors import BackendUnavailable
from gansample.runtimes.base import ClosingRunner, check_io, check_pictures, graph_feed, last_line
from gansample.runtimes.onnxruntime_cpu import ports_of
from gansample.runtimes.onnxruntime_module import import_onnxruntime
from gansample.runtimes.webgpu.without_round import without_round
from gansample.types import Images, Labels, Rows

EXTRA = "pip install 'gansample[webgpu]'"
# What may stay on the CPU: arithmetic on shapes. The plugin has kernels for all of these on floats, so that those which it
# leaves to the CPU work on integers.
SHAPE_ARITHMETIC = frozenset(
    ("Shape", "Size", "Range", "Constant", "ConstantOfShape", "Reshape", "Squeeze", "Unsqueeze", "Expand", "Concat", "Split")
) | frozenset(("Slice", "Gather", "Cast", "Where", "Equal", "Less", "Greater", "Min", "Max", "Add", "Sub", "Mul", "Div"))

_turn = threading.Lock()
_registered: set[str] = set()
"""Libraries that this process gave to ONNX Runtime, which takes each once."""


class WebGpuRunner(ClosingRunner):
    """Opens an ONNX model given as bytes (digest already checked) and compares its inputs and outputs with `spec`.

    Raises BackendUnavailable without the plugin or a GPU that it can use, and where a layer of the graph would run elsewhere.
    """

    backend = "onnxruntime-webgpu"

    def __init__(self, model: bytes, spec: Spec, *, source: str = "the model", variant: str = "onnx-fp32") -> None:
        check_onnx(model, source)
        self.variant, self._spec = variant, spec
        runtime, adapter = load_webgpu()
        self._runtime = runtime
        self.device = describe(adapter)
        options = runtime.SessionOptions()
        options.log_severity_level = 4
        options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
        options.add_provider_for_devices([adapter], {})
        try:
            with _turn, silenced():
                self._session: Any = runtime.InferenceSession(without_round(model), options)
        except Exception as error:  # its exceptions share no base class
            reason = f"WebGPU cannot run {source} on {self.device} ({last_line(error)})"
            raise BackendUnavailable(reason, "use another backend") from error
        if elsewhere := _outside(self._session, adapter.ep_name):
            layers = ", ".join(elsewhere)
            reason = f"WebGPU leaves {layers} of {source} to the CPU"
            raise BackendUnavailable(reason, "use --backend onnxruntime, which runs all of it there")
        check_io(ports_of(self._session), spec, source)
        self._turn = threading.Lock()

    def run(self, z: Rows, label: Labels | None) -> Images:
        try:
            with self._turn:
                images: Images = self._session.run(["images"], graph_feed(self._spec, z, label))[0]
        except Exception as error:
            reason = f"WebGPU fails on {self.device} ({last_line(error)})"
            raise BackendUnavailable(reason, "ask for smaller batches") from error
        return check_pictures(images, len(z), self._spec, self.variant)

    def on_device(self, z: Rows, label: Labels | None) -> Callable[[], None] | None:
        binding, tensor = self._session.io_binding(), self._runtime.OrtValue
        try:
            for name, value in graph_feed(self._spec, z, label).items():
                binding.bind_ortvalue_input(name, tensor.ortvalue_from_numpy(value, "webgpu", 0))
            shape = [len(z), self._spec.height, self._spec.width, self._spec.channels]
            binding.bind_ortvalue_output("images", tensor.ortvalue_from_shape_and_type(shape, np.uint8, "webgpu", 0))
            mark = tensor.ortvalue_from_numpy(np.zeros(1, np.float32), "webgpu", 0)
        except Exception as error:  # older versions know no tensors there
            reason = f"ONNX Runtime {self._runtime.__version__} keeps no tensors on WebGPU ({last_line(error)})"
            raise BackendUnavailable(reason, "update onnxruntime") from error

        def draw() -> None:
            with self._turn:
                self._session.run_with_iobinding(binding)
                mark.numpy()  # the queue is worked off in order: this waits for the pictures, `synchronize_outputs` does not

        return draw

    def close(self) -> None:
        self._session = None


def load_webgpu() -> tuple[Any, Any]:
    """ONNX Runtime's module with the plugin registered, and the adapter that draws, a real GPU before a software one.

    Raises BackendUnavailable where the plugin is missing, does not load, or finds no adapter.
    """
    runtime = import_onnxruntime()
    try:
        import onnxruntime_ep_webgpu as plugin
    except ImportError:
        raise BackendUnavailable("ONNX Runtime's WebGPU plugin is not installed", EXTRA) from None
    name = plugin.get_ep_name()

    def adapters() -> list[Any]:
        return [device for device in runtime.get_ep_devices() if device.ep_name == name]

    with _turn:
        if (library := plugin.get_library_path()) not in _registered:
            try:
                with silenced():
                    runtime.set_default_logger_severity(4)
                    runtime.register_execution_provider_library("gansample-webgpu", library)
            except Exception as error:
                reason = f"ONNX Runtime cannot load its WebGPU plugin ({last_line(error)})"
                raise BackendUnavailable(reason, _loader()) from error
            _registered.add(library)
    if not (found := adapters()):
        raise BackendUnavailable("no GPU on this machine can be used by WebGPU", _loader())
    return runtime, min(found, key=is_software)


def is_software(adapter: Any) -> bool:
    """Whether the CPU plays the GPU, which ORT_WEBGPU_EP_ALLOW_SOFTWARE_ADAPTER=1 allows for tests."""
    return "CPU" in str(adapter.device.type)


def describe(adapter: Any) -> str:
    """The adapter's name, for people."""
    if is_software(adapter):
        return "a software adapter on the CPU"
    metadata = dict(adapter.device.metadata)
    return metadata.get("Description") or f"{adapter.device.vendor or 'a'} GPU {adapter.device.device_id:#06x}"


def _outside(session: Any, provider: str) -> list[str]:
    """The layers that another provider runs, but for arithmetic on shapes."""
    nodes = [
        node for part in session.get_provider_graph_assignment_info() if part.ep_name != provider for node in part.get_nodes()
    ]
    return sorted({node.op_type for node in nodes} - SHAPE_ARITHMETIC)


@contextlib.contextmanager
def silenced() -> Iterator[None]:
    """Without what drivers and their loaders write to the process's stderr while they start: what fails is raised as well."""
    sys.stderr.flush()
    kept, nothing = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nothing, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nothing)


def _loader() -> str:
    if sys.platform == "linux":
        return "it needs a driver for Vulkan and its loader: apt install libvulkan1"
    return "it needs a driver for Direct3D 12 or Metal"
