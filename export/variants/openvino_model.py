"""OpenVINO models on the exporter's side: read from a debug graph, measured before rounding, and written as bytes."""

import tempfile
from pathlib import Path
from typing import Any

import numpy.typing as npt

from export.variants.base import VariantUnavailable
from gansample.runtimes.base import Run
from gansample.types import Labels, Rows


def openvino() -> Any:
    """The module. Raises VariantUnavailable where it is not installed."""
    try:
        import openvino
    except ImportError:
        raise VariantUnavailable("openvino is not installed (pip install openvino)") from None
    return openvino


def read(debug_graph: bytes) -> Any:
    """The graph with both outputs, `images` and `levels`; the same graph has the same names in every process."""
    model = openvino().Core().read_model(debug_graph)
    _name_by_place(model)
    return model


def without_unrounded(model: Any) -> Any:
    """The part of the model that ships: only `images` comes out."""
    results = [result for result in model.get_results() if result.output(0).get_any_name() == "images"]
    return openvino().Model(results, model.get_parameters(), "generator")


def open_unrounded(model: Any, hint: str = "f32") -> Run[Any]:
    """A function that gives the pictures before rounding, float (N, H, W, C), computed in precision `hint`."""
    settings = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": hint}
    request = openvino().Core().compile_model(model, "CPU", settings).create_infer_request()

    def unrounded(z: Rows, label: Labels | None) -> npt.NDArray[Any]:
        drawn: npt.NDArray[Any] = request.infer(feed_of(model, z, label))["levels"]
        return drawn.copy()

    return unrounded


def feed_of(model: Any, z: Rows, label: Labels | None) -> dict[str, npt.NDArray[Any]]:
    """The model's inputs by name, for latents and labels or for styles."""
    rows = next(name for port in model.inputs if (name := port.get_any_name()) != "label")
    return {rows: z} if label is None else {rows: z, "label": label}


def to_bytes(model: Any) -> tuple[bytes, bytes]:
    """The model as an OpenVINO IR: the .xml and the .bin, weights exactly as they are; the same model is the same bytes."""
    _name_by_place(model)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.xml"
        openvino().save_model(model, path, compress_to_fp16=False)
        return path.read_bytes(), path.with_suffix(".bin").read_bytes()


def _name_by_place(model: Any) -> None:
    """Nameless nodes are called after a counter of the whole process, such as Constant_121328: count them in the model."""
    for place, op in enumerate(model.get_ordered_ops()):
        kind, _, number = op.get_friendly_name().rpartition("_")
        if kind == op.get_type_name() and number.isdigit():
            op.set_friendly_name(f"{kind}_{place}")


def layers_by_precision(model: Any, hint: str) -> dict[str, int]:
    """How many convolutions and matrix products OpenVINO really runs in each precision, read from the compiled graph."""
    compiled = openvino().Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": hint})
    found: dict[str, int] = {}
    for node in compiled.get_runtime_model().get_ops():
        info = node.get_rt_info()
        if info["layerType"].astype(str) in ("Convolution", "Deconvolution", "FullyConnected", "MatMul"):
            precision = info["runtimePrecision"].astype(str)
            found[precision] = found.get(precision, 0) + 1
    return found
