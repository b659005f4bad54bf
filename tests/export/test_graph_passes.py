"""Every pass is exact: the old and the new nodes agree in float64, for any kernel, stride and padding it accepts."""

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from export.graph.passes.fold_batchnorm import fold_batchnorm
from export.graph.passes.latent_matmul import latent_matmul
from export.graph.passes.measure import EXACT
from export.graph.passes.phase_convolution import phase_convolution
from export.graph.passes.rewrite import Pass, Rewrite, apply, difference

STREAM = np.random.RandomState(0)


def model_of(nodes: list[onnx.NodeProto], shape: list[int | str], constants: dict[str, np.ndarray]) -> onnx.ModelProto:
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("z", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


def random(*shape: int) -> np.ndarray:
    return STREAM.standard_normal(shape).astype(np.float32)


def check(model: onnx.ModelProto, find: Pass, z: np.ndarray) -> list[Rewrite]:
    """Exact in float64, and the rewritten graph really runs and agrees in float32."""
    rewrites = find(model)
    assert rewrites
    assert max(difference(model, rewrite) for rewrite in rewrites) < EXACT
    before, after = (run(graph, z) for graph in (model, apply(model, rewrites)))
    np.testing.assert_allclose(after, before, rtol=1e-4, atol=1e-4)
    return rewrites


def run(model: onnx.ModelProto, z: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, {"z": z})[0])


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(
    ("kernel", "stride", "pad", "extra"),
    [
        (4, 2, 1, 0),
        (3, 2, 1, 1),
        (3, 2, 0, 0),
        (5, 2, 2, 1),
        (2, 2, 0, 0),
        (6, 3, 1, 0),
        (5, 3, 1, 2),
        (2, 3, 0, 0),
        (4, 4, 0, 3),
    ],
)
def test_phase_convolution_is_the_transposed_convolution(kernel: int, stride: int, pad: int, extra: int, bias: bool) -> None:
    constants = {"w": random(5, 3, kernel, kernel)} | ({"b": random(3)} if bias else {})
    has = {"strides": [stride] * 2, "pads": [pad] * 4, "output_padding": [extra] * 2, "kernel_shape": [kernel] * 2}
    model = model_of([helper.make_node("ConvTranspose", ["z", *constants], ["y"], **has)], ["N", 5, 4, 6], constants)
    check(model, phase_convolution, random(2, 5, 4, 6))


def test_what_is_computed_value_by_value_moves_in_front_of_the_interleaving() -> None:
    nodes = [
        helper.make_node("ConvTranspose", ["z", "w"], ["a"], strides=[2, 2], pads=[1] * 4),
        helper.make_node("Add", ["a", "shift"], ["b"]),
        helper.make_node("PRelu", ["b", "slope"], ["c"]),
        helper.make_node("Clip", ["c", "", "most"], ["d"]),
        helper.make_node("Sub", ["one", "d"], ["e"]),
        helper.make_node("Transpose", ["e"], ["y"], perm=[0, 2, 3, 1]),
    ]
    constants = {"w": random(5, 3, 4, 4), "shift": random(1, 3, 1, 1), "slope": random(3, 1, 1)}
    constants |= {"most": np.array(0.5, np.float32), "one": np.ones(1, np.float32)}
    model = model_of(nodes, ["N", 5, 4, 6], constants)
    (rewrite,) = check(model, phase_convolution, random(2, 5, 4, 6))
    assert [node.op_type for node in rewrite.new] == ["Conv", "Add", "PRelu", "Clip", "Sub", "DepthToSpace", "Slice"]
    assert apply(model, [rewrite]).graph.node[-1].op_type == "Transpose"


@pytest.mark.parametrize(
    ("behind", "values"),
    [
        (helper.make_node("Add", ["a", "v"], ["y"]), {"v": random(1, 3, 8, 1)}),  # another value in every row
        (helper.make_node("Mul", ["a", "v"], ["y"]), {"v": random(12)}),  # … in every column
        (helper.make_node("InstanceNormalization", ["a", "v", "v"], ["y"]), {"v": random(3)}),
    ],
)
def test_what_depends_on_the_place_stays_behind_the_interleaving(behind: onnx.NodeProto, values: dict[str, np.ndarray]) -> None:
    nodes = [helper.make_node("ConvTranspose", ["z", "w"], ["a"], strides=[2, 2], pads=[1] * 4), behind]
    (rewrite,) = check(
        model_of(nodes, ["N", 5, 4, 6], {"w": random(5, 3, 4, 4), **values}), phase_convolution, random(2, 5, 4, 6)
    )
    assert [node.op_type for node in rewrite.new] == ["Conv", "DepthToSpace", "Slice"]


def test_phase_convolution_leaves_alone_what_it_does_not_understand() -> None:
    grouped = helper.make_node("ConvTranspose", ["z", "w"], ["y"], strides=[2, 2], group=2)
    assert phase_convolution(model_of([grouped], ["N", 4, 4, 4], {"w": random(4, 3, 4, 4)})) == []
    same = helper.make_node("ConvTranspose", ["z", "w"], ["y"])
    assert phase_convolution(model_of([same], ["N", 4, 4, 4], {"w": random(4, 3, 4, 4)})) == []


@pytest.mark.parametrize(("kernel", "pad", "extra"), [(4, 0, 0), (7, 0, 0), (4, 1, 0), (3, 0, 1)])
def test_first_transposed_convolution_is_a_matrix_product(kernel: int, pad: int, extra: int) -> None:
    stride = 2 if extra else 1
    has = {"strides": [stride] * 2, "pads": [pad] * 4, "output_padding": [extra] * 2}
    nodes = [
        helper.make_node("Unsqueeze", ["z", "axes"], ["pixel"]),
        helper.make_node("ConvTranspose", ["pixel", "w", "b"], ["y"], **has),
    ]
    constants = {"axes": np.array([2, 3]), "w": random(6, 5, kernel, kernel), "b": random(5)}
    rewrites = check(model_of(nodes, ["N", 6], constants), latent_matmul, random(3, 6))
    assert [node.op_type for node in rewrites[0].new] == ["MatMul", "Add", "Reshape"]


@pytest.mark.parametrize("kind", ["Conv", "ConvTranspose"])
def test_batchnorm_folds_into_the_layer_before(kind: str) -> None:
    nodes = [
        helper.make_node(kind, ["z", "w"], ["x"]),
        helper.make_node("BatchNormalization", ["x", "gamma", "beta", "mean", "var"], ["y"], epsilon=0.8),
    ]
    constants = {"w": random(4, 4, 3, 3), "gamma": random(4), "beta": random(4), "mean": random(4), "var": random(4) ** 2}
    model = model_of(nodes, ["N", 4, 5, 5], constants)
    rewrites = check(model, fold_batchnorm, random(2, 4, 5, 5))
    assert len(apply(model, rewrites).graph.node) == 1


def test_a_wrong_rewrite_is_seen() -> None:
    node = helper.make_node("ConvTranspose", ["z", "w"], ["y"], strides=[2, 2], pads=[1] * 4)
    model = model_of([node], ["N", 5, 4, 4], {"w": random(5, 3, 4, 4)})
    (rewrite,) = phase_convolution(model)
    weight = rewrite.constants["y.phases"].copy()
    weight[0, 0, 0, 0] *= 1.001
    wrong = Rewrite(old=rewrite.old, new=rewrite.new, probe=rewrite.probe, constants={**rewrite.constants, "y.phases": weight})
    assert difference(model, wrong) > EXACT
