"""Round, which has no WebGPU kernel, written with operators that have one, in an ONNX file's own bytes.

Left as it is, the last step of every picture would be computed on the CPU: four bytes a channel would come back from the GPU
instead of one. Rounding half to even is exact in float32 for the levels of a picture:

    a = x + ½        f = ⌊a⌋        Round(x) = f − [a = f and f is odd],  where f is odd iff f − 2·⌊f/2⌋ = 1

The bytes are changed in memory, after their digest was found right; on disk nothing changes. Field numbers are those of
onnx.proto: ModelProto.graph is 7; GraphProto.node is 1, .initializer 5; NodeProto.input is 1, .output 2, .op_type 4.
"""

import struct
from collections.abc import Iterator

from gansample.bundle.protobuf import fields

HALF, TWO = "gansample.half", "gansample.two"
FLOAT = 1  # TensorProto.DataType, of initializers and of what Cast gives


def without_round(model: bytes) -> bytes:
    """The same model with every Round of the main graph replaced; the same bytes where there is none.

    Raises ValueError for bytes that are no protobuf message.
    """
    if not any(_operator(node) == "Round" for node in _messages(_graph(model), 1)):
        return model
    parts = []
    for number, value in _entries(model):
        rewritten = _rewritten(value) if number == 7 and isinstance(value, bytes) else value
        parts.append(_field(number, rewritten))
    return b"".join(parts)


def _rewritten(graph: bytes) -> bytes:
    parts, rounds = [], 0
    for number, value in _entries(graph):
        if number == 1 and isinstance(value, bytes) and _operator(value) == "Round":
            (source,), (target,) = _texts(value, 1), _texts(value, 2)
            parts += [_field(1, node) for node in _nodes(source, target, f"gansample.round{rounds}.")]
            rounds += 1
        else:
            parts.append(_field(number, value))
    constants = [_field(5, _scalar(name, value)) for name, value in ((HALF, 0.5), (TWO, 2.0))]
    return b"".join([*parts, *constants])


def _nodes(x: str, target: str, own: str) -> Iterator[bytes]:
    yield _node("Add", [x, HALF], own + "a")
    yield _node("Floor", [own + "a"], own + "f")
    yield _node("Mul", [own + "f", HALF], own + "half")
    yield _node("Floor", [own + "half"], own + "down")
    yield _node("Mul", [own + "down", TWO], own + "even")
    yield _node("Sub", [own + "f", own + "even"], own + "odd")
    yield _node("Equal", [own + "a", own + "f"], own + "met")
    yield _node("Cast", [own + "met"], own + "tie", to=FLOAT)
    yield _node("Mul", [own + "odd", own + "tie"], own + "excess")
    yield _node("Sub", [own + "f", own + "excess"], target)


def _node(operator: str, inputs: list[str], output: str, to: int | None = None) -> bytes:
    parts = [*(_field(1, name.encode()) for name in inputs), _field(2, output.encode()), _field(3, output.encode())]
    parts.append(_field(4, operator.encode()))
    if to is not None:  # AttributeProto: name 1, i 3, type 20 (INT is 2)
        parts.append(_field(5, _field(1, b"to") + _field(3, to) + _field(20, 2)))
    return b"".join(parts)


def _scalar(name: str, value: float) -> bytes:
    """TensorProto without dimensions: data_type 2, name 8, raw_data 9."""
    return _field(2, FLOAT) + _field(8, name.encode()) + _field(9, struct.pack("<f", value))


def _graph(model: bytes) -> bytes:
    return next(_messages(model, 7))


def _operator(node: bytes) -> str:
    return "".join(_texts(node, 4)) if not any(_texts(node, 7)) else ""  # of the standard's domain


def _texts(message: bytes, number: int) -> list[str]:
    return [value.decode() for value in _messages(message, number)]


def _messages(message: bytes, number: int) -> Iterator[bytes]:
    return (value for each, value in _entries(message) if each == number and isinstance(value, bytes))


def _entries(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    return ((number, value if isinstance(value, int) else bytes(value)) for number, value in fields(memoryview(message)))


def _field(number: int, value: int | bytes) -> bytes:
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    return _varint(number << 3 | 2) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    parts = bytearray()
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*parts, value])
