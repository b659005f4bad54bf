"""ONNX Runtime on CUDA: fixed device buffers, one CUDA graph per batch size, no silent fall-back to the CPU."""

import contextlib
import sys
import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from gansample.bundle.onnx_check import check_onnx
from gansample.bundle.spec import Spec
from gansample.errors import BackendUnavailable, GansampleError
from gansample.runtimes.base import ClosingRunner, check_io, last_line
from gansample.runtimes.cuda_graphs import check_recording, check_whole, run_padded
from gansample.runtimes.onnxruntime_cpu import ports_of
from gansample.runtimes.onnxruntime_module import import_onnxruntime
from gansample.types import Images, Labels, Rows

PROVIDER = "CUDAExecutionProvider"
PROVIDER_OPTIONS = {
    "device_id": "0",
    "cudnn_conv_algo_search": "HEURISTIC",  # EXHAUSTIVE makes the first run seconds long, DEFAULT is 4 to 40 times slower
    "cudnn_conv_use_max_workspace": "1",
    "use_tf32": "0",  # on by default: it keeps 10 bits of the mantissa and breaks the fp32 gate
    "enable_cuda_graph": "1",
}
REPLACE = "pip uninstall -y onnxruntime && pip install 'gansample[gpu]'"  # the two wheels overwrite each other
REPAIR = "pip install --force-reinstall 'gansample[gpu]'"


class OnnxRuntimeCudaRunner(ClosingRunner):
    """Opens an ONNX model given as bytes (digest already checked) and compares its inputs and outputs with `spec`."""

    backend = "onnxruntime-cuda"

    def __init__(self, model: bytes, spec: Spec, *, source: str = "the model", variant: str = "onnx-fp32") -> None:
        check_onnx(model, source)
        onnxruntime = import_onnxruntime("gpu")
        if PROVIDER not in onnxruntime.get_available_providers():
            raise BackendUnavailable(f"the onnxruntime {onnxruntime.__version__} installed here has no CUDA", REPLACE)
        self.variant, self._spec, self._runtime = variant, spec, onnxruntime
        with contextlib.redirect_stdout(sys.stderr):  # it prints what it misses, and stdout is for pictures
            onnxruntime.preload_dlls(directory="")  # CUDA and cuDNN from the nvidia-* wheels beside it
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
        try:
            # enable_fallback=0: or the Python wrapper would try once more on the CPU by itself
            self._session: Any = onnxruntime.InferenceSession(
                model, options, providers=[(PROVIDER, PROVIDER_OPTIONS)], enable_fallback=0
            )
        except Exception as error:  # its exceptions share no base class
            raise BackendUnavailable(f"ONNX Runtime cannot run {source} on CUDA ({last_line(error)})", REPAIR) from error
        if (first := self._session.get_providers()[0]) != PROVIDER:
            raise BackendUnavailable(f"ONNX Runtime runs {source} on {first} instead of CUDA", REPAIR)
        check_io(ports_of(self._session), spec, source)
        self._recorded: dict[int, _RecordedBatch] = {}
        self._turn = threading.Lock()  # one caller at a time: a batch's buffers are reused

    def run(self, z: Rows, label: Labels | None) -> Images:
        try:
            with self._turn:
                return run_padded(lambda n: self._batch_of(n).run, self._spec, z, label)
        except GansampleError:
            raise
        except Exception as error:
            raise BackendUnavailable(f"ONNX Runtime fails on CUDA ({last_line(error)})", "ask for smaller batches") from error

    def on_device(self, z: Rows, label: Labels | None) -> Callable[[], None] | None:
        check_whole(len(z), self._spec, self.backend)
        self.run(z, label)
        return self._batch_of(len(z)).replay

    def _batch_of(self, n: int) -> "_RecordedBatch":
        if n not in self._recorded:
            batch = _RecordedBatch(self._runtime, self._session, self._spec, n)
            # ONNX Runtime records during the first run by itself, so that even the second `plain` run is the recording's.
            check_recording(batch.run, lambda: batch.run, self._spec, n, self.backend)
            self._recorded[n] = batch
        return self._recorded[n]

    def close(self) -> None:
        self._recorded.clear()
        self._session = None


class _RecordedBatch:
    """One batch size: device tensors whose addresses never move, as ONNX Runtime's CUDA graphs require."""

    def __init__(self, runtime: Any, session: Any, spec: Spec, n: int) -> None:
        self._session, self._binding = session, session.io_binding()
        self._options = runtime.RunOptions()
        self._options.add_run_config_entry("gpu_graph_id", str(n))
        tensor = runtime.OrtValue.ortvalue_from_shape_and_type
        name, shape = spec.graph_input
        self._z = tensor([n, *shape], np.float32, "cuda", 0)
        self._label = tensor([n], np.int64, "cuda", 0) if spec.graph_takes_label else None
        self._images = tensor([n, spec.height, spec.width, spec.channels], np.uint8, "cuda", 0)
        self._binding.bind_ortvalue_input(name, self._z)
        if self._label is not None:
            self._binding.bind_ortvalue_input("label", self._label)
        self._binding.bind_ortvalue_output("images", self._images)

    def run(self, z: Rows, label: Labels | None) -> Images:
        self._z.update_inplace(np.ascontiguousarray(z))
        if self._label is not None:
            self._label.update_inplace(np.ascontiguousarray(label, np.int64))
        self._binding.synchronize_inputs()
        self.replay()
        # Copied, or the next run would overwrite it where the device shares the host's memory.
        images: Images = self._images.numpy().copy()
        return images

    def replay(self) -> None:
        """Draw what lies on the device, and wait."""
        self._session.run_with_iobinding(self._binding, self._options)
        self._binding.synchronize_outputs()
