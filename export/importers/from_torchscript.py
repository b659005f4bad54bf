"""A TorchScript program as an ordinary module: its graph, run operation by operation, in any precision.

TorchScript itself keeps its weights as constants of one precision and cannot be exported; its operations are PyTorch's own, so
calling them one by one gives the same pictures. The program's code is TorchScript, which has no access to the machine.

Devices in the code mean the CPU: a program traced on a GPU keeps `cuda:0` wherever it creates a tensor.
"""

import io
import operator
import warnings
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from export.importers.file_kind import read_identified
from gansample.bundle.seal import digest
from gansample.errors import ArtefactError

# What TorchScript computes with plain numbers, lists and None.
PLAIN: dict[str, Callable[..., Any]] = {
    "aten::add": operator.add, "aten::sub": operator.sub, "aten::mul": operator.mul, "aten::floordiv": operator.floordiv,
    "aten::div": operator.truediv, "aten::eq": operator.eq, "aten::ne": operator.ne, "aten::lt": operator.lt,
    "aten::gt": operator.gt, "aten::le": operator.le, "aten::ge": operator.ge, "aten::__not__": operator.not_,
    "aten::__getitem__": operator.getitem,
    "aten::Int": lambda x: x, "aten::Bool": bool, "aten::neg": operator.neg,
    "aten::format": lambda *words: "", "aten::len": len, "aten::remainder": operator.mod, "prim::min": min,
    "prim::max": max, "aten::__range_length": lambda start, end, step: len(range(start, end, step)),
    "aten::__derive_index": lambda index, start, step: start + index * step,
}  # fmt: skip
# What works on whatever is in a list, a dict or nowhere: tensors too.
OF_ANYTHING: dict[str, Callable[..., Any]] = {
    "aten::append": lambda some, one: (some.append(one), some)[1],
    "aten::__is__": operator.is_,
    "aten::__isnot__": operator.is_not,
    "aten::__contains__": operator.contains,
    "aten::list": list,
    "aten::device": lambda name: torch.device("cpu"),
    "prim::DictConstruct": lambda *items: dict(zip(items[::2], items[1::2], strict=True)),
}
OF_TENSORS: dict[str, Callable[..., Any]] = {
    "aten::size": lambda x, dim=None: list(x.shape) if dim is None else x.shape[dim],
    "aten::dim": lambda x: x.dim(),
    "aten::len": lambda x: x.shape[0] if isinstance(x, Tensor) else len(x),
    "prim::NumToTensor": lambda x: x,
    "aten::Int": lambda x: x,
    "aten::ScalarImplicit": lambda x: x,
    "prim::unchecked_cast": lambda x: x,
    "prim::dtype": lambda x: x.dtype,
    "prim::device": lambda x: x.device,
    "prim::is_cuda": lambda x: False,
    "aten::cuda": lambda x: x,
    "prim::Uninitialized": lambda: None,
}


def network_from_torchscript(path: Path) -> tuple[nn.Module, str]:
    """(module, digest of the file). Raises ArtefactError where it is damaged, no TorchScript, or does what we cannot."""
    data, kind = read_identified(path)
    if kind != "torchscript":
        raise ArtefactError(f"{path.name} is no TorchScript program but {kind}", "pass it as weights, or with --onnx")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # TorchScript is deprecated; programs out there are not gone
            program = torch.jit.load(io.BytesIO(data), map_location="cpu").eval()  # type: ignore[no-untyped-call]
            _move_to_cpu(program)  # before freezing, which runs what it can
            frozen = torch.jit.freeze(program, optimize_numerics=False)
    except Exception as error:  # the loader raises RuntimeError for damage, and more
        reason = " ".join(str(error).split())[:120]
        raise ArtefactError(f"{path.name} cannot be loaded as TorchScript ({reason})", "save it again") from error
    return ScriptNetwork(frozen.graph, path.name, _defaults(program)), digest(data)


def _move_to_cpu(program: Any) -> None:
    """Every device in the code of the program and of its parts becomes the CPU; `map_location` moves the weights alone."""
    for part in program.modules():
        for name in part._c._method_names():
            for constant in part._c._get_method(name).graph.findAllNodes("prim::Constant", recurse=True):
                if constant.output().type().kind() == "DeviceObjType":
                    constant.s_("value", "cpu")


def _defaults(program: Any) -> dict[str, Any]:
    """The inputs of forward that need not be given, with what they are then."""
    arguments = program.forward.schema.arguments[1:]
    return {argument.name: argument.default_value for argument in arguments if argument.has_default_value()}


