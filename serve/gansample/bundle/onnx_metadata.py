"""The spec inside an ONNX file, read without the onnx package (which serving does not need otherwise).

An ONNX file is a protobuf message: a sequence of (tag, value) fields. The metadata entries are field 14 of the top level,
each a message of key (field 1) and value (field 2). Everything else is skipped unread.
See onnx.proto, `ModelProto.metadata_props`, and the protobuf encoding reference.
"""

from collections.abc import Iterator

from gansample.bundle.spec import ONNX_METADATA_KEY, Spec
from gansample.errors import ArtefactError

_METADATA_PROPS = 14
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


def spec_from_onnx(data: bytes, source: str) -> Spec:
    """The spec in the metadata of the ONNX file `data`. Raises ArtefactError where there is none, or it is no protobuf."""
    try:
        for number, value in _fields(memoryview(data)):
            if number == _METADATA_PROPS:
                entry = {key: bytes(text).decode() for key, text in _fields(value)}
                if entry.get(1) == ONNX_METADATA_KEY:
                    return Spec.from_json(entry.get(2, ""), source)
    except (IndexError, ValueError):
        raise ArtefactError(f"{source} is no valid ONNX file", "it is damaged, export again") from None
    raise ArtefactError(f"{source} carries no gansample spec", f"export it first: python -m export --onnx {source}")


def _fields(data: memoryview) -> Iterator[tuple[int, memoryview]]:
    """(field number, payload) of one protobuf message; fixed-size and varint fields come with an empty payload."""
    position = 0
    while position < len(data):
        tag, position = _varint(data, position)
        number, kind = tag >> 3, tag & 7
        payload = data[:0]
        if kind == _VARINT:
            _, position = _varint(data, position)
        elif kind == _BYTES:
            length, position = _varint(data, position)
            payload = data[position : position + length]
            if len(payload) < length:
                raise ValueError("truncated field")
            position += length
        elif kind in (_FIXED64, _FIXED32):
            position += 8 if kind == _FIXED64 else 4
        else:
            raise ValueError(f"unknown wire type {kind}")
        yield number, payload


def _varint(data: memoryview, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[position]
        value |= (byte & 0x7F) << shift
        position, shift = position + 1, shift + 7
        if byte < 0x80:
            return value, position
        if shift > 63:
            raise ValueError("varint too long")
