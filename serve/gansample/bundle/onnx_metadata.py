"""The spec inside an ONNX file.

Field 14 of the top level holds the metadata, each a message of key (field 1) and value (field 2). See onnx.proto,
`ModelProto.metadata_props`.
"""

from gansample.bundle.protobuf import fields
from gansample.bundle.spec import ONNX_METADATA_KEY, Spec
from gansample.errors import ArtefactError

_METADATA_PROPS = 14


def spec_from_onnx(data: bytes, source: str) -> Spec:
    """The spec in the metadata of the ONNX file `data`. Raises ArtefactError where there is none, or it is no protobuf."""
    try:
        for number, value in fields(memoryview(data)):
            if number == _METADATA_PROPS and not isinstance(value, int):
                entry = {key: bytes(text).decode() for key, text in fields(value) if not isinstance(text, int)}
                if entry.get(1) == ONNX_METADATA_KEY:
                    return Spec.from_json(entry.get(2, ""), source)
    except ValueError:
        raise ArtefactError(f"{source} is no valid ONNX file", "it is damaged, export again") from None
    raise ArtefactError(f"{source} carries no gansample spec", f"export it first: python -m export --onnx {source}")
