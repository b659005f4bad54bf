"""What precision an engine really computes in, read from TensorRT's engine inspector.

Asking for half precision and getting float32 without a warning is the commonest failure of TensorRT deployments, so the layers
are counted. The inspector's JSON names a tensor's type in one text up to TensorRT 10 ("Format/Datatype": "Half", or "Row major
linear FP16 format") and in a field of its own from 11 on ("DataType": "Half"; some releases spell it "Datatype").
"""

import re
from dataclasses import asdict, dataclass
from typing import Any

from gansample.bundle.fields import parse_json
from gansample.errors import ParityError

# A strongly typed network leaves TensorRT no choice layer by layer, so the accident shows as no half at all. The smallest
# generators keep 0.3 in half: their pixel head, casts and reformatting are float32 and as many layers as the network.
MIN_HALF_SHARE = 0.2

_TYPE_FIELDS = ("Format/Datatype", "DataType", "Datatype", "Type", "Format")
_HALF = re.compile(r"\b(half|fp16|float16)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerCount:
    """How many of an engine's layers read, write or weigh in half precision."""

    layers: int
    half: int

    @property
    def half_share(self) -> float:
        return self.half / self.layers if self.layers else 0.0

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "half_share": round(self.half_share, 4)}


def count_layers(engine_information: str) -> LayerCount:
    """Count the layers in what `EngineInspector.get_engine_information` gives as JSON.

    Layers without any tensor or weight that has a type (built without detailed verbosity) prove nothing and are not counted.
    """
    document = parse_json(engine_information, "TensorRT's engine inspector")
    types = [_types(layer) for layer in document.get("Layers", []) if isinstance(layer, dict)]
    typed = [names for names in types if names]
    return LayerCount(layers=len(typed), half=sum(any(map(_HALF.search, names)) for names in typed))


def check_precision(count: LayerCount, precision: str) -> None:
    """Raise ParityError where an engine does not compute in the precision that it was built for."""
    if count.layers == 0:
        raise ParityError("TensorRT's inspector shows no layer's type", "the precision cannot be proven, please report this")
    if precision == "fp16" and count.half_share < MIN_HALF_SHARE:
        raise ParityError(
            f"TensorRT built {count.half} of {count.layers} layers in half precision although fp16 was asked for",
            "the engine was not kept; use the fp32 variant or another TensorRT",
        )
    if precision == "fp32" and count.half:
        raise ParityError(
            f"TensorRT built {count.half} of {count.layers} layers in half precision although fp32 was asked for",
            "the engine was not kept, please report this",
        )


def _types(layer: dict[str, Any]) -> list[str]:
    parts: list[Any] = [*layer.get("Inputs", []), *layer.get("Outputs", []), layer.get("Weights"), layer.get("Bias")]
    return [
        part[field] for part in parts if isinstance(part, dict) for field in _TYPE_FIELDS if isinstance(part.get(field), str)
    ]
