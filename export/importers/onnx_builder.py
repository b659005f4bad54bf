"""Nodes and constants that are added to a graph, each named after the tensor that it writes."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from onnx import NodeProto, helper, numpy_helper


class GraphBuilder:
    """Nodes in the order in which they run, and the constants that they read."""

    def __init__(self) -> None:
        self.nodes: list[NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def node(self, op: str, read: Sequence[str], written: str, **attributes: Any) -> str:
        self.nodes.append(helper.make_node(op, list(read), [written], name=written, **attributes))
        return written

    def constant(self, name: str, value: Any) -> str:
        self.constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def sizes(self, name: str, *values: int) -> str:
        """A constant int64 vector: a shape, or axes."""
        return self.constant(name, np.array(values, np.int64))
