"""Pictures as vectors, for comparing distributions: a fixed random convolutional network, or any ONNX file of your own.

Networks that were never trained compare sets of pictures about as well as trained ones, and favour no data set (Naeem et
al. 2020, "Reliable Fidelity and Diversity Metrics", section 3.2). This one needs no download: its weights are one frozen
`RandomState` stream, so its distances can be compared between machines and years.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from gansample.bundle.open import read_file
from gansample.bundle.seal import digest
from gansample.errors import ArtefactError
from gansample.runtimes.onnxruntime_module import import_onnxruntime
from gansample.types import Images

WIDTHS = (16, 32, 64)  # channels of the three convolutions; the means of all three are the features
BATCH = 64
PIXELS = 2**20  # of the pictures in one batch: 64 of 128×128, 1 of 1024×1024


@dataclass(frozen=True, slots=True)
class Features:
    """Maps pictures uint8 (N, H, W, C) to float64 (N, D)."""

    name: str
    _of_batch: Callable[[Images], npt.NDArray[np.generic]]

    def extract(self, images: Images) -> npt.NDArray[np.float64]:
        batch = min(BATCH, max(1, PIXELS // (images.shape[1] * images.shape[2])))
        parts = [self._of_batch(images[start : start + batch]) for start in range(0, len(images), batch)]
        return np.concatenate(parts).astype(np.float64)


def random_features(channels: int) -> Features:
    """The fixed network for pictures of that many channels."""
    session = import_onnxruntime().InferenceSession(random_network(channels), providers=["CPUExecutionProvider"])
    return Features(f"random-conv-{sum(WIDTHS)}", lambda images: _first(session, {"images": images}))


def random_network(channels: int) -> bytes:
    """images uint8 (N, H, W, C) -> features float32 (N, 112): conv 3×3 + ReLU three times, the last two with stride 2.

    Weights are He-normal (He et al. 2015), biases N(0, 1/4) so that ReLUs bend at different levels. The features are the
    channel means after each layer: edges and tones from the first, texture and layout from the last.
    """
    stream = np.random.RandomState(20_260_101)
    constants: dict[str, npt.NDArray[Any]] = {"half": np.array(127.5), "one": np.array(1)}
    nodes = [
        helper.make_node("Cast", ["images"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["float"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("Div", ["planes", "half"], ["scaled"]),
        helper.make_node("Sub", ["scaled", "one"], ["layer0"]),
    ]
    fan_in = channels
    for i, width in enumerate(WIDTHS, 1):
        constants[f"weight{i}"] = stream.standard_normal((width, fan_in, 3, 3)) * np.sqrt(2 / (9 * fan_in))
        constants[f"bias{i}"] = stream.standard_normal(width) / 2
        stride = 1 if i == 1 else 2
        nodes += [
            helper.make_node(
                "Conv",
                [f"layer{i - 1}", f"weight{i}", f"bias{i}"],
                [f"conv{i}"],
                pads=[1, 1, 1, 1],
                strides=[stride, stride],
            ),
            helper.make_node("Relu", [f"conv{i}"], [f"layer{i}"]),
            helper.make_node("ReduceMean", [f"layer{i}", "plane_axes"], [f"mean{i}"], keepdims=0),
        ]
        fan_in = width
    nodes.append(helper.make_node("Concat", [f"mean{i}" for i in range(1, len(WIDTHS) + 1)], ["features"], axis=1))
    initializers = [numpy_helper.from_array(np.asarray(value, np.float32), key) for key, value in constants.items()]
    initializers.append(numpy_helper.from_array(np.array([2, 3]), "plane_axes"))
    graph = helper.make_graph(
        nodes,
        "random-features",
        [helper.make_tensor_value_info("images", TensorProto.UINT8, ["N", "H", "W", channels])],
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["N", sum(WIDTHS)])],
        initializers,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString(deterministic=True))


def features_from_file(path: Path) -> Features:
    """Your own feature network: one input, one output of shape (N, D).

    The input is uint8 (N, H, W, C), or float32 (N, 3, H, W) in −1..1, for which grey pictures are repeated to three
    channels. Pictures are resized (bilinear) where the network asks for a fixed size.
    Raises ArtefactError where the file cannot be opened or does not look like that.
    """
    data = read_file(path)
    try:
        session = import_onnxruntime().InferenceSession(data, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's exceptions share no base class
        raise ArtefactError(f"ONNX Runtime refuses {path} ({error})", "--features needs an ONNX file") from error
    inputs, outputs = session.get_inputs(), session.get_outputs()
    form = (len(inputs), len(outputs), inputs[0].type, len(inputs[0].shape), len(outputs[0].shape))
    if form not in ((1, 1, "tensor(uint8)", 4, 2), (1, 1, "tensor(float)", 4, 2)):
        shapes = ", ".join(f"{port.type} {port.shape}" for port in (*inputs, *outputs))
        raise ArtefactError(
            f"{path} is no feature network (it has {shapes})",
            "it must map uint8 (N, H, W, C) or float32 (N, 3, H, W) to (N, D)",
        )
    name, planes = inputs[0].name, inputs[0].type == "tensor(float)"
    size = inputs[0].shape[2:4] if planes else inputs[0].shape[1:3]

    def of_batch(images: Images) -> npt.NDArray[np.generic]:
        if all(isinstance(side, int) for side in size):
            images = resized(images, size[0], size[1])
        if not planes:
            return _first(session, {name: images})
        colour = images[..., :3] if images.shape[-1] >= 3 else np.repeat(images[..., :1], 3, axis=-1)
        return _first(session, {name: (colour.astype(np.float32) / 127.5 - 1).transpose(0, 3, 1, 2)})

    return Features(f"{path.name} {digest(data)[:12]}", of_batch)


def resized(images: Images, height: int, width: int) -> Images:
    """Bilinear, channel by channel; unchanged where the size fits."""
    from PIL import Image

    if images.shape[1:3] == (height, width):
        return images
    planes = [
        np.asarray(Image.fromarray(plane).resize((width, height), Image.Resampling.BILINEAR))
        for image in images
        for plane in np.moveaxis(image, -1, 0)
    ]
    return np.stack(planes).reshape(len(images), images.shape[-1], height, width).transpose(0, 2, 3, 1)


def _first(session: Any, feed: dict[str, npt.NDArray[Any]]) -> npt.NDArray[np.generic]:
    output: npt.NDArray[np.generic] = session.run(None, feed)[0]
    return output
