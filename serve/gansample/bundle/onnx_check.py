"""What an ONNX graph may do, checked before a runtime sees it.

A graph computes pictures from what lies in its own file. One that reads other files as weights (external data), calls operators
that a library of somebody else would bring, or repeats something without a fixed end is refused, whoever sealed or signed it.
Field numbers are those of onnx.proto: ModelProto, GraphProto, NodeProto, AttributeProto, TensorProto.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

from gansample.bundle.protobuf import fields, integers
from gansample.errors import ArtefactError

# Whose operators ONNX Runtime ships: the standard's, those for classic models, and its own.
DOMAINS = ("", "ai.onnx", "ai.onnx.ml", "com.microsoft")
OPERATORS_WITH_FILES = ("EPContext",)  # a compiled model, which may lie in a file that it names
MAX_TRIPS = 1_000  # of a Loop: more than any generator has layers
MAX_FIELDS = 2_000_000  # seconds to look at; a network of a thousand layers has some fifty thousand
MAX_DEPTH = 16  # graphs within graphs

_EXTERNAL = "move the weights into the file: onnx.save(onnx.load(…), 'one.onnx', save_as_external_data=False)"
UNROLL = "export it with the loop unrolled"
Message = memoryview


def is_model(data: bytes) -> bool:
    """Whether it looks like an ONNX file: a message that holds a graph, whatever is wrong with it."""
    try:
        return any(number == 7 and not isinstance(value, int) for number, value in fields(memoryview(data)))
    except ValueError:
        return False


def check_onnx(data: bytes, source: str) -> None:
    """Raises ArtefactError, naming `source`, for an ONNX file whose graph is not its own, closed and finite."""
    if data[4:8] == b"ORTM":  # ONNX Runtime would take it for a graph in its own format, whatever else it is
        raise ArtefactError(f"{source} is in ONNX Runtime's own format", "export it again, as ONNX")
    try:
        _Check(source).model(memoryview(data))
    except (ValueError, IndexError, struct.error):
        raise ArtefactError(f"{source} is no valid ONNX file", "it is damaged, export it again") from None


@dataclass
class _Check:
    source: str
    looked_at: int = 0

    def fields(self, message: Message) -> Iterator[tuple[int, int | Message]]:
        for entry in fields(message):
            self.looked_at += 1
            if self.looked_at > MAX_FIELDS:
                raise ArtefactError(f"{self.source} has more than {MAX_FIELDS:,} fields", "it is no generator's graph")
            yield entry

    def messages(self, message: Message, *numbers: int) -> Iterator[Message]:
        """The values of these fields, each a message or a text."""
        for number, value in self.fields(message):
            if number in numbers and not isinstance(value, int):
                yield value

    def model(self, model: Message) -> None:
        graphs = 0
        for number, value in self.fields(model):
            if number == 25:
                raise ArtefactError(f"{self.source} defines functions of its own", "inline them: onnx.inliner")
            if number == 7 and not isinstance(value, int):
                graphs += 1
                self.graph(value, _Constants())
        if graphs != 1:  # a parser would merge several into one that nobody looked at
            raise ValueError(f"{graphs} graphs")

    def graph(self, graph: Message, outer: "_Constants", depth: int = 0) -> None:
        if depth > MAX_DEPTH:
            raise ArtefactError(f"{self.source} has graphs within graphs, more than {MAX_DEPTH} deep", "export it again")
        constants, nodes = _Constants(dict(outer.trips), outer.loops), []
        for number, value in self.fields(graph):
            if isinstance(value, int):
                continue
            if number == 1:
                nodes.append(_Node(self, value))
            elif number == 5:
                constants.add(*self.tensor(value))
            elif number == 15:
                self.sparse(value)
        for node in nodes:
            if node.operator == "Constant" and node.outputs:
                for _, count in node.tensors:
                    constants.add(node.outputs[0], count)
        for node in nodes:
            loops = constants.loops * self.node(node, constants)
            for inner in node.graphs:
                self.graph(inner, _Constants(constants.trips, loops), depth + 1)

    def node(self, node: "_Node", constants: "_Constants") -> int:
        """How often the node runs the graphs that it holds."""
        if node.domain not in DOMAINS:
            raise ArtefactError(
                f"{self.source} uses the operator {node.operator!a} of {node.domain!a}, which no runtime here has",
                f"export it with operators of {', '.join(DOMAINS[1:])}",
            )
        if node.operator in OPERATORS_WITH_FILES:
            raise ArtefactError(f"{self.source} holds an {node.operator}, which reads other files", "export it again, as ONNX")
        if node.operator != "Loop":
            return 1
        trips = constants.trips.get(node.inputs[0]) if node.inputs else None
        if trips is None:
            raise ArtefactError(f"{self.source} holds a Loop whose number of trips is not fixed", UNROLL)
        if trips * constants.loops > MAX_TRIPS:
            raise ArtefactError(f"{self.source} holds a Loop of {trips:,} trips, more than {MAX_TRIPS:,} in all", UNROLL)
        return max(1, trips)

    def tensor(self, tensor: Message) -> tuple[str, int | None]:
        """Its name and, where it is a single int64, its value."""
        name, numbers, parts, int64 = "", [], 0, False
        for number, value in self.fields(tensor):
            if number == 13 or (number == 14 and value):
                raise ArtefactError(f"{self.source} keeps weights outside of itself (external data)", _EXTERNAL)
            if number == 2:
                int64 = value == 7
            elif number == 7:
                numbers += integers(value) if isinstance(value, int) or len(value) <= 10 else [0, 0]
            elif number == 8 and not isinstance(value, int):
                name = bytes(value).decode()
            elif number == 9 and not isinstance(value, int):
                numbers += struct.unpack("<q", value) if len(value) == 8 else [0, 0]
                parts += 1
        single = int64 and parts <= 1 and len(numbers) == 1
        return name, numbers[0] if single else None

    def sparse(self, tensor: Message) -> None:
        for part in self.messages(tensor, 1, 2):
            self.tensor(part)


@dataclass
class _Constants:
    """The integers that may be trip counts in a graph, and how often it runs."""

    trips: dict[str, int | None] = field(default_factory=dict)
    """None for a constant that is no single integer, or for several of one name: who knows which counts."""
    loops: int = 1

    def add(self, name: str, value: int | None) -> None:
        self.trips[name] = value if self.trips.get(name, value) == value else None


class _Node:
    def __init__(self, check: _Check, node: Message) -> None:
        self.inputs: list[str] = []
        self.outputs: list[str] = []
        self.operator = self.domain = ""
        self.graphs: list[Message] = []
        self.tensors: list[tuple[str, int | None]] = []
        for number, value in check.fields(node):
            if isinstance(value, int):
                continue
            if number == 5:
                self._attribute(check, value)
            elif number in (1, 2):
                (self.inputs if number == 1 else self.outputs).append(bytes(value).decode())
            elif number == 4:
                self.operator = bytes(value).decode()
            elif number == 7:
                self.domain = bytes(value).decode()

    def _attribute(self, check: _Check, attribute: Message) -> None:
        name, single = "", None
        for number, value in check.fields(attribute):
            if number == 3 and isinstance(value, int):
                single = integers(value)[0]
            elif isinstance(value, int):
                continue
            elif number == 1:
                name = bytes(value).decode()
            elif number in (5, 10):
                self.tensors.append(check.tensor(value))
            elif number in (6, 11):
                self.graphs.append(value)
            elif number in (22, 23):
                check.sparse(value)
        if name == "value_int":
            self.tensors.append((name, single))