class ScriptNetwork(nn.Module):
    """Runs a frozen graph; its tensor constants are its parameters, so that it can be moved to another precision.

    Inputs with a default keep it, but for an optional label of a network that looks one up.
    """

    def __init__(self, graph: Any, name: str, defaults: Mapping[str, Any]) -> None:
        super().__init__()
        given = list(graph.inputs())[1:]  # the first one is self
        conditional = graph.findNode("aten::embedding", recurse=True) is not None
        self.left_out: dict[str, Any] = {}
        for value in given[1:]:
            argument = value.debugName().rpartition(".")[0] or value.debugName()
            if argument in defaults and not (conditional and "Tensor" in str(value.type())):
                self.left_out[value.debugName()] = defaults[argument]
            elif "Tensor" not in str(value.type()):
                raise ArtefactError(f"{name} takes {argument} ({value.type()}) beside a latent", "give it a default in forward")
        self.inputs = [value.debugName() for value in given if value.debugName() not in self.left_out]
        self.arity, self.name = len(self.inputs), name
        self.outputs = [value.debugName() for value in graph.outputs()]
        self.constants: dict[str, str] = {}
        self.steps = [self._step(node) for node in graph.nodes()]
        lookups = [node.inputsAt(0).debugName() for node in graph.findAllNodes("aten::embedding", True)]
        buffers = [getattr(self, self.constants[name]) for name in lookups if name in self.constants]
        self.tables = [(len(table), table.shape[1]) for table in buffers]

    def __deepcopy__(self, memo: dict[int, Any]) -> "ScriptNetwork":
        copy = self.__class__.__new__(self.__class__)
        nn.Module.__init__(copy)
        copy.inputs, copy.arity, copy.name, copy.outputs = self.inputs, self.arity, self.name, self.outputs
        copy.left_out = self.left_out
        copy.constants, copy.steps, copy.tables = self.constants, self.steps, self.tables
        for key in self.constants.values():
            register_constant(copy, key, getattr(self, key).detach().clone())
        return copy.train(self.training)

    def forward(self, *inputs: Tensor) -> Any:
        values: dict[str, Any] = {**self.left_out, **{name: getattr(self, buffer) for name, buffer in self.constants.items()}}
        values.update(zip(self.inputs, inputs, strict=True))
        self._run(self.steps, values)
        return values[self.outputs[0]]

    def _run(self, steps: "Iterable[Step]", values: dict[str, Any]) -> None:
        for step in steps:
            step(values)

    def _step(self, node: Any) -> "Step":
        """One node as a function that reads and writes the table of values."""
        kind, names = node.kind(), [value.debugName() for value in node.outputs()]
        read = [value.debugName() for value in node.inputs()]
        if kind == "prim::Constant":
            constant = next(iter(node.outputs())).toIValue()
            if isinstance(constant, Tensor):
                self.constants[names[0]] = f"constant_{len(self.constants)}"
                constant = constant.detach().clone()  # in the latents' precision: a file of halves is still called with floats
                register_constant(
                    self, self.constants[names[0]], constant.float() if constant.is_floating_point() else constant
                )
                return lambda values: None
            if isinstance(constant, list):
                return lambda values: values.__setitem__(names[0], list(constant))
            return lambda values: values.__setitem__(names[0], constant)
        if kind == "prim::If":
            blocks = [
                ([self._step(inner) for inner in block.nodes()], [v.debugName() for v in block.outputs()])
                for block in node.blocks()
            ]

            def branch(values: dict[str, Any]) -> None:
                steps, results = blocks[0 if values[read[0]] else 1]
                self._run(steps, values)
                values.update(zip(names, [values[name] for name in results], strict=True))

            return branch
        if kind == "prim::Loop":
            return self._loop(node, read, names)
        if kind in ("prim::ListUnpack", "prim::TupleUnpack"):
            return lambda values: values.update(zip(names, values[read[0]], strict=True))
        compute = self._operation(node, kind)

        def step(values: dict[str, Any]) -> None:
            result = compute(*(values[name] for name in read))
            if names:
                values.update({names[0]: result} if len(names) == 1 else dict(zip(names, result, strict=True)))

        return step

    def _loop(self, node: Any, read: list[str], names: list[str]) -> "Step":
        """A loop over plain numbers: most trips, condition, what is carried -> condition, what is carried."""
        block = next(iter(node.blocks()))
        steps = [self._step(inner) for inner in block.nodes()]
        given, results = [v.debugName() for v in block.inputs()], [v.debugName() for v in block.outputs()]

        def loop(values: dict[str, Any]) -> None:
            most, going, *carried = (values[name] for name in read)
            trip = 0
            while going and trip < most:
                values.update(zip(given, [trip, *carried], strict=True))
                self._run(steps, values)
                going, *carried = (values[name] for name in results)
                trip += 1
            values.update(zip(names, carried, strict=True))

        return loop

    def _operation(self, node: Any, kind: str) -> Callable[..., Any]:
        if kind in ("prim::ListConstruct", "prim::TupleConstruct"):
            return lambda *values: list(values)
        if kind == "aten::_convolution":  # what tracing writes for every convolution, with cuDNN's flags behind
            return lambda *arguments: torch.ops.aten.convolution.default(*arguments[:9])
        if kind == "prim::RaiseException":
            return _raise
        if kind in OF_ANYTHING:
            return OF_ANYTHING[kind]
        if kind not in PLAIN and kind not in OF_TENSORS and not kind.startswith("aten::"):
            raise ArtefactError(
                f"{self.name} uses {kind}, which is no plain operation",
                "trace it instead: torch.jit.trace(G.eval(), z).save(…)",
            )
        schema = torch._C.parse_schema(node.schema()) if node.schema() != "(no schema)" else None

        def compute(*arguments: Any) -> Any:
            if kind in OF_TENSORS:
                return OF_TENSORS[kind](*arguments)
            if kind in PLAIN and not any(isinstance(argument, Tensor) for argument in arguments):
                return PLAIN[kind](*arguments)
            assert schema is not None
            operation = getattr(getattr(torch.ops.aten, kind.removeprefix("aten::")), schema.overload_name or "default")
            split = next((i for i, a in enumerate(schema.arguments) if a.kwarg_only), len(arguments))
            named = {a.name: value for a, value in zip(schema.arguments[split:], arguments[split:], strict=True)}
            return operation(*arguments[:split], **named)

        return compute


def register_constant(module: nn.Module, name: str, tensor: Tensor) -> None:
    """A constant of a graph: a frozen parameter, by which others see the module's precision, or a buffer of integers."""
    if tensor.is_floating_point():
        module.register_parameter(name, nn.Parameter(tensor, requires_grad=False))
    else:
        module.register_buffer(name, tensor)


Step = Callable[[dict[str, Any]], None]


def _raise(*words: Any) -> None:
    raise ValueError(" ".join(str(word) for word in words if isinstance(word, str)) or "the program raises an exception")
