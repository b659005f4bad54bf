"""A foreign ONNX graph as a module: ONNX Runtime computes it in float32, `onnx.reference` in float64.

So everything that calls, checks and compares a generator takes it like any other; its exporter takes the graph itself.
"""

from collections.abc import Callable
from dataclasses import dataclass
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
AS_RUN = "ONNX Runtime, as it runs the file"
FLOAT64 = "onnx.reference float64"


@dataclass(frozen=True, slots=True, kw_only=True)
class FileCall:
    """How the untouched file is run."""

    inputs: tuple[tuple[str, str], ...]
    """Name and NumPy type of the latent [and the label]."""
    output: str
    batch: int | None = None
    """How many pictures at once, None for any number."""
    keeps_batch: bool = True
    """False where one picture comes without its batch axis."""
    label_column: bool = False
    """Whether labels are (N, 1)."""


PIXELS = 1 << 20  # values of pictures computed at once in float64
Run = Callable[[Feed], npt.NDArray[Any]]


class OnnxNetwork(nn.Module):
    """Float initializers are its parameters, so that it can be moved to another precision.

    model      canonical: float32, one input or two, any batch size
    file_call  how the file is run that it came from
    reference  what a float64 copy computes with: FLOAT64; RUNTIME where that lacks an operator; AS_RUN for a quantised graph,
               whose rounding to integers means something else in float64, and which runtimes round as they fuse it
    """

    def __init__(self, model: onnx.ModelProto, file_call: FileCall, reference: str = FLOAT64) -> None:
        super().__init__()
        self.skeleton, self.file_call = copied(model), file_call
        self.output, self.reference = file_call.output, reference
        self.inputs = list(model.graph.input)
        self.arity = len(self.inputs)
        self.precision = nn.Parameter(torch.zeros(0), requires_grad=False)  # a graph may have no other
        self.parameter_of: dict[str, str] = {}
        for tensor in model.graph.initializer:
            if tensor.data_type == onnx.TensorProto.FLOAT:
                self.parameter_of[tensor.name] = f"tensor_{len(self.parameter_of)}"
                weight = torch.from_numpy(np.array(numpy_helper.to_array(tensor)))
                self.register_parameter(self.parameter_of[tensor.name], nn.Parameter(weight, requires_grad=False))
        self._run: Run | None = None
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
        is_reference = self.precision.dtype == torch.float64
        wide = is_reference and self.reference == FLOAT64
        state = (is_reference, *(parameter._version for parameter in self.parameters()))
        if self._run is None or state != self._state:  # a session holds the weights as they were
            self._state = state
            if wide:
                self._run = _in_parts(evaluator(self.graph(), self.output))
            else:
                self._run = _runtime(self.graph(), self.output, is_reference and self.reference == AS_RUN)
        feed = {value.name: _as_declared(tensor, value, wide) for value, tensor in zip(self.inputs, inputs, strict=True)}
        drawn = torch.from_numpy(np.array(self._run(feed)))
        return drawn.to(self.precision.dtype)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_run": None}  # copies run by themselves, with weights of their own


def _runtime(model: onnx.ModelProto, output: str, optimised: bool) -> Run:
    run = session(model, optimised).run
    return lambda feed: np.asarray(run([output], dict(feed))[0])


def _in_parts(run: Run) -> Run:
    """`run` on as many pictures at once as memory allows: the evaluator keeps every tensor of the graph."""

    def parts(feed: Feed) -> npt.NDArray[Any]:
        first = run({key: value[:1] for key, value in feed.items()})
        n, size = len(next(iter(feed.values()))), max(1, PIXELS // max(1, first.size))
        rest = [run({key: value[i : i + size] for key, value in feed.items()}) for i in range(1, n, size)]
        return np.concatenate([first, *rest])

    return parts


def _as_declared(tensor: Tensor, value: onnx.ValueInfoProto, wide: bool) -> npt.NDArray[Any]:
    """An input in the type and rank that the graph says: labels come as (N,), some graphs take (N, 1)."""
    kind = value.type.tensor_type
    dtype = helper.tensor_dtype_to_np_dtype(kind.elem_type)
    array = tensor.detach().numpy()
    if array.ndim == 1 and len(kind.shape.dim) == 2 and kind.shape.dim[1].dim_value == 1:
        array = array[:, None]
    return np.ascontiguousarray(array, np.float64 if wide and dtype.kind == "f" else dtype)
