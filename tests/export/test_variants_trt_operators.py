"""Our exported graphs hold nothing that TensorRT's operator table refuses; what it refuses is named."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from export.graph.half import cast_to_half
from export.variants.trt_operators import trt_obstacles
from gansample.bundle.open import REFERENCE
from tests.support.make_tiny_bundle import make_tiny_bundle


@pytest.mark.parametrize("classes", [None, ("a", "b", "c")])
def test_our_graphs_are_in_the_table_in_float32_and_in_half(tmp_path: Path, classes: tuple[str, ...] | None) -> None:
    model = onnx.load(make_tiny_bundle(tmp_path / "tiny", classes=classes) / REFERENCE)
    assert trt_obstacles(model) == []
    assert trt_obstacles(cast_to_half(model)) == []


def _model(*nodes: onnx.NodeProto, opset: int = 18, domain: str = "", images: int = TensorProto.UINT8) -> onnx.ModelProto:
    z = helper.make_tensor_value_info("z", TensorProto.FLOAT, ["N", 4, 8, 8])
    out = helper.make_tensor_value_info("images", images, None)
    sizes = numpy_helper.from_array(np.array([1, 4, 16, 16]), "sizes")
    graph = helper.make_graph(list(nodes), "g", [z], [out], [sizes])
    imports = [helper.make_opsetid("", opset)] + ([helper.make_opsetid(domain, 1)] if domain else [])
    return helper.make_model(graph, opset_imports=imports, ir_version=10)


def _cast(source: str, target: str = "images", to: int = TensorProto.UINT8) -> onnx.NodeProto:
    return helper.make_node("Cast", [source], [target], name=f"cast_{target}", to=to)


def _resize(**attributes: object) -> onnx.NodeProto:
    return helper.make_node("Resize", ["z", "", "", "sizes"], ["x"], name="up", **attributes)


@pytest.mark.parametrize(
    ("model", "obstacle"),
    [
        (_model(helper.make_node("Det", ["z"], ["x"], name="d"), _cast("x")), "Det d is not in TensorRT's table"),
        (_model(_cast("z"), opset=25), "opset 25 is outside 9..24"),
        (_model(_cast("z"), domain="com.microsoft"), "operators of the domain com.microsoft are unknown to TensorRT"),
        (
            _model(_cast("z", "u"), helper.make_node("Transpose", ["u"], ["images"], name="t", perm=[0, 2, 3, 1])),
            "Transpose t puts out uint8, which only a last Cast may",
        ),
        (
            _model(_cast("z", "u"), _cast("u", "images", TensorProto.FLOAT), images=TensorProto.FLOAT),
            "Cast cast_u puts out uint8, which only a last Cast may",
        ),
        (_model(_resize(mode="cubic"), _cast("x")), "Resize up has mode cubic"),
        (_model(_resize(mode="linear", antialias=1), _cast("x")), "Resize up has antialiasing"),
        (
            _model(_cast("z", "d", TensorProto.DOUBLE), helper.make_node("Tanh", ["d"], ["x"], name="t"), _cast("x")),
            "Tanh t works on double, which the table does not give it",
        ),
    ],
)
def test_each_obstacle_is_named(model: onnx.ModelProto, obstacle: str) -> None:
    assert obstacle in trt_obstacles(model)


def test_what_upsamples_as_torch_does_is_allowed() -> None:
    nearest = _resize(mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor")
    assert trt_obstacles(_model(nearest, _cast("x"))) == []
