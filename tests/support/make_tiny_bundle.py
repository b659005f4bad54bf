"""A tiny but real bundle without PyTorch: a linear generator written node by node.

Its weights are a fixed random stream, its goldens are computed in numpy float64, so serving tests need no training.
Run `python -m tests.support.make_tiny_bundle FOLDER` to look at one.
"""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from export.bundle_writer.write import npz_bytes, write_bundle
from export.graph.to_onnx import finish
from gansample.bundle import seal
from gansample.bundle.open import open_bundle
from gansample.bundle.spec import Spec, Variant
from gansample.latents import latents

SIZE, LATENT = 8, 6
Change = Callable[[onnx.ModelProto], object]


def make_tiny_bundle(folder: Path, *, name: str = "tiny", channels: int = 3, classes: tuple[str, ...] | None = None) -> Path:
    """Write a bundle of SIZE×SIZE pictures: images = pixels(tanh(z·W [+ E[label]])), and return its folder."""
    spec = Spec(name=name, latent_size=LATENT, height=SIZE, width=SIZE, channels=channels, classes=classes)
    stream = np.random.RandomState(0)
    features = channels * SIZE * SIZE
    weight = stream.standard_normal((LATENT, features)).astype(np.float32)
    embedding = stream.standard_normal((len(classes or ()), features)).astype(np.float32)

    seeds = np.arange(16)
    label = np.arange(16) % len(classes) if classes else None
    hidden = latents(seeds, LATENT).astype(np.float64) @ weight + (embedding[label] if label is not None else 0)
    levels = np.tanh(hidden) * 127.5 + 127.5
    images = np.round(levels).astype(np.uint8).reshape(-1, channels, SIZE, SIZE).transpose(0, 2, 3, 1)

    files = {
        "generator.onnx": tiny_onnx(spec, weight, embedding),
        "golden.npz": npz_bytes(seeds=seeds, images=images, label=label if label is not None else np.zeros(16, np.int64)),
    }
    variant = Variant(
        name="onnx-fp32", runtime="onnxruntime", precision="fp32", files=("generator.onnx",), parity={"verdict": "PASS"}
    )
    write_bundle(folder, spec, [variant], files)
    return folder


def reseal_bundle(source: Path, folder: Path, *, variants: list[Variant], **files: bytes) -> Path:
    """A copy with other variants and files (golden__npz=…), sealed again: damage that digests cannot detect."""
    bundle = open_bundle(source)
    contents = {name: bundle.read(name) for name in bundle.files} | {
        key.replace("__", "."): data for key, data in files.items()
    }
    write_bundle(folder, bundle.spec, variants, contents)
    return folder


def resealed(data: bytes, change: Change) -> bytes:
    """The ONNX file `data`, changed and sealed again, unchecked: as whoever wants to deceive would do it."""
    model = onnx.load_from_string(data)
    change(model)
    for entry in model.metadata_props:
        if entry.key == seal.KEY:
            entry.value = seal.BLANK
    return seal.sealed(model.SerializeToString())


def tiny_onnx(spec: Spec, weight: np.ndarray, embedding: np.ndarray) -> bytes:
    """The sealed ONNX file of the linear generator."""
    constants = {
        "weight": weight,
        "shape": np.array([-1, spec.channels, spec.height, spec.width]),
        "scale": np.float32(127.5),
    }
    nodes = [helper.make_node("MatMul", ["z", "weight"], ["hidden"])]
    inputs = [helper.make_tensor_value_info("z", TensorProto.FLOAT, ["N", spec.latent_size])]
    last = "hidden"
    if spec.classes is not None:
        constants["embedding"] = embedding
        inputs.append(helper.make_tensor_value_info("label", TensorProto.INT64, ["N"]))
        nodes += [
            helper.make_node("Gather", ["embedding", "label"], ["offset"]),
            helper.make_node("Add", ["hidden", "offset"], ["shifted"]),
        ]
        last = "shifted"
    nodes += [
        helper.make_node("Tanh", [last], ["x"]),
        helper.make_node("Mul", ["x", "scale"], ["scaled"]),
        helper.make_node("Add", ["scaled", "scale"], ["levels"]),
        helper.make_node("Round", ["levels"], ["rounded"]),
        helper.make_node("Reshape", ["rounded", "shape"], ["planes"]),
        helper.make_node("Transpose", ["planes"], ["pixels"], perm=[0, 2, 3, 1]),
        helper.make_node("Cast", ["pixels"], ["images"], to=TensorProto.UINT8),
    ]
    images = helper.make_tensor_value_info("images", TensorProto.UINT8, ["N", spec.height, spec.width, spec.channels])
    initializers = [numpy_helper.from_array(np.asarray(value), key) for key, value in constants.items()]
    graph = helper.make_graph(nodes, "generator", inputs, [images], initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    assert isinstance(model, onnx.ModelProto)
    return finish(model, spec)


if __name__ == "__main__":
    print(make_tiny_bundle(Path(sys.argv[1])))
