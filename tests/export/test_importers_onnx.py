"""Foreign ONNX graphs in the forms that other tools write: exported, each draws what ONNX Runtime draws with the file."""

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto

from export.export_model import ExportModel, cycled_labels, render
from export.graph.to_onnx import export_graph
from export.importers.expect_recipe import recipe
from export.importers.expected import compare_with_author
from export.importers.expected_file import read_expected
from export.importers.load_generator import load_generator
from export.importers.noise import Noise
from export.importers.onnx_network import AS_RUN, FLOAT64, RUNTIME
from export.importers.request import ImportRequest
from gansample.bundle.basis import Basis, Fact
from gansample.errors import ArtefactError, UsageError
from tests.support.onnx_graphs import NZ, OnnxGraph

Array = npt.NDArray[Any]
PICTURES = 5


def imported_and_exported(path: Path, **options: Any) -> tuple[str, Array, Array, Array | None]:
    """(what the reference is, pictures before rounding (N, H, W, C), z, label), the reference's being the same pictures."""
    generator = load_generator(ImportRequest(onnx=path, **options)).generator
    z, label = generator.spec.latents(range(PICTURES)), cycled_labels(generator.spec, PICTURES)
    feed = {"z": z} if label is None else {"z": z, "label": label}
    session = onnxruntime.InferenceSession(export_graph(generator).debug_graph)
    drawn = session.run(["levels"], feed)[0]
    alone = session.run(["levels"], {key: value[:1] for key, value in feed.items()})[0]
    np.testing.assert_allclose(alone, drawn[:1], atol=0.02)
    check_recipe(generator, path)
    reference = render(generator.in_precision(torch.float64), z, label).unrounded
    np.testing.assert_allclose(drawn, reference, atol=0.02)
    return generator.reference_name, drawn, z, label


def check_recipe(generator: ExportModel, path: Path) -> None:
    """The line that makes the author's answer from the file runs, and its pictures are ours."""
    with contextlib.chdir(path.parent):
        exec(recipe(generator), {"np": np, "onnxruntime": onnxruntime})
        seen = compare_with_author(generator, read_expected(Path("ref.npz")))
    assert seen.fidelity.images >= 64
    assert seen.fidelity.max_step <= 3 if generator.reference_name == AS_RUN else not seen.failures


def file_draws(path: Path, feed: dict[str, Array]) -> Array:
    """The first output of the untouched file."""
    drawn: Array = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"]).run(None, feed)[0]
    return drawn


def levels(pictures: Array) -> Array:
    """(N, C, H, W) in −1..1 as (N, H, W, C) in 8-bit steps."""
    return pictures.astype(np.float64).clip(-1, 1).transpose(0, 2, 3, 1) * 127.5 + 127.5


@pytest.mark.parametrize("opset", [9, 11, 13, 17, 20, 24])
def test_every_opset(opset: int, tmp_path: Path) -> None:
    graph = OnnxGraph(opset=opset)
    path = graph.save(tmp_path, graph.body())
    model = onnx.load(path)
    model.ir_version = 8 if opset < 21 else 10
    onnx.save(model, path)
    reference, drawn, z, _ = imported_and_exported(path)
    assert reference == FLOAT64
    np.testing.assert_allclose(drawn, levels(file_draws(path, {"z": z})), atol=0.02)


@pytest.mark.parametrize("same", ["auto_pad", "output_shape"])
def test_padding_as_tensorflow_writes_it_and_channels_last(same: str, tmp_path: Path) -> None:
    graph = OnnxGraph()
    path = graph.save(tmp_path, graph.node("Transpose", [graph.body(same=same)], "last", perm=[0, 2, 3, 1]))
    _, drawn, z, _ = imported_and_exported(path)
    np.testing.assert_allclose(drawn, file_draws(path, {"z": z}) * 127.5 + 127.5, atol=0.02)


def test_weights_in_a_file_beside_the_graph(tmp_path: Path) -> None:
    graph = OnnxGraph()
    path = graph.save(tmp_path, graph.body(), save_as_external_data=True, location="gan.onnx.data", size_threshold=100)
    _, drawn, z, _ = imported_and_exported(path)
    np.testing.assert_allclose(drawn, levels(file_draws(path, {"z": z})), atol=0.02)


