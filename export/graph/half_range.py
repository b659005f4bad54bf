"""What half precision does to each layer: how near its values come to the largest half, and whether its weights survive.

A half reaches 65,504 and has full precision from 6.1e-5 up. A layer that leaves this range keeps float32.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import NodeProto, numpy_helper

from export.effort import fewer
from export.export_model import cycled_labels
from export.graph.half import COMPUTES, MAX_HALF, half_nodes, weights_of
from export.mapping import SynthesisSpec
from gansample.bundle.spec import Spec
from gansample.runtimes.base import graph_feed
from gansample.runtimes.onnxruntime_module import import_onnxruntime

MAX_WEIGHT_LOSS = 2.0**-10  # rounding to 11 bits alone loses up to 2⁻¹¹ of a weight; more means that weights underflow
MIN_HEADROOM = 4.0  # a factor; the latents measured here are not the worst there are
TAIL = 5.0  # |z| of the extreme latents, beyond what N(0, 1) gives in a million draws
_BATCH = 32  # what every layer gives is held for so many pictures; fewer of large ones


@dataclass(frozen=True, slots=True, kw_only=True)
class Peak:
    """The largest magnitude that a layer puts out before its activation, and how often that fits below 65,504."""

    node: str
    layer: str
    op: str
    peak: float
    weight_loss: float
    """Relative distance of the rounded weights, |w − half(w)| / |w| over the whole layer."""

    @property
    def headroom(self) -> float:
        return MAX_HALF / self.peak if self.peak else float("inf")

    @property
    def fits(self) -> bool:
        return bool(np.isfinite(self.peak)) and self.headroom >= MIN_HEADROOM and self.weight_loss <= MAX_WEIGHT_LOSS

    def to_dict(self) -> dict[str, Any]:
        figures = {"peak": self.peak, "headroom": min(self.headroom, 1e9), "weight_loss": self.weight_loss}
        return asdict(self) | {name: float(f"{value:.4g}") for name, value in figures.items()}


def measure_peaks(model: onnx.ModelProto, spec: Spec, seeds: range) -> list[Peak]:
    """Peaks of every node that may compute in half, its weights included.

    Measured over the latents of `seeds` and as many stretched to |z| = 5.
    """
    nodes = half_nodes(model)
    probed = onnx.ModelProto()
    probed.CopyFrom(model)
    outputs = [node.output[0] for node in nodes]
    existing = {value.name for value in probed.graph.output}
    probed.graph.output.extend(onnx.helper.make_empty_tensor_value_info(name) for name in outputs if name not in existing)
    session = import_onnxruntime().InferenceSession(probed.SerializeToString(), providers=["CPUExecutionProvider"])
    z = (
        spec.styles(_with_tails(spec.whole.latents(seeds)))
        if isinstance(spec, SynthesisSpec)
        else _with_tails(spec.latents(seeds))
    )
    label = cycled_labels(spec, len(z))
    peaks = np.zeros(len(nodes))
    batch = fewer(spec, _BATCH)
    for start in range(0, len(z), batch):
        part = slice(start, start + batch)
        feed = graph_feed(spec, z[part], label[part] if label is not None else None)
        drawn = session.run(outputs, feed)
        peaks = np.maximum(peaks, [_magnitude(values) for values in drawn])
    return [
        Peak(
            node=node.name,
            layer=layer_name(model, node),
            op=node.op_type,
            peak=float(max([peak, *(_magnitude(weight) for weight in weights)])),
            weight_loss=max((_loss(weight) for weight in weights), default=0.0),
        )
        for node, peak in zip(nodes, peaks, strict=True)
        for weights in [[numpy_helper.to_array(weight) for weight in weights_of(model, node)]]
    ]


def layer_name(model: onnx.ModelProto, node: NodeProto) -> str:
    """What the author called the layer: its weight's name without `.weight`; the node's own name where it has none."""
    weights = weights_of(model, node) if node.op_type in COMPUTES else []
    return weights[0].name.removesuffix(".weight").removeprefix("network.") if weights else node.name


def _with_tails(z: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    stretched = z * (TAIL / np.abs(z).max(axis=1, keepdims=True))
    return np.concatenate([z, stretched.astype(np.float32)])


def _loss(weight: npt.NDArray[np.generic]) -> float:
    if weight.dtype != np.float32 or not weight.any():
        return 0.0
    exact = weight.astype(np.float64)
    with np.errstate(over="ignore"):
        return float(np.linalg.norm(exact - exact.astype(np.float16)) / np.linalg.norm(exact))


def _magnitude(values: npt.NDArray[np.generic]) -> float:
    if values.size == 0 or not np.issubdtype(values.dtype, np.floating):
        return 0.0
    return float(np.abs(values).max())  # NaN stays NaN, and then nothing fits
