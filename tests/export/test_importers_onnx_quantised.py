"""Quantised ONNX graphs, as ONNX Runtime's own tools and others write them: exported, each draws what the file draws."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import pytest
from onnxruntime import quantization

from export.importers.load_generator import load_generator
from export.importers.onnx_network import AS_RUN, RUNTIME
from export.importers.request import ImportRequest
from gansample.errors import ArtefactError
from tests.export.test_importers_onnx import file_draws, imported_and_exported, levels
from tests.support.onnx_graphs import NZ, OnnxGraph


def drawn_alone(path: Path, z: npt.NDArray[np.float32]) -> npt.NDArray[Any]:
    return levels(np.concatenate([file_draws(path, {"z": row[None]}) for row in z]))


def enlarged(folder: Path) -> Path:
    """A graph of what ONNX Runtime's tools quantise: a matrix, and convolutions after enlarging."""
    graph = OnnxGraph()
    x = graph.node("Gemm", ["z", graph.weight("w", NZ, 8 * 16), graph.weight("b", 8 * 16)], "flat")
    x = graph.node("Reshape", [x, graph.constant("shape", np.array([-1, 8, 4, 4]))], "planes")
    twice = graph.constant("twice", np.array([1, 1, 2, 2], np.float32))
    for i, out in enumerate((8, 3)):
        x = graph.node("Resize", [x, "", twice], f"large{i}", mode="nearest")
        x = graph.node("Conv", [x, graph.weight(f"k{i}", out, 8, 3, 3), graph.weight(f"c{i}", out)], f"conv{i}", pads=[1] * 4)
        x = graph.node("LeakyRelu", [x], "curved", alpha=0.2) if i == 0 else graph.node("Tanh", [x], "drawn")
    return graph.save(folder, x)


class Latents:
    """Of which ONNX Runtime measures the ranges of activations."""

    def __init__(self) -> None:
        self.left: Iterator[dict[str, npt.NDArray[np.float32]]] = iter(
            [{"z": np.random.RandomState(seed).standard_normal((8, NZ)).astype(np.float32)} for seed in range(3)]
        )

    def get_next(self) -> dict[str, npt.NDArray[np.float32]] | None:
        return next(self.left, None)


@pytest.mark.parametrize("weights", ["QInt8", "QUInt8"])
def test_a_dynamically_quantised_file_draws_each_picture_as_it_does_alone(weights: str, tmp_path: Path) -> None:
    path = tmp_path / "dynamic.onnx"
    quantization.quantize_dynamic(enlarged(tmp_path), path, weight_type=quantization.QuantType[weights])
    reference, drawn, z, _ = imported_and_exported(path)
    assert reference == RUNTIME
    np.testing.assert_allclose(drawn, drawn_alone(path, z), atol=0.02)
    imported = load_generator(ImportRequest(onnx=path))
    assert any("quantises by what is in the batch" in text for text in imported.log.texts("measured"))


def test_operators_of_onnx_runtimes_own_that_quantise_by_what_is_in_the_batch(tmp_path: Path) -> None:
    graph = OnnxGraph()
    graph.domains["com.microsoft"] = 1
    weights = graph.constant("w8", graph.stream.randint(-127, 128, (NZ, NZ)).astype(np.int8))
    scale, bias = graph.constant("w_scale", np.full(NZ, 0.01, np.float32)), graph.weight("bias", NZ)
    z = graph.node("DynamicQuantizeMatMul", ["z", weights, scale, "", bias], "first", domain="com.microsoft")
    graph.nodes.append(onnx.helper.make_node("DynamicQuantizeLinear", [z], ["steps", "scale", "zero"]))
    read = ["steps", weights, "scale", graph.constant("s", np.float32(0.01)), "zero"]
    z = graph.node("MatMulIntegerToFloat", read, "second", domain="com.microsoft")
    graph.nodes.append(onnx.helper.make_node("DynamicQuantizeLinear", [z], ["steps2", "scale2", "zero2"]))
    path = graph.save(tmp_path, graph.body(graph.node("DequantizeLinear", ["steps2", "scale2", "zero2"], "coarse")))
    reference, drawn, z0, _ = imported_and_exported(path)
    assert reference == RUNTIME
    np.testing.assert_allclose(drawn, drawn_alone(path, z0), atol=0.02)


@pytest.mark.parametrize("form", ["QDQ", "QOperator"])
def test_a_statically_quantised_file(form: str, tmp_path: Path) -> None:
    path = tmp_path / "static.onnx"
    form = quantization.QuantFormat[form]
    quantization.quantize_static(enlarged(tmp_path), path, Latents(), quant_format=form, per_channel=True)
    reference, drawn, z, _ = imported_and_exported(path)
    assert reference == AS_RUN
    np.testing.assert_allclose(drawn, levels(file_draws(path, {"z": z})), atol=0.02)


def test_sixteen_bits(tmp_path: Path) -> None:
    path = tmp_path / "static.onnx"
    kinds = {"activation_type": quantization.QuantType.QUInt16, "weight_type": quantization.QuantType.QInt8}
    quantization.quantize_static(enlarged(tmp_path), path, Latents(), extra_options={"UseQDQContribOps": True}, **kinds)
    _, drawn, z, _ = imported_and_exported(path)
    np.testing.assert_allclose(drawn, levels(file_draws(path, {"z": z})), atol=0.02)


def test_steps_without_a_zero_point(tmp_path: Path) -> None:
    graph = OnnxGraph()
    scale = graph.constant("scale", np.float32(0.02))
    z = graph.node("QuantizeLinear", ["z", scale, graph.constant("zero", np.int8(0))], "steps")
    z = graph.node("DequantizeLinear", [z, scale], "coarse")
    _, drawn, z0, _ = imported_and_exported(graph.save(tmp_path, graph.body(z)))
    np.testing.assert_allclose(drawn, levels(file_draws(tmp_path / "gan.onnx", {"z": z0})), atol=0.02)


def test_a_fixed_batch_that_is_quantised_together_is_refused(tmp_path: Path) -> None:
    graph = OnnxGraph(batch=4)
    graph.nodes.append(onnx.helper.make_node("DynamicQuantizeLinear", ["z"], ["steps", "scale", "zero"]))
    path = graph.save(tmp_path, graph.body(graph.node("DequantizeLinear", ["steps", "scale", "zero"], "coarse"), rows=4))
    with pytest.raises(ArtefactError, match="takes batches of 4 only"):
        load_generator(ImportRequest(onnx=path))