@pytest.mark.parametrize("where", ["missing.data", "../gan.data", "link.data", "sub/gan.data", "/etc/passwd"])
def test_weights_elsewhere_are_refused_by_name(where: str, tmp_path: Path) -> None:
    graph = OnnxGraph()
    path = graph.save(tmp_path, graph.body(), save_as_external_data=True, location="gan.data", size_threshold=0)
    (tmp_path / "link.data").symlink_to("gan.data")
    model = onnx.load(path, load_external_data=False)
    for tensor in model.graph.initializer:
        for entry in tensor.external_data:
            entry.value = where if entry.key == "location" else entry.value
    path.write_bytes(model.SerializeToString())
    with pytest.raises(ArtefactError, match=f"{where}.*external data"):
        load_generator(ImportRequest(onnx=path))


def test_half_precision(tmp_path: Path) -> None:
    graph = OnnxGraph(kind=TensorProto.FLOAT16)
    path = graph.save(tmp_path, graph.body())
    _, drawn, z, _ = imported_and_exported(path)
    np.testing.assert_allclose(drawn, levels(file_draws(path, {"z": z.astype(np.float16)})), atol=2)


@pytest.mark.parametrize("batch", [1, 2, 128])
def test_a_fixed_batch_becomes_any(batch: int, tmp_path: Path) -> None:
    graph = OnnxGraph(batch=batch)
    moved = graph.node("Add", ["z", graph.constant("offset", np.full((batch, NZ), 0.5, np.float32))], "moved")
    path = graph.save(tmp_path, graph.body(moved, rows=batch))
    _, drawn, z, _ = imported_and_exported(path)
    padded = np.concatenate([z, np.zeros((-len(z) % batch, NZ), np.float32)])
    theirs = [file_draws(path, {"z": padded[i : i + batch]}) for i in range(0, len(padded), batch)]
    np.testing.assert_allclose(drawn, levels(np.concatenate(theirs)[:PICTURES]), atol=0.02)


def test_a_flat_picture_with_a_fixed_batch_in_front(tmp_path: Path) -> None:
    graph = OnnxGraph(batch=1)
    flat = graph.node("Reshape", [graph.body(), graph.constant("row", np.array([1, -1], np.int64))], "row_of_values")
    path = graph.save(tmp_path, flat)
    _, drawn, z, _ = imported_and_exported(path, image=(3, 16, 16))
    theirs = np.concatenate([file_draws(path, {"z": row[None]}) for row in z])
    np.testing.assert_allclose(drawn, levels(theirs.reshape(-1, 3, 16, 16)), atol=0.02)


def squeezed(graph: OnnxGraph, picture: str) -> str:
    return graph.node("Squeeze", [picture, graph.constant("axes", np.array([0], np.int64))], "one")


def indexed(graph: OnnxGraph, picture: str) -> str:
    return graph.node("Gather", [picture, graph.constant("first", np.array(0, np.int64))], "one", axis=0)


def reshaped(graph: OnnxGraph, picture: str) -> str:
    return graph.node("Reshape", [picture, graph.constant("sizes", np.array([4, 16, 16], np.int64))], "one")


@pytest.mark.parametrize("one", [squeezed, indexed, reshaped])
def test_one_rgba_picture_a_run(one: Callable[[OnnxGraph, str], str], tmp_path: Path) -> None:
    graph = OnnxGraph(batch=1)
    picture = one(graph, graph.body(rows=1, channels=4))
    if one is not reshaped:
        picture = graph.node("Transpose", [picture], "last", perm=[1, 2, 0])
    path = graph.save(tmp_path, picture)
    _, drawn, z, _ = imported_and_exported(path)
    theirs = np.stack([file_draws(path, {"z": row[None]}) for row in z])
    theirs = theirs.transpose(0, 2, 3, 1) if one is reshaped else theirs
    np.testing.assert_allclose(drawn, theirs * 127.5 + 127.5, atol=0.02)


