"""The forms of a generator that some runtime draws faster. Each builder is one file; `build.py` judges what it brings."""

from collections.abc import Mapping

from export.variants import onnx_fp32
from export.variants.base import Builder, BuiltVariant, VariantUnavailable

__all__ = ["BUILDERS", "Builder", "BuiltVariant", "VariantUnavailable"]

BUILDERS: Mapping[str, Builder] = {
    onnx_fp32.NAME: onnx_fp32.build,  # the reference comes first: where it fails, nothing is written
}
