"""A sealed graph that reads other files, asks for other libraries or never ends is refused before a runtime sees it."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from gansample import open_sampler
from gansample.bundle.open import open_bundle
from gansample.bundle.openvino_check import check_openvino
from gansample.bundle.spec import Variant
from gansample.errors import ArtefactError
from gansample.triton.repository import export_triton
from tests.support.make_tiny_bundle import LATENT, SIZE, Change, reseal_bundle, resealed

FEATURES = 3 * SIZE * SIZE


def external(tensor: onnx.TensorProto) -> onnx.TensorProto:
    """As an attacker writes it: the weights are whatever lies in this file of the working directory."""
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in {"location": "secret.bin", "offset": "0", "length": str(4 * LATENT * FEATURES)}.items():
        tensor.external_data.add(key=key, value=value)
    return tensor


def weights_in_a_file(model: onnx.ModelProto) -> None:
    external(next(tensor for tensor in model.graph.initializer if tensor.name == "weight"))


def constant_in_a_file(model: onnx.ModelProto) -> None:
    tensor = next(tensor for tensor in model.graph.initializer if tensor.name == "weight")
    model.graph.node.insert(0, helper.make_node("Constant", [], ["weight"], value=external(tensor)))
    model.graph.initializer.remove(tensor)


def sparse_weights_in_a_file(model: onnx.ModelProto) -> None:
    values, indices = external(numpy_helper.from_array(np.ones(4, np.float32), "s")), numpy_helper.from_array(np.arange(4), "i")
    model.graph.sparse_initializer.append(helper.make_sparse_tensor(values, indices, [8]))


def file_in_a_branch(model: onnx.ModelProto) -> None:
    inner = external(numpy_helper.from_array(np.zeros((LATENT, FEATURES), np.float32), "inner"))
    branch = helper.make_graph([], "branch", [], [helper.make_tensor_value_info("inner", TensorProto.FLOAT, None)], [inner])
    model.graph.initializer.append(numpy_helper.from_array(np.array(True), "yes"))
    model.graph.node.insert(0, helper.make_node("If", ["yes"], ["unused"], then_branch=branch, else_branch=branch))


def foreign_operator(model: onnx.ModelProto) -> None:
    model.graph.node[1].domain = "evil\x1b[31m"
    model.opset_import.append(helper.make_opsetid("evil\x1b[31m", 1))


def compiled_context(model: onnx.ModelProto) -> None:
    node = helper.make_node("EPContext", ["z"], ["x9"], domain="com.microsoft", embed_mode=0, ep_cache_context="/etc/passwd")
    model.graph.node.append(node)
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))


def own_function(model: onnx.ModelProto) -> None:
    opset = [helper.make_opsetid("", 18)]
    model.functions.append(helper.make_function("own", "F", ["a"], ["b"], [helper.make_node("Tanh", ["a"], ["b"])], opset))


def loop(trips: str, *, twice: bool = False) -> onnx.NodeProto:
    """tanh, applied `trips` times; twice: in a loop in a loop."""
    step = helper.make_node("Loop", [trips, "go", "value"], ["value_out"], body=_body("inner")) if twice else TANH
    return helper.make_node("Loop", [trips, "yes", "hidden"], ["looped"], body=_body("body", step))


TANH = helper.make_node("Tanh", ["value"], ["value_out"])


def _body(name: str, step: onnx.NodeProto = TANH) -> onnx.GraphProto:
    go, value = (TensorProto.BOOL, []), (TensorProto.FLOAT, None)
    inputs = {"i": (TensorProto.INT64, []), "go": go, "value": value}
    return helper.make_graph(
        [helper.make_node("Identity", ["go"], ["go_out"]), step],
        name,
        [helper.make_tensor_value_info(key, *of) for key, of in inputs.items()],
        [helper.make_tensor_value_info("go_out", *go), helper.make_tensor_value_info("value_out", *value)],
    )


def with_loop(*counts: int | None, name: str = "trips") -> Change:
    """A loop whose number of trips is an initializer; several: of the same name. None: an endless one."""

    def change(model: onnx.ModelProto) -> None:
        model.graph.initializer.append(numpy_helper.from_array(np.array(True), "yes"))
        for count in counts:
            if count is not None:
                model.graph.initializer.append(numpy_helper.from_array(np.array(count, np.int64), name))
        model.graph.node.insert(1, loop("" if None in counts else name))
        model.graph.node[2].input[0] = "looped"

    return change


def loop_in_a_loop(model: onnx.ModelProto) -> None:
    model.graph.initializer.append(numpy_helper.from_array(np.array(True), "yes"))
    model.graph.initializer.append(numpy_helper.from_array(np.array(900, np.int64), "trips"))
    model.graph.node.insert(1, loop("trips", twice=True))


def loop_over_a_computed_number(model: onnx.ModelProto) -> None:
    model.graph.initializer.append(numpy_helper.from_array(np.array(True), "yes"))
    model.graph.node.insert(1, helper.make_node("Size", ["hidden"], ["trips"]))
    model.graph.node.insert(2, loop("trips"))


REFUSED: dict[str, tuple[Change, str]] = {
    "weights in a file": (weights_in_a_file, "outside of itself"),
    "constant in a file": (constant_in_a_file, "outside of itself"),
    "sparse weights in a file": (sparse_weights_in_a_file, "outside of itself"),
    "file in a branch": (file_in_a_branch, "outside of itself"),
    "foreign operator": (foreign_operator, r"uses the operator 'Tanh' of 'evil\\x1b\[31m'"),
    "compiled context": (compiled_context, "reads other files"),
    "own function": (own_function, "functions of its own"),
    "endless loop": (with_loop(None), "number of trips is not fixed"),
    "very long loop": (with_loop(2**62), "Loop of 4,611,686,018,427,387,904 trips"),
    "two trip counts": (with_loop(2, 2**62, 2), "number of trips is not fixed"),
    "loop in a loop": (loop_in_a_loop, "900 trips, more than 1,000 in all"),
    "computed trips": (loop_over_a_computed_number, "number of trips is not fixed"),
}  # fmt: skip


@pytest.mark.parametrize("kind", REFUSED)
def test_a_graph_that_is_not_its_own_closed_and_finite(
    kind: str, tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "secret.bin").write_bytes(np.ones(LATENT * FEATURES, np.float32).tobytes())
    change, message = REFUSED[kind]
    model = resealed((tiny_bundle / "generator.onnx").read_bytes(), change)
    (tmp_path / "alone.onnx").write_bytes(model)
    with pytest.raises(ArtefactError, match=message):
        open_bundle("alone.onnx")
    by_openvino = Variant(
        name="openvino-fp32", runtime="openvino", precision="fp32", files=("generator.onnx",), parity={"verdict": "PASS"}
    )
    variants = [*open_bundle(tiny_bundle).variants, by_openvino]
    folder = reseal_bundle(tiny_bundle, tmp_path / "bundle", variants=variants, generator__onnx=model)
    for variant in ("onnx-fp32", "openvino-fp32"):
        with pytest.raises(ArtefactError, match=message):
            open_sampler(folder, variant=variant)
    with pytest.raises(ArtefactError, match=message):
        export_triton(open_bundle(folder), tmp_path / "triton")
    assert not (tmp_path / "triton").exists()


@pytest.mark.parametrize("trips", [0, 3, 1000])
def test_a_loop_with_an_end_draws(trips: int, tiny_bundle: Path, tmp_path: Path) -> None:
    model = resealed((tiny_bundle / "generator.onnx").read_bytes(), with_loop(trips))
    (tmp_path / "alone.onnx").write_bytes(model)
    with open_sampler(tmp_path / "alone.onnx") as sampler:
        assert sampler.sample([1]).shape == (1, SIZE, SIZE, 3)


def test_bytes_that_two_parsers_would_read_differently(tiny_bundle: Path, tmp_path: Path) -> None:
    """A second graph, a group, a tag of more than 32 bits, and ONNX Runtime's own format."""
    data = (tiny_bundle / "generator.onnx").read_bytes()
    odd = [
        data + b"\x3a\x00",
        data + b"\x0b\x0c",
        data + b"\xba\x80\x80\x80\x10\x00",
        b"\x08\x0a\x12\x05ORTM" + data,
        data[:4] + b"ORTM" + data[8:],
    ]  # fmt: skip
    variants = list(open_bundle(tiny_bundle).variants)
    for number, model in enumerate(odd):
        folder = reseal_bundle(tiny_bundle, tmp_path / f"bundle{number}", variants=variants, generator__onnx=model)
        with pytest.raises(ArtefactError, match=r"no valid ONNX file|own format"):
            open_sampler(folder)


NET = '<net name="g" version="11"><layers><layer id="0" name="z" type="{}" version="{}"/></layers><edges/></net>'


@pytest.mark.parametrize(
    ("xml", "message"),
    [
        (NET.format("Parameter", "extension").encode(), "which is not|does not have"),
        (NET.format("Loop", "opset5").encode(), "holds a Loop"),
        (NET.format("TensorIterator", "opset1").encode(), "holds a TensorIterator"),
        (b'<!DOCTYPE a [<!ENTITY b "c">]>' + NET.format("Add", "opset1").encode(), "declares entities"),
        (NET.format("Add", "opset1").encode("utf-16"), "no OpenVINO model"),
        (b"<net><layers>", "no OpenVINO model"),
        (b"<model/>", "no OpenVINO model but a <'model'>"),
        (b"\x08\x0a", "no OpenVINO model"),
        (b'<?xml version="1.0" encoding="rot13"?><arg/>', "no OpenVINO model"),
    ],
)
def test_an_openvino_model_is_looked_through_as_well(xml: bytes, message: str) -> None:
    with pytest.raises(ArtefactError, match=message):
        check_openvino(xml, "theirs.xml")
