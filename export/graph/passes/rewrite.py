"""One rewrite of an ONNX graph: the nodes removed, the nodes added, and the check that both compute the same."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import NodeProto, TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

OPSET = 18


@dataclass(frozen=True, slots=True, kw_only=True)
class Rewrite:
    """A chain of nodes with one input and one output that are not constants, and what replaces it."""

    old: Sequence[NodeProto]
    new: Sequence[NodeProto]
    constants: Mapping[str, npt.NDArray[Any]]
    """What the new nodes read: float64, narrowed to float32 only when the graph is written; or int64."""
    probe: tuple[int, ...]
    """The shape of an input that tells the two apart if anything does: small, but with border and centre."""


Pass = Callable[[onnx.ModelProto], list[Rewrite]]
"""Finds the places of a graph where it applies."""


def apply(model: onnx.ModelProto, rewrites: Sequence[Rewrite]) -> onnx.ModelProto:
    """A copy of the model with the rewrites done and constants that nobody reads any more dropped."""
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    gone = {node.output[0] for rewrite in rewrites for node in rewrite.old}
    comes = {rewrite.old[-1].output[0]: rewrite for rewrite in rewrites}
    nodes: list[NodeProto] = []
    for node in model.graph.node:
        if node.output[0] in comes:
            nodes.extend(comes[node.output[0]].new)
        elif node.output[0] not in gone:
            nodes.append(node)
    read = {name for node in nodes for name in node.input}
    anew = {name for rewrite in rewrites for name in rewrite.constants}  # may take the name of what it replaces
    kept = [tensor for tensor in model.graph.initializer if tensor.name in read - anew]
    added = [numpy_helper.from_array(_narrow(value), name) for one in rewrites for name, value in one.constants.items()]
    del changed.graph.node[:], changed.graph.initializer[:]
    changed.graph.node.extend(nodes)
    changed.graph.initializer.extend([*kept, *added])
    return changed


def difference(model: onnx.ModelProto, rewrite: Rewrite) -> float:
    """The largest difference between old and new nodes in float64, relative to the largest output; 0 is exact."""
    x = np.random.RandomState(0).standard_normal(rewrite.probe)
    before = constants(model)
    old = _evaluate(rewrite.old, {name: before[name] for node in rewrite.old for name in node.input if name in before}, x)
    new = _evaluate(rewrite.new, rewrite.constants, x)
    if old.shape != new.shape:
        return float("inf")
    return float(np.abs(old - new).max() / np.abs(old).max())


def _evaluate(nodes: Sequence[NodeProto], values: Mapping[str, npt.NDArray[Any]], x: npt.NDArray[np.float64]) -> Any:
    wide = {name: value.astype(np.float64) if value.dtype == np.float32 else value for name, value in values.items()}
    source, sink = nodes[0].input[0], nodes[-1].output[0]
    graph = helper.make_graph(
        list(nodes),
        "probe",
        [helper.make_tensor_value_info(source, TensorProto.DOUBLE, x.shape)],
        [helper.make_tensor_value_info(sink, TensorProto.DOUBLE, None)],
        [numpy_helper.from_array(value, name) for name, value in wide.items()],
    )
    probe = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])
    outputs: Any = ReferenceEvaluator(probe).run(None, {source: x})
    return outputs[0]


def constants(model: onnx.ModelProto) -> dict[str, npt.NDArray[Any]]:
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}


def attributes(node: NodeProto) -> dict[str, Any]:
    return {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}


def only_reader(model: onnx.ModelProto, name: str) -> NodeProto | None:
    """The node that reads `name`, if it is the only one and `name` is no output of the graph."""
    readers = [node for node in model.graph.node if name in node.input]
    is_output = any(output.name == name for output in model.graph.output)
    return readers[0] if len(readers) == 1 and not is_output else None


def _narrow(value: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return value.astype(np.float32) if value.dtype == np.float64 else value
