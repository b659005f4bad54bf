"""The bundles that TensorRT's contract is tested with: the tiny one, a conditional one, one with fp16, one of styles."""

from pathlib import Path

import onnx

from export.bundle_writer.write import write_bundle
from export.graph.half import cast_to_half
from export.graph.to_onnx import finish
from gansample.bundle.open import open_bundle
from gansample.bundle.spec import Variant
from tests.support.make_style_bundle import make_style_bundle
from tests.support.make_tiny_bundle import make_tiny_bundle

FP16 = "variants/onnx-fp16.onnx"


def make_contract_bundles(folder: Path) -> Path:
    """Write `tiny`, `named`, `half` and `styles` into `folder`, and return it."""
    bundle = open_bundle(make_tiny_bundle(folder / "tiny"))
    make_tiny_bundle(folder / "named", classes=("a", "b", "c"))
    make_style_bundle(folder / "styles", classes=("a", "b", "c"))
    half = finish(cast_to_half(onnx.load_from_string(bundle.read("generator.onnx"))), bundle.spec)
    files = {name: bundle.read(name) for name in bundle.files} | {FP16: half}
    variant = Variant(name="onnx-fp16", runtime="onnxruntime", precision="fp16", files=(FP16,), parity={"verdict": "PASS"})
    write_bundle(folder / "half", bundle.spec, [*bundle.variants, variant], files)
    return folder
