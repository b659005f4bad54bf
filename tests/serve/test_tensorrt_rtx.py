"""NVIDIA's own builder, TensorRT for RTX, takes what this project ships; it needs no GPU, and what needs one says NOT RUN."""

import json
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from gansample.bundle.open import EMBEDDED, open_bundle
from gansample.bundle.spec import Spec
from gansample.errors import BackendUnavailable, UsageError
from gansample.runtimes.tensorrt.engine import Engine, build_engine
from gansample.runtimes.tensorrt.library import load_library
from gansample.runtimes.tensorrt.receipt import TARGETS, build_receipt, write_engine
from tests.support.processes import Command
from tests.support.repository import ROOT
from tests.support.tiny_half_bundle import make_contract_bundles

SHIPPED = [EMBEDDED / "fashion", ROOT / "models" / "signs", ROOT / "models" / "clothing"]


@pytest.mark.parametrize("folder", SHIPPED, ids=lambda folder: folder.name)
def test_every_graph_that_ships_is_built_for_every_target(folder: Path) -> None:
    bundle = open_bundle(folder)
    graphs = [variant for variant in bundle.variants if variant.runtime == "onnxruntime"]
    assert graphs
    for variant in graphs:
        receipt = build_receipt(bundle.read(variant.files[0]), bundle.spec)
        assert receipt.verdict == "BUILT", receipt
        assert set(TARGETS) <= set(receipt.targets)
        assert receipt.builder.startswith("TensorRT for RTX 1.")
        assert receipt.bytes is not None
        assert receipt.bytes > 100_000
        assert "FP32 GEMM is not supported" in receipt.refused["sm75"]


@pytest.mark.parametrize("name", ["tiny", "named", "half"])
def test_labels_and_half_precision_are_built(name: str, tmp_path: Path) -> None:
    bundle = open_bundle(make_contract_bundles(tmp_path) / name)
    for variant in bundle.variants:
        assert build_receipt(bundle.read(variant.files[0]), bundle.spec).verdict == "BUILT"


def graph_with(operator: str, **attributes: object) -> bytes:
    z = helper.make_tensor_value_info("z", TensorProto.FLOAT, ["N", 4])
    images = helper.make_tensor_value_info("images", TensorProto.UINT8, ["N", 1, 1, 4])
    shape = onnx.numpy_helper.from_array(np.array([0, 1, 1, 4]), "shape")
    nodes = [
        helper.make_node(operator, ["z"], ["x"], name="odd", **attributes),
        helper.make_node("Reshape", ["x", "shape"], ["y"]),
        helper.make_node("Cast", ["y"], ["images"], to=TensorProto.UINT8),
    ]
    graph = helper.make_graph(nodes, "g", [z], [images], [shape])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)]).SerializeToString()


def test_an_operator_that_the_builder_does_not_have_is_refused_in_its_own_words() -> None:
    spec = Spec(name="odd", latent_size=4, height=1, width=1, channels=4)
    assert build_receipt(graph_with("Tanh"), spec).verdict == "BUILT"
    receipt = build_receipt(graph_with("BitShift", direction="LEFT"), spec)
    assert (receipt.verdict, receipt.targets) == ("REFUSED", ())
    assert "BitShift" in receipt.refused["all"]


def test_without_the_builder_a_receipt_says_not_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorrt_rtx_bindings", None)
    receipt = build_receipt(b"", Spec(name="x", latent_size=4, height=1, width=1, channels=1))
    assert receipt.verdict == "NOT RUN"
    assert "pip install 'gansample[rtx]'" in receipt.reason


def test_the_engine_of_a_card_that_is_not_here_does_not_open() -> None:
    bundle = open_bundle(EMBEDDED / "fashion")
    rtx = load_library("tensorrt-rtx")
    built = build_engine(rtx, bundle.read("generator.onnx"), bundle.spec, max_batch=256, targets=("sm89",))
    with pytest.raises(BackendUnavailable, match=r"TensorRT for RTX .* refuses the engine"):
        Engine(rtx, built.plan)


def test_build_engine_writes_a_file_for_other_programs(gansample: Command, tmp_path: Path) -> None:
    bundle = open_bundle(EMBEDDED / "fashion")
    out = tmp_path / "fashion.engine"
    receipt = write_engine(bundle, "onnx-fp32", out, targets=("sm89",))
    assert (receipt.targets, receipt.bytes) == (("sm89",), out.stat().st_size)
    json.dumps(receipt.to_dict())
    with pytest.raises(UsageError, match="unknown target sm99: choose from sm75"):
        write_engine(bundle, "onnx-fp32", tmp_path / "x", targets=("sm99",))


def test_the_backend_says_not_run_without_a_card(gansample: Command) -> None:
    done = gansample("--bundle", "fashion", "--backend", "tensorrt-rtx", "out.png")
    assert done.returncode == 4
    assert b"no NVIDIA driver on this machine" in done.stderr
