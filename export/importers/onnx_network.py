"""A foreign ONNX graph as a module: ONNX Runtime computes it in float32, `onnx.reference` in float64.

So everything that calls, checks and compares a generator takes it like any other; its exporter takes the graph itself.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import torch
from onnx import helper, numpy_helper
from torch import Tensor, nn

from export.importers.onnx_canonical import Feed, copied, session
from export.importers.onnx_float64 import evaluator

RUNTIME = "ONNX Runtime without optimisation"
MOVES = {"Identity", "Cast", "Reshape", "Transpose", "Squeeze", "Unsqueeze", "Flatten", "Slice", "Gather", "Expand"}
FLOAT64 = "onnx.reference float64"


class OnnxNetwork(nn.Module):
    """Float initializers are its parameters, so that it can be moved to another precision.

    model      canonical: float32, one input or two, any batch size
    output     the tensor that holds the pictures
    reference  what a float64 copy computes with: FLOAT64, or RUNTIME where the graph has no meaning in float64
    """

    def __init__(self, model: onnx.ModelProto, output: str, reference: str = FLOAT64) -> None:
        super().__init__()
        self.skeleton = copied(model)
        self.output, self.reference = output, reference
        self.inputs = list(model.graph.input)
        self.arity = len(self.inputs)
        self.precision = nn.Parameter(torch.zeros(0), requires_grad=False)  # a graph may have no other
        self.parameter_of: dict[str, str] = {}
        for tensor in model.graph.initializer:
            if tensor.data_type == onnx.TensorProto.FLOAT:
                self.parameter_of[tensor.name] = f"tensor_{len(self.parameter_of)}"
                weight = torch.from_numpy(np.array(numpy_helper.to_array(tensor)))
                self.register_parameter(self.parameter_of[tensor.name], nn.Parameter(weight, requires_grad=False))
        self._run: Callable[[Feed], npt.NDArray[Any]] | None = None
        self._state: tuple[int, ...] = ()

    def graph(self) -> onnx.ModelProto:
        """The graph with the weights as they are now, in float32."""
        model = copied(self.skeleton)
        for tensor in model.graph.initializer:
            if tensor.name in self.parameter_of:
                weight = getattr(self, self.parameter_of[tensor.name]).detach().float().numpy()
                tensor.CopyFrom(numpy_helper.from_array(weight, tensor.name))
        return model

    @property
    def last_operation(self) -> str:
        """The node that computes the pictures' values, in lower case: `tanh`; what only moves them is passed over."""
        makers = {name: node for node in self.skeleton.graph.node for name in node.output}
        node = makers.get(self.output)
        while node is not None and node.op_type in MOVES:
            node = makers.get(node.input[0])
        return node.op_type.lower() if node is not None else ""

    def forward(self, *inputs: Tensor) -> Tensor:
        wide = self.precision.dtype == torch.float64 and self.reference == FLOAT64
        state = (wide, *(parameter._version for parameter in self.parameters()))
        if self._run is None or state != self._state:  # a session holds the weights as they were
            self._state, self._run = (
                state,
                evaluator(self.graph(), self.output) if wide else _runtime(self.graph(), self.output),
            )
        feed = {value.name: _as_declared(tensor, value, wide) for value, tensor in zip(self.inputs, inputs, strict=True)}
        drawn = torch.from_numpy(np.array(self._run(feed)))
        return drawn.to(self.precision.dtype)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_run": None}  # copies run by themselves, with weights of their own


def _runtime(model: onnx.ModelProto, output: str) -> Callable[[Feed], npt.NDArray[Any]]:
    run = session(model).run
    return lambda feed: np.asarray(run([output], dict(feed))[0])


def _as_declared(tensor: Tensor, value: onnx.ValueInfoProto, wide: bool) -> npt.NDArray[Any]:
    """An input in the type and rank that the graph says: labels come as (N,), some graphs take (N, 1)."""
    kind = value.type.tensor_type
    dtype = helper.tensor_dtype_to_np_dtype(kind.elem_type)
    array = tensor.detach().numpy()
    if array.ndim == 1 and len(kind.shape.dim) == 2 and kind.shape.dim[1].dim_value == 1:
        array = array[:, None]
    return np.ascontiguousarray(array, np.float64 if wide and dtype.kind == "f" else dtype)
