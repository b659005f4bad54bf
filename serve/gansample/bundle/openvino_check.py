"""What a graph in OpenVINO's IR may do, checked before OpenVINO sees it: the same as one in ONNX (`onnx_check.py`)."""

import re
from xml.etree import ElementTree

from gansample.bundle.onnx_check import UNROLL
from gansample.errors import ArtefactError

MAX_XML = 16 << 20
LOOPS = ("Loop", "TensorIterator")  # no variant that an export writes has one


def check_openvino(model: bytes, source: str) -> None:
    """Raises ArtefactError for an OpenVINO IR (.xml) with operators of other people's libraries, or with loops."""
    if b"\0" in model or re.search(rb"<!(DOCTYPE|ENTITY)", model, re.IGNORECASE):
        raise ArtefactError(f"{source} is no OpenVINO model, it declares entities", "export it again")
    if len(model) > MAX_XML:
        raise ArtefactError(f"{source} holds {len(model):,} bytes of XML, more than {MAX_XML:,}", "it is no generator's graph")
    try:
        # In the encoding that OpenVINO takes it to be in, whatever it declares: both must read the same.
        root = ElementTree.fromstring(model, ElementTree.XMLParser(encoding="utf-8"))
    except (ElementTree.ParseError, ValueError, LookupError):
        raise ArtefactError(f"{source} is no OpenVINO model", "it is damaged, export it again") from None
    if root.tag != "net":
        raise ArtefactError(f"{source} is no OpenVINO model but a <{root.tag!a}>", "export it again")
    for layer in root.iter("layer"):
        operator, operators = layer.get("type", ""), layer.get("version", "")
        if not re.fullmatch(r"opset\d+", operators):
            raise ArtefactError(
                f"{source} uses the operator {operator!a} of {operators!a}, which OpenVINO itself does not have",
                "export it again",
            )
        if operator in LOOPS:
            raise ArtefactError(f"{source} holds a {operator}", UNROLL)
