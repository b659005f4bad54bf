"""A generator with a mapping, opened: latents become styles on the processor, and any runtime draws from those.

The mapping is a few layers of a thousand numbers, in float32 whatever the precision of what draws. It computes blocks of one
size, the last one padded, so that no style depends on the batch that it is computed in.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from gansample.bundle.onnx_check import check_onnx
from gansample.bundle.open import Bundle
from gansample.bundle.spec import Spec
from gansample.bundle.style_mapping import MAPPING, StyleMapping
from gansample.errors import BackendUnavailable
from gansample.runtimes.base import ClosingRunner, Port, compare_ports, runtime_errors
from gansample.runtimes.onnxruntime_cpu import ports_of
from gansample.runtimes.onnxruntime_module import import_onnxruntime
from gansample.runtimes.openvino_cpu import openvino_ports, padded
from gansample.types import Images, Labels, Latents, Psi, Rows, Runner, Styles

BLOCK = 16  # latents mapped in one run

Compute = Callable[[dict[str, npt.NDArray[Any]]], Styles]


class Mapping:
    """mapping.onnx, given as bytes (digest already checked), in OpenVINO where that one draws, else in ONNX Runtime."""

    def __init__(self, model: bytes, spec: Spec, *, by_openvino: bool = False, threads: int | None = None) -> None:
        assert spec.mapping is not None
        check_onnx(model, MAPPING)
        self._spec, self._shape = spec, (spec.mapping.layers, spec.mapping.size)
        self._compute = _openvino(model, spec, threads) if by_openvino else _onnxruntime(model, spec, threads)

    def styles(self, z: Latents, label: Labels | None, psi: Psi) -> Styles:
        """Styles (N, layers, size) of latents (N, nz) [and labels (N,)], psi (N,) of the way to them from the mean style."""
        rows = np.empty((len(z), *self._shape), np.float32)
        for start in range(0, len(z), BLOCK):
            feed: dict[str, npt.NDArray[Any]] = {"z": padded(z, start, BLOCK), "psi": padded(psi, start, BLOCK)}
            if label is not None:
                feed["label"] = padded(label, start, BLOCK)
            with runtime_errors("the mapping", "these latents"):
                rows[start : start + BLOCK] = self._compute(feed)[: len(z) - start]
        return rows

    def at_psi(self, z: Latents, label: Labels | None, psi: float | Psi) -> Styles:
        """As `styles`; psi may be one number for all."""
        return self.styles(z, label, np.ascontiguousarray(np.broadcast_to(np.asarray(psi, np.float32), len(z))))


class StyleRunner(ClosingRunner):
    """Draws from latents, at psi 1, or from styles (N, layers, size), without labels."""

    def __init__(self, mapping: Mapping, synthesis: Runner) -> None:
        self._mapping, self._synthesis = mapping, synthesis
        self.backend, self.variant, self.device = synthesis.backend, synthesis.variant, synthesis.device

    def styles(self, z: Latents, label: Labels | None, psi: Psi) -> Styles:
        return self._mapping.styles(z, label, psi)

    def run(self, z: Rows, label: Labels | None) -> Images:
        return self._synthesis.run(self._rows(z, label), None)

    def _rows(self, z: Rows, label: Labels | None) -> Styles:
        return self.styles(z, label, np.ones(len(z), np.float32)) if z.ndim == 2 else z

    def on_device(self, z: Rows, label: Labels | None) -> Callable[[], None] | None:
        return self._synthesis.on_device(self._rows(z, label), None)

    def close(self) -> None:
        self._synthesis.close()


def open_mapping(bundle: Bundle, *, by_openvino: bool = False, threads: int | None = None) -> Mapping:
    """The mapping of a bundle that has one. Raises ArtefactError for a damaged one, BackendUnavailable without its runtime."""
    return Mapping(bundle.read(MAPPING), bundle.spec, by_openvino=by_openvino, threads=threads)


def with_mapping(runner: Runner, bundle: Bundle, threads: int | None = None) -> Runner:
    """`runner` of the bundle's graph, with its mapping before it if it has one."""
    if bundle.spec.mapping is None:
        return runner
    try:
        mapping = open_mapping(bundle, by_openvino=runner.backend == "openvino-cpu", threads=threads)
    except BaseException:
        runner.close()
        raise
    return StyleRunner(mapping, runner)


def _onnxruntime(model: bytes, spec: Spec, threads: int | None) -> Compute:
    onnxruntime = import_onnxruntime()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    if threads is not None:
        options.intra_op_num_threads = threads
    with runtime_errors("ONNX Runtime", MAPPING):
        session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    compare_ports(ports_of(session), _ports(spec), MAPPING)

    def compute(feed: dict[str, npt.NDArray[Any]]) -> Styles:
        w: Styles = session.run(["w"], feed)[0]
        return w

    return compute


def _openvino(model: bytes, spec: Spec, threads: int | None) -> Compute:
    import threading

    try:
        import openvino
    except ImportError:
        raise BackendUnavailable("openvino is not installed", "pip install 'gansample[openvino]'") from None
    settings: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
    if threads is not None:
        settings["INFERENCE_NUM_THREADS"] = threads
    core, turn = openvino.Core(), threading.Lock()
    with runtime_errors("OpenVINO", MAPPING):
        graph = core.read_model(model)
        ports = openvino_ports(graph)
        compare_ports(ports, _ports(spec), MAPPING)
        graph.reshape({port.get_any_name(): [BLOCK, *ports[port.get_any_name()][1]] for port in graph.inputs})
        request = core.compile_model(graph, "CPU", settings).create_infer_request()

    def compute(feed: dict[str, npt.NDArray[Any]]) -> Styles:
        with turn:
            w: Styles = request.infer(feed)["w"].copy()
        return w

    return compute


def _ports(spec: Spec) -> dict[str, Port]:
    """What a mapping takes and gives."""
    assert isinstance(spec.mapping, StyleMapping)
    label: dict[str, Port] = {"label": ("int64", [])} if spec.classes is not None else {}
    styles = [spec.mapping.layers, spec.mapping.size]
    return {"z": ("float32", [spec.latent_size]), "psi": ("float32", []), **label, "w": ("float32", styles)}
