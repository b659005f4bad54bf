"""The protobuf wire format, as much as is needed to look into an ONNX file without the onnx package.

A message is a sequence of (tag, value); a tag is a field's number and the kind of its value. What the format leaves to the
reader's taste is refused, so that no other parser can see another message in the same bytes: groups, tags of more than 32 bits,
field 0. See https://protobuf.dev/programming-guides/encoding.
"""

from collections.abc import Iterator

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5


def fields(data: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """(field number, value) of one message: the number of a varint, otherwise the bytes. Raises ValueError."""
    position = 0
    while position < len(data):
        tag, position = _varint(data, position)
        number, kind = tag >> 3, tag & 7
        if tag >= 1 << 32 or not number:
            raise ValueError(f"tag {tag}")
        if kind == VARINT:
            value, position = _varint(data, position)
            yield number, value
            continue
        if kind == BYTES:
            length, position = _varint(data, position)
        elif kind in (FIXED64, FIXED32):
            length = 8 if kind == FIXED64 else 4
        else:
            raise ValueError(f"wire type {kind}")
        if length > len(data) - position:
            raise ValueError("truncated field")
        yield number, data[position : position + length]
        position += length


def integers(value: int | memoryview) -> list[int]:
    """A repeated int64 field's value: one number, or many that are packed."""
    if isinstance(value, int):
        return [_signed(value)]
    numbers, position = [], 0
    while position < len(value):
        number, position = _varint(value, position)
        numbers.append(_signed(number))
    return numbers


def _signed(number: int) -> int:
    return number - (1 << 64) if number >= 1 << 63 else number


def _varint(data: memoryview, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if position >= len(data) or shift > 63:
            raise ValueError("truncated or endless varint")
        byte = data[position]
        value |= (byte & 0x7F) << shift
        position, shift = position + 1, shift + 7
        if byte < 0x80:
            return value & (1 << 64) - 1, position
