"""The forms of a generator that some runtime draws faster. Each builder is one file; `build.py` checks what it builds."""

from collections.abc import Mapping
from functools import partial

from export.variants import onnx_fp16, onnx_fp32, openvino_bf16, openvino_fp32, openvino_int8
from export.variants.base import Builder, BuiltVariant, VariantUnavailable, reason_of
from export.variants.timing_decisions import MEASURE_ALL, TimingDecisions
from gansample.errors import UsageError

__all__ = ["BUILDERS", "Builder", "BuiltVariant", "VariantUnavailable", "builders", "reason_of"]

BUILDERS: Mapping[str, Builder] = {
    onnx_fp32.NAME: onnx_fp32.build,  # the reference comes first: where it fails, nothing is written
    openvino_fp32.NAME: openvino_fp32.build,
    openvino_bf16.NAME: openvino_bf16.build,
    openvino_int8.NAME: openvino_int8.build,
    onnx_fp16.NAME: onnx_fp16.build,
}


def builders(decisions: TimingDecisions = MEASURE_ALL, variants: str | None = None) -> Mapping[str, Builder]:
    """Those that another export had, or all of them; with `variants`, `A,B,…`, the reference and those only.

    Raises UsageError for a variant that there is not.
    """
    int8 = partial(openvino_int8.build, float_layers=decisions.float_layers, phases=decisions.int8_phases)
    every: Mapping[str, Builder] = {**BUILDERS, openvino_int8.NAME: int8}
    available = {name: build for name, build in every.items() if decisions.variants is None or name in decisions.variants}
    if variants is None:
        return available
    wanted = variants.split(",")
    if unknown := [name for name in wanted if name not in available]:
        raise UsageError(f"there is no variant {unknown[0]!r}", f"choose from {', '.join(available)}")
    return {name: build for name, build in available.items() if name in (onnx_fp32.NAME, *wanted)}
