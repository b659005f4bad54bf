"""On WebGPU the bundles that ship draw their goldens, whatever the batch; every kind of layer runs there, and says where."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from gansample.bundle.fidelity import GATES, compare
from gansample.bundle.goldens import read_goldens
from gansample.bundle.open import EMBEDDED, open_bundle
from gansample.bundle.spec import Spec
from gansample.errors import BackendUnavailable
from gansample.runtimes.base import per_second
from gansample.runtimes.onnxruntime_cpu import OnnxRuntimeRunner
from gansample.runtimes.onnxruntime_module import import_onnxruntime
from gansample.runtimes.open import open_runner
from gansample.runtimes.webgpu.runner import WebGpuRunner
from gansample.runtimes.webgpu.without_round import without_round
from gansample.sampling.sampler import open_sampler
from tests.support.make_style_bundle import make_style_bundle
from tests.support.repository import ROOT

# bundle -> batch sizes: a software adapter draws clothing's 64×64 in a third of a second each
SHIPPED = {
    EMBEDDED / "fashion": (1, 3, 17, 64),
    ROOT / "models" / "signs": (1, 3, 17, 64),
    ROOT / "models" / "clothing": (1, 3, 17),
}


@pytest.mark.parametrize("folder", SHIPPED, ids=lambda folder: folder.name)
def test_a_bundle_that_ships_draws_its_goldens(folder: Path) -> None:
    bundle = open_bundle(folder)
    goldens = read_goldens(bundle)
    with open_runner(bundle, "webgpu", bundle.variant("onnx-fp32")) as runner:
        assert runner.backend == "onnxruntime-webgpu"
        for batch in SHIPPED[folder]:
            some = goldens.first(batch)
            assert not GATES["fp32"].failures(compare(runner.run(some.z, some.label), some.images)), batch


def test_without_copies_it_draws_what_lies_on_the_device() -> None:
    bundle = open_bundle(EMBEDDED / "fashion")
    z, label = bundle.spec.latents(range(17)), np.arange(17) % 10
    with open_runner(bundle, "webgpu", bundle.variant("onnx-fp32")) as runner:
        draw = runner.on_device(z, label)
        assert draw is not None
        with_copies, without = (per_second(each, 17, 0.0) for each in (lambda: runner.run(z, label), draw))
    assert without < 5 * with_copies, "it returns before anything is drawn"


def test_a_generator_with_a_mapping_takes_psi(tmp_path: Path) -> None:
    bundle = open_bundle(make_style_bundle(tmp_path / "styles", classes=("ant", "bee", "cat")))
    with open_sampler(bundle, "webgpu") as sampler, open_sampler(bundle, "onnxruntime") as reference:
        assert sampler.runner.backend == "onnxruntime-webgpu"
        plain = sampler.sample(range(20))
        assert np.array_equal(sampler.sample(range(20), psi=1), plain)
        for psi in (1, 0.7, 0):
            drawn = sampler.sample(range(20), psi=psi)
            assert not GATES["fp32"].failures(compare(drawn, reference.sample(range(20), psi=psi))), psi
        assert (drawn == drawn[0]).all(), "psi 0 is one picture"


def generator_with(*nodes: onnx.NodeProto, **weights: np.ndarray[Any, Any]) -> tuple[bytes, Spec]:
    """z (N, 8) -> Reshape to x (N, 2, 2, 2) -> `nodes`, which give y (N, 3, 4, 4) -> pictures."""
    head = [
        helper.make_node("Reshape", ["z", "grid"], ["x"]),
        *nodes,
        helper.make_node("Tanh", ["y"], ["squashed"]),
        helper.make_node("Mul", ["squashed", "scale"], ["scaled"]),
        helper.make_node("Add", ["scaled", "scale"], ["levels"]),
        helper.make_node("Transpose", ["levels"], ["last"], perm=[0, 2, 3, 1]),
        helper.make_node("Round", ["last"], ["rounded"]),
        helper.make_node("Cast", ["rounded"], ["images"], to=TensorProto.UINT8),
    ]
    constants = {"grid": np.array([-1, 2, 2, 2]), "scale": np.array(127.5, np.float32), **weights}
    graph = helper.make_graph(
        head,
        "generator",
        [helper.make_tensor_value_info("z", TensorProto.FLOAT, ["N", 8])],
        [helper.make_tensor_value_info("images", TensorProto.UINT8, ["N", 4, 4, 3])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    return model.SerializeToString(), Spec(name="layers", latent_size=8, height=4, width=4, channels=3)


def random(*shape: int) -> np.ndarray[Any, Any]:
    return np.random.RandomState(0).standard_normal(shape).astype(np.float32)


node = helper.make_node


def up(source: str = "x") -> list[onnx.NodeProto]:
    """Nearest ×2 and a 1×1 convolution to three channels."""
    how = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    return [node("Resize", [source, "", "doubled"], ["wide"], **how), node("Conv", ["wide", "to_rgb"], ["y"])]


UP = {"doubled": np.array([1, 1, 2, 2], np.float32), "to_rgb": random(3, 2, 1, 1)}
NORM = {**UP, "s": random(2), "b": random(2), "m": random(2), "v": np.abs(random(2)) + 1}
LAYERS = {
    "ConvTranspose": (
        [node("ConvTranspose", ["x", "w"], ["y"], strides=[2, 2], kernel_shape=[2, 2])],
        {"w": random(2, 3, 2, 2)},
    ),
    "Resize Conv": (up(), UP),
    "Resize linear": (
        [node("Resize", ["x", "", "doubled"], ["wide"], mode="linear"), node("Conv", ["wide", "to_rgb"], ["y"])],
        UP,
    ),
    "InstanceNormalization": ([node("InstanceNormalization", ["x", "s", "b"], ["n"]), *up("n")], NORM),
    "BatchNormalization": ([node("BatchNormalization", ["x", "s", "b", "m", "v"], ["n"]), *up("n")], NORM),
    "DepthToSpace": (
        [node("Conv", ["x", "w"], ["many"]), node("DepthToSpace", ["many"], ["y"], blocksize=2)],
        {"w": random(12, 2, 1, 1)},
    ),
    "Softmax MatMul": ([node("Softmax", ["x"], ["s"], axis=-1), node("MatMul", ["s", "x"], ["m"]), *up("m")], UP),
}
ACTIVATIONS = ["Relu", "LeakyRelu", "Elu", "Sigmoid", "Softplus", "HardSigmoid", "Tanh", "Erf"]


def draws_as_the_cpu(nodes: list[onnx.NodeProto], weights: dict[str, Any]) -> None:
    model, spec = generator_with(*nodes, **weights)
    z = spec.latents(range(5))
    with WebGpuRunner(model, spec) as runner, OnnxRuntimeRunner(model, spec) as reference:
        drawn, expected = runner.run(z, None), reference.run(z, None)
    assert len(np.unique(expected)) > 10
    assert np.abs(drawn.astype(int) - expected).max() <= 1


@pytest.mark.parametrize("kind", LAYERS)
def test_a_layer_of_every_kind(kind: str) -> None:
    draws_as_the_cpu(*LAYERS[kind])


@pytest.mark.parametrize("operator", ACTIVATIONS)
def test_an_activation_of_every_kind(operator: str) -> None:
    draws_as_the_cpu([node(operator, ["x"], ["a"]), *up("a")], UP)


def test_a_layer_without_a_kernel_is_refused_by_name() -> None:
    model, spec = generator_with(node("Selu", ["x"], ["a"]), *up("a"), **UP)
    with pytest.raises(BackendUnavailable, match="WebGPU leaves Selu of the model to the CPU: use --backend onnxruntime"):
        WebGpuRunner(model, spec)


def test_rounding_without_round_is_rounding() -> None:
    """Bit for bit on a CPU: halves to even, whatever the sign, and everything between."""
    x = np.concatenate([np.arange(-40, 600, dtype=np.float32) / 2, np.linspace(0, 255, 5000, dtype=np.float32)])
    graph = helper.make_graph(
        [helper.make_node("Round", ["x"], ["y"])],
        "rounding",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N"])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N"])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10).SerializeToString()
    changed = without_round(model)
    onnx.checker.check_model(onnx.load_from_string(changed), full_check=True)
    before, after = (
        import_onnxruntime().InferenceSession(each, providers=["CPUExecutionProvider"]).run(None, {"x": x})[0]
        for each in (model, changed)
    )
    assert np.array_equal(before, after)
    assert np.array_equal(after, np.round(x))
    assert without_round(changed) == changed


def test_the_command_says_on_what_it_drew_and_is_quiet_about_the_rest(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "gansample", "--bundle", "fashion", "--backend", "webgpu", "--n", "4", "--json", "out.png"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stderr) == (0, "")
    report = json.loads(done.stdout)
    assert (report["backend"], report["device"]) == ("onnxruntime-webgpu", "a software adapter on the CPU")
