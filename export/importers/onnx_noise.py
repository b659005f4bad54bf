"""Noise that an ONNX graph draws, replaced: a picture must follow from its latent (`--noise none|fixed`)."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper

from export.importers.noise import Noise
from export.importers.onnx_builder import GraphBuilder
from export.importers.onnx_canonical import Feed, copied, session
from export.importers.onnx_file import nodes_of

NORMAL, UNIFORM = ("RandomNormal", "RandomNormalLike"), ("RandomUniform", "RandomUniformLike")
RANDOM = (*NORMAL, *UNIFORM, "Bernoulli", "Multinomial")


def random_operations(model: onnx.ModelProto) -> set[str]:
    return {node.op_type for node in nodes_of(model.graph) if node.op_type in RANDOM}


def without_noise(model: onnx.ModelProto, noise: Noise, feed: Feed) -> onnx.ModelProto:
    """A copy of an untouched graph with zeros in place of its noise (none), or one drawing of it for every picture (fixed).

    feed  a batch that it takes
    """
    drawn = _drawn(model, feed)
    batch, changed, graph = len(next(iter(feed.values()))), copied(model), GraphBuilder()
    for node in model.graph.node:
        if node.op_type not in (*NORMAL, *UNIFORM):
            graph.nodes.append(copied(node))
            continue
        (out,), example = node.output, drawn[node.output[0]]
        for_all = example.shape[:1] == (batch,)
        one = _one_drawing(node, (1, *example.shape[1:]) if for_all else example.shape, noise, len(graph.constants))
        if node.input and for_all:
            value = graph.constant(f"{out}_noise", one.astype(example.dtype))
            graph.node("Expand", [value, graph.node("Shape", [node.input[0]], f"{out}_sizes")], out)
        else:
            graph.constant(out, np.broadcast_to(one, example.shape).astype(example.dtype))
    del changed.graph.node[:]
    changed.graph.node.extend(graph.nodes)
    changed.graph.initializer.extend(graph.constants)
    return changed


def _drawn(model: onnx.ModelProto, feed: Feed) -> Mapping[str, npt.NDArray[Any]]:
    """What the random operations give for `feed`, for its shapes and types."""
    names = [node.output[0] for node in model.graph.node if node.op_type in RANDOM]
    wide = copied(model)
    del wide.graph.output[:]
    wide.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    return dict(zip(names, session(wide).run(names, dict(feed)), strict=True))


def _one_drawing(node: onnx.NodeProto, shape: tuple[int, ...], noise: Noise, seed: int) -> npt.NDArray[Any]:
    a = {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
    stream = np.random.RandomState(seed)
    if node.op_type in NORMAL:
        values = stream.standard_normal(shape) if noise == "fixed" else np.zeros(shape)
        return np.asarray(values * a.get("scale", 1.0) + a.get("mean", 0.0))
    low, high = a.get("low", 0.0), a.get("high", 1.0)
    return stream.uniform(low, high, shape) if noise == "fixed" else np.full(shape, np.clip(0.0, low, high))
