"""A tiny but real bundle of a generator with a mapping, without PyTorch: two linear graphs written node by node.

w = (1 − psi) · w_avg + psi · (z·A [+ E[label]]), images = pixels(tanh(w·B)). Its goldens are numpy's, in float64.
"""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from export.bundle_writer.write import npz_bytes, write_bundle
from export.graph.to_onnx import finish
from gansample.bundle.seal import digest
from gansample.bundle.spec import Spec, Variant
from gansample.bundle.style_mapping import StyleMapping
from gansample.latents import latents

LATENT, LAYERS, SIZE, SIDE = 6, 4, 5, 8
Float64 = npt.NDArray[np.float64]


class StyleWeights:
    """A fixed random stream, and what the two graphs compute, in numpy float64."""

    def __init__(self, classes: int) -> None:
        stream = np.random.RandomState(0)
        self.a = stream.standard_normal((LATENT, LAYERS * SIZE)).astype(np.float32)
        self.embedding = stream.standard_normal((classes, LAYERS * SIZE)).astype(np.float32)
        self.w_avg = stream.standard_normal((LAYERS, SIZE)).astype(np.float32)
        self.b = (stream.standard_normal((LAYERS * SIZE, 3 * SIDE * SIDE)) / 5).astype(np.float32)

    def styles(self, z: npt.NDArray[Any], label: npt.NDArray[np.int64] | None, psi: float) -> Float64:
        w = z.astype(np.float64) @ self.a + (self.embedding[label] if label is not None else 0)
        return (1 - psi) * self.w_avg + psi * w.reshape(-1, LAYERS, SIZE)

    def images(self, w: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
        levels = np.tanh(w.reshape(-1, LAYERS * SIZE).astype(np.float64) @ self.b) * 127.5 + 127.5
        return np.round(levels).astype(np.uint8).reshape(-1, SIDE, SIDE, 3)


def make_style_bundle(folder: Path, *, classes: tuple[str, ...] | None = None) -> Path:
    """Write the bundle, with onnx-fp32 and openvino-fp32, and return its folder."""
    weights = StyleWeights(len(classes or ()))
    spec = Spec(name="styles", latent_size=LATENT, height=SIDE, width=SIDE, channels=3, classes=classes)
    mapping = _mapping(weights, spec)
    spec = Spec.from_dict(
        {
            **spec.to_dict(),
            "schema": 2,
            "mapping": StyleMapping(layers=LAYERS, size=SIZE, sha256=digest(mapping)).to_dict(),
        },
        "spec",
    )
    seeds, psi = np.repeat(np.arange(8), 2), np.tile(np.array([1, 0.7], np.float32), 8)
    label = seeds % len(classes) if classes else None
    z = latents(seeds.tolist(), LATENT)
    rows = [weights.styles(z[i : i + 1], label[i : i + 1] if label is not None else None, psi[i]) for i in range(16)]
    files = {
        "generator.onnx": _synthesis(weights, spec),
        "mapping.onnx": mapping,
        "golden.npz": npz_bytes(
            seeds=seeds,
            images=weights.images(np.concatenate(rows)),
            label=label if label is not None else np.zeros(16, np.int64),
            psi=psi,
        ),
    }
    variants = [
        Variant(name=f"{name}-fp32", runtime=runtime, precision="fp32", files=("generator.onnx",), parity={"verdict": "PASS"})
        for name, runtime in (("onnx", "onnxruntime"), ("openvino", "openvino"))
    ]
    write_bundle(folder, spec, variants, files)
    return folder


def _mapping(weights: StyleWeights, spec: Spec) -> bytes:
    constants = {
        "a": weights.a, "w_avg": weights.w_avg, "one": np.float32(1),
        "styles": np.array([-1, LAYERS, SIZE]), "column": np.array([-1, 1, 1]), "embedding": weights.embedding,
    }  # fmt: skip
    ports = [("z", TensorProto.FLOAT, ["N", LATENT]), ("psi", TensorProto.FLOAT, ["N"])]
    nodes = [helper.make_node("MatMul", ["z", "a"], ["hidden"])]
    if spec.classes is not None:
        ports.append(("label", TensorProto.INT64, ["N"]))
        nodes += [
            helper.make_node("Gather", ["embedding", "label"], ["offset"]),
            helper.make_node("Add", ["hidden", "offset"], ["shifted"]),
        ]
    nodes += [
        helper.make_node("Reshape", [nodes[-1].output[0], "styles"], ["own"]),
        helper.make_node("Reshape", ["psi", "column"], ["share"]),
        helper.make_node("Sub", ["one", "share"], ["rest"]),
        helper.make_node("Mul", ["rest", "w_avg"], ["mean"]),
        helper.make_node("Mul", ["share", "own"], ["part"]),
        helper.make_node("Add", ["mean", "part"], ["w"]),
    ]
    if spec.classes is None:
        del constants["embedding"]
    return _file(nodes, ports, ("w", TensorProto.FLOAT, ["N", LAYERS, SIZE]), constants, spec)


def _synthesis(weights: StyleWeights, spec: Spec) -> bytes:
    constants = {
        "b": weights.b,
        "scale": np.float32(127.5),
        "flat": np.array([-1, LAYERS * SIZE]),
        "shape": np.array([-1, SIDE, SIDE, 3]),
    }
    nodes = [
        helper.make_node("Reshape", ["w", "flat"], ["row"]),
        helper.make_node("MatMul", ["row", "b"], ["hidden"]),
        helper.make_node("Tanh", ["hidden"], ["x"]),
        helper.make_node("Mul", ["x", "scale"], ["scaled"]),
        helper.make_node("Add", ["scaled", "scale"], ["levels"]),
        helper.make_node("Reshape", ["levels", "shape"], ["pixels"]),
        helper.make_node("Round", ["pixels"], ["rounded"]),
        helper.make_node("Cast", ["rounded"], ["images"], to=TensorProto.UINT8),
    ]
    ports = [("w", TensorProto.FLOAT, ["N", LAYERS, SIZE])]
    return _file(nodes, ports, ("images", TensorProto.UINT8, ["N", SIDE, SIDE, 3]), constants, spec)


def _file(nodes: list[onnx.NodeProto], ports: list[Any], output: Any, constants: dict[str, Any], spec: Spec) -> bytes:
    inputs = [helper.make_tensor_value_info(*port) for port in ports]
    initializers = [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "generator", inputs, [helper.make_tensor_value_info(*output)], initializers)
    return finish(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), spec)