def test_eight_bit_pictures(tmp_path: Path) -> None:
    graph = OnnxGraph()
    scaled = graph.node("Mul", [graph.body(), graph.constant("factor", np.float32(127.5))], "scaled")
    moved = graph.node("Add", [scaled, graph.constant("shift", np.float32(127.5))], "moved")
    path = graph.save(tmp_path, graph.node("Cast", [moved], "bytes", to=TensorProto.UINT8), kind=TensorProto.UINT8)
    _, drawn, z, _ = imported_and_exported(path)
    np.testing.assert_array_equal(drawn, file_draws(path, {"z": z}).transpose(0, 2, 3, 1))


def test_a_onehot_label_of_floats(tmp_path: Path) -> None:
    graph = OnnxGraph()
    joined = graph.node("Concat", ["z", graph.input("y", TensorProto.FLOAT, ["N", 7])], "joined", axis=1)
    path = graph.save(tmp_path, graph.body(joined, width=NZ + 7))
    _, drawn, z, label = imported_and_exported(path)
    assert label is not None
    np.testing.assert_allclose(drawn, levels(file_draws(path, {"z": z, "y": np.eye(7, dtype=np.float32)[label]})), atol=0.02)


def test_a_column_of_labels_before_the_latent(tmp_path: Path) -> None:
    graph = OnnxGraph()
    y = graph.node("Squeeze", [graph.input("y", TensorProto.INT32, ["N", 1]), graph.constant("axes", np.array([1]))], "index")
    row = graph.node("Gather", [graph.weight("table", 6, NZ), y], "row")
    picture = graph.body(graph.node("Mul", ["z", row], "mixed"))
    graph.inputs.reverse()
    path = graph.save(tmp_path, picture)
    _, drawn, z, label = imported_and_exported(path)
    assert label is not None
    np.testing.assert_allclose(drawn, levels(file_draws(path, {"z": z, "y": label[:, None].astype(np.int32)})), atol=0.02)


def test_the_largest_of_several_outputs_is_the_picture(tmp_path: Path) -> None:
    graph = OnnxGraph()
    picture = graph.body()
    path = graph.save(tmp_path, "flat", "a0", picture)
    imported = load_generator(ImportRequest(onnx=path, image=(3, 16, 16)))
    assert any("of 3 outputs a1 is the picture" in text for text in imported.log.texts("measured"))


def test_an_operator_of_onnx_runtimes_own(tmp_path: Path) -> None:
    graph = OnnxGraph()
    graph.domains["com.microsoft"] = 1
    path = graph.save(tmp_path, graph.body(graph.node("QuickGelu", ["z"], "curved", domain="com.microsoft")))
    reference, drawn, z, _ = imported_and_exported(path)
    assert reference == RUNTIME
    np.testing.assert_allclose(drawn, levels(file_draws(path, {"z": z})), atol=0.02)


def test_a_quantised_graph(tmp_path: Path) -> None:
    graph = OnnxGraph()
    zero = graph.constant("zero", np.int8(0))
    scale = graph.constant("scale", np.float32(0.02))
    z = graph.node("QuantizeLinear", ["z", scale, zero], "steps")
    z = graph.node("DequantizeLinear", [z, scale, zero], "coarse")
    reference, drawn, z0, _ = imported_and_exported(graph.save(tmp_path, graph.body(z)))
    assert reference == AS_RUN
    np.testing.assert_allclose(drawn, levels(file_draws(tmp_path / "gan.onnx", {"z": z0})), atol=0.02)


@pytest.mark.parametrize("scale", [2.0, 1.5])
@pytest.mark.parametrize(
    ("mode", "where"),
    [("nearest", "asymmetric"), ("linear", "half_pixel"), ("linear", "align_corners"), ("cubic", "half_pixel")],
)
def test_enlarging(mode: str, where: str, scale: float, tmp_path: Path) -> None:
    graph = OnnxGraph()
    by = graph.constant("by", np.array([1, 1, scale, scale], np.float32))
    how = {"mode": mode, "coordinate_transformation_mode": where, **({"nearest_mode": "floor"} if mode == "nearest" else {})}
    path = graph.save(tmp_path, graph.node("Resize", [graph.body(), "", by], "large", **how))
    reference, drawn, z, _ = imported_and_exported(path)
    assert reference == FLOAT64
    np.testing.assert_allclose(drawn, levels(file_draws(path, {"z": z})), atol=0.02)


