"""A digest that a file carries inside itself, so that one file alone can prove it is unchanged.

Nothing else in the stack notices a flipped bit: protobuf, the ONNX checker and ONNX Runtime all load it without complaint.
The seal is the SHA-256 of the file with the seal's own 64 digits read as zeros. It guards against damage, not against
forgery: whoever can rewrite the file can seal it anew.
"""

import hashlib
import re

KEY = "gansample.seal"
BLANK = "0" * 64

# How the key and its 64 digits meet in the two kinds of file that carry a seal: an ONNX metadata entry (protobuf field 2,
# length 64) and a JSON member.
_SEAL = re.compile(re.escape(KEY).encode() + rb'(?:\x12\x40|": ")([0-9a-f]{64})')


def digest(data: bytes) -> str:
    """SHA-256 of `data`, 64 hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def sealed(data: bytes) -> bytes:
    """`data`, which holds one blank seal (`KEY` with value `BLANK`), with the seal filled in."""
    start, end = _span(data)
    return data[:start] + _digest_without(data, start, end).encode() + data[end:]


def resealed(data: bytes) -> bytes:
    """`data`, whose seal was made before something else in it changed, with a seal that holds; as it is where it has none."""
    return sealed(_SEAL.sub(lambda seal: seal[0][:-64] + BLANK.encode(), data)) if _SEAL.search(data) else data


def seal_holds(data: bytes) -> bool | None:
    """Whether the seal in `data` is true; None where there is no seal to check."""
    try:
        start, end = _span(data)
    except ValueError:
        return None
    return data[start:end].decode() == _digest_without(data, start, end)


def _span(data: bytes) -> tuple[int, int]:
    found = [match.span(1) for match in _SEAL.finditer(data)]
    if len(found) != 1:
        raise ValueError(f"expected one seal, found {len(found)}")
    return found[0]


def _digest_without(data: bytes, start: int, end: int) -> str:
    view, hasher = memoryview(data), hashlib.sha256()
    for piece in (view[:start], BLANK.encode(), view[end:]):
        hasher.update(piece)
    return hasher.hexdigest()
