"""The forms of a generator that some runtime draws faster. Each builder is one file; `build.py` judges what it brings."""

from collections.abc import Mapping
from functools import partial

from export.variants import onnx_fp16, onnx_fp32, openvino_bf16, openvino_fp32, openvino_int8
from export.variants.base import Builder, BuiltVariant, VariantUnavailable

__all__ = ["BUILDERS", "Builder", "BuiltVariant", "VariantUnavailable", "builders"]

BUILDERS: Mapping[str, Builder] = {
    onnx_fp32.NAME: onnx_fp32.build,  # the reference comes first: where it fails, nothing is written
    openvino_fp32.NAME: openvino_fp32.build,
    openvino_bf16.NAME: openvino_bf16.build,
    openvino_int8.NAME: openvino_int8.build,
    onnx_fp16.NAME: onnx_fp16.build,
}


def builders(finetune: float = 0) -> Mapping[str, Builder]:
    """All of them, int8 with so many minutes of training."""
    return {**BUILDERS, openvino_int8.NAME: partial(openvino_int8.build, finetune=finetune)}