@pytest.mark.parametrize(
    ("domain", "next_step"),
    [("acme.ops", "with operators that ONNX Runtime has"), ("com.microsoft.nchwc", "for one processor")],
)
def test_operators_of_others_are_refused_by_name(domain: str, next_step: str, tmp_path: Path) -> None:
    graph = OnnxGraph()
    graph.domains[domain] = 1
    path = graph.save(tmp_path, graph.body(graph.node("Conv", ["z"], "elsewhere", domain=domain)))
    with pytest.raises(ArtefactError, match=f"operations of {domain}.*{next_step}"):
        load_generator(ImportRequest(onnx=path))


@pytest.mark.parametrize("batch", [1, 4])
@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize(("stride", "pads"), [(1, (1, 1, 1, 1)), (2, (0, 0, 0, 0)), (2, (1, 0, 0, 1))])
def test_a_kernel_for_each_picture_of_a_fixed_batch(
    batch: int, transposed: bool, stride: int, pads: tuple[int, ...], tmp_path: Path
) -> None:
    graph = OnnxGraph(batch=batch)
    path = graph.save(tmp_path, graph.modulated(transposed=transposed, stride=stride, pads=pads))
    size = file_draws(path, {"z": np.zeros((batch, NZ), np.float32)}).shape[1:]
    _, drawn, z, _ = imported_and_exported(path, image=size)
    rows = np.concatenate([z, z[:3]])
    theirs = [file_draws(path, {"z": rows[i : i + batch]}) for i in range(0, len(rows), batch)]
    np.testing.assert_allclose(drawn, levels(np.concatenate(theirs)[:PICTURES]), atol=0.02)


def step_of_a_loop() -> onnx.GraphProto:
    """x -> tanh(x · mix), for as long as it runs; `mix` is a constant outside."""
    info = onnx.helper.make_tensor_value_info
    nodes = [("Identity", ["going"], "on"), ("MatMul", ["x", "mix"], "mixed"), ("Tanh", ["mixed"], "y")]
    return onnx.helper.make_graph(
        [onnx.helper.make_node(op, read, [written]) for op, read, written in nodes],
        "step",
        [info("i", TensorProto.INT64, []), info("going", TensorProto.BOOL, []), info("x", TensorProto.FLOAT, None)],
        [info("on", TensorProto.BOOL, []), info("y", TensorProto.FLOAT, None)],
    )


@pytest.mark.parametrize("written", ["constant", "computed from constants"])
def test_a_loop_with_a_bound(written: str, tmp_path: Path) -> None:
    graph = OnnxGraph()
    graph.weight("mix", NZ, NZ)
    trips = graph.constant("trips", np.array(3))
    if written != "constant":
        trips = graph.node("Add", [trips, graph.constant("one", np.array(1))], "one_more")
    z = graph.node("Loop", [trips, graph.constant("yes", True), "z"], "looped", body=step_of_a_loop())
    _, drawn, z0, _ = imported_and_exported(graph.save(tmp_path, graph.body(z)))
    np.testing.assert_allclose(drawn, levels(file_draws(tmp_path / "gan.onnx", {"z": z0})), atol=0.02)


def test_layers_whose_weights_are_scanned(tmp_path: Path) -> None:
    graph = OnnxGraph()
    info = onnx.helper.make_tensor_value_info
    nodes = [("MatMul", ["x", "layer"], "mixed"), ("Tanh", ["mixed"], "y")]
    step = onnx.helper.make_graph(
        [onnx.helper.make_node(op, read, [written]) for op, read, written in nodes],
        "layer",
        [info("x", TensorProto.FLOAT, None), info("layer", TensorProto.FLOAT, None)],
        [info("y", TensorProto.FLOAT, None)],
    )
    z = graph.node("Scan", ["z", graph.weight("layers", 4, NZ, NZ)], "mapped", body=step, num_scan_inputs=1)
    _, drawn, z0, _ = imported_and_exported(graph.save(tmp_path, graph.body(z)))
    np.testing.assert_allclose(drawn, levels(file_draws(tmp_path / "gan.onnx", {"z": z0})), atol=0.02)


@pytest.mark.parametrize("operation", ["RandomNormalLike", "RandomUniformLike", "RandomNormal"])
@pytest.mark.parametrize("noise", ["none", "fixed"])
def test_noise_in_the_graph_is_replaced_as_told(operation: str, noise: Noise, tmp_path: Path) -> None:
    graph = OnnxGraph(batch=2 if operation == "RandomNormal" else "N")
    how: dict[str, Any] = {"shape": [2, NZ]} if operation == "RandomNormal" else {}
    added = graph.node(operation, [] if how else ["z"], "noise", **how)
    path = graph.save(tmp_path, graph.body(graph.node("Add", ["z", added], "noisy"), rows=2 if how else -1))
    with pytest.raises(ArtefactError, match=rf"another picture each time \({operation} in the graph\)"):
        load_generator(ImportRequest(onnx=path))
    imported = load_generator(ImportRequest(onnx=path, noise=noise))
    assert (imported.generator.spec.basis or Basis(facts=())).facts[1] == Fact(
        name="noise", value=noise, known="told", how=f"--noise, in place of {operation}"
    )
    z = imported.generator.spec.latents(range(2))
    drawn = render(imported.generator, z).unrounded
    assert not imported.log.texts("assumed")[1:]
    plain = onnx.load(path)
    (place,) = [index for index, node in enumerate(plain.graph.node) if node.op_type == operation]
    plain.graph.node[place].CopyFrom(onnx.helper.make_node("Sub", ["z", "z"], ["noise"]))
    onnx.save(plain, path)
    assert np.allclose(drawn, levels(file_draws(path, {"z": z})), atol=0.02) == (noise == "none")


def test_noise_that_moves_nothing_leaves_the_graph(tmp_path: Path) -> None:
    graph = OnnxGraph()
    quiet = graph.node("Mul", [graph.node("RandomNormalLike", ["z"], "noise"), graph.constant("zero", np.float32(0))], "quiet")
    path = graph.save(tmp_path, graph.body(graph.node("Add", ["z", quiet], "noisy")))
    _, drawn, z, _ = imported_and_exported(path)
    np.testing.assert_allclose(drawn, levels(file_draws(path, {"z": z})), atol=0.02)


def test_noise_that_is_not_there_cannot_be_replaced(tmp_path: Path) -> None:
    graph = OnnxGraph()
    path = graph.save(tmp_path, graph.body())
    with pytest.raises(UsageError, match="the graph draws none"):
        load_generator(ImportRequest(onnx=path, noise="none"))


def test_a_loop_without_a_bound_is_refused(tmp_path: Path) -> None:
    graph = OnnxGraph()
    graph.weight("mix", NZ, NZ)
    trips = graph.node("ReduceMax", ["z"], "most", keepdims=0)
    trips = graph.node("Cast", [trips], "trips", to=TensorProto.INT64)
    looped = graph.node("Loop", [trips, graph.constant("yes", True), "z"], "looped", body=step_of_a_loop())
    path = graph.save(tmp_path, graph.body(looped))
    with pytest.raises(ArtefactError, match="Loop whose number of trips is not fixed"):
        load_generator(ImportRequest(onnx=path))


def test_a_batch_that_cannot_be_freed_is_refused(tmp_path: Path) -> None:
    graph = OnnxGraph(batch=4)
    mixed = graph.node("ReduceMean", ["z"], "mean", axes=[0], keepdims=1)
    path = graph.save(tmp_path, graph.body(graph.node("Add", ["z", mixed], "mixed"), rows=4))
    with pytest.raises(ArtefactError, match="takes batches of 4 only"):
        load_generator(ImportRequest(onnx=path))
