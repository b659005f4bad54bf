"""PNG files, many at a time.

Written here and not by Pillow because encoding is what bulk drawing waits for: a third of Pillow's time for a 64×64 colour
picture, in files of nearly the same size, and without importing Pillow for a grid. The filter is vectorised over all
pictures, libdeflate compresses, and neither holds the interpreter's lock.

The same picture is the same file, always: an interrupted run that is resumed ends with the bytes it would have had. ISA-L,
though more than twice as fast, cannot promise that: in about one process of thirty (python-isal 1.9.1, level 1) some ten of
60,000 pictures come out with another Huffman table, as good and not the same.

`fast` stores the pixels as they are: a fifteenth of the time, and the same bytes with no coder to promise them. A coder with
fixed tables is no middle way for such pictures: of a trained DCGAN-64's, zlib-ng's (1.1.0, level 1) took 42 of libdeflate's 48
microseconds and ISA-L's (level 0) 22, both in larger files than the stored ones.

Source: W3C, Portable Network Graphics (Third Edition), sections 5 (chunks), 9 (filter type 2, Up) and 11.3.3.4 (iTXt).
"""

import json
import struct
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import deflate
import numpy as np
import numpy.typing as npt

CHUNK = "gansample"
SIGNATURE = b"\x89PNG\r\n\x1a\n"
END = b"\0\0\0\0IEND\xaeB`\x82"  # the last bytes of every whole PNG

_COLOUR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}  # channels -> grey, grey + alpha, RGB, RGBA
_TEXT_HEAD = CHUNK.encode() + b"\0\0\0\0\0"  # not compressed, no language, no translated keyword
_UP = 2
_STORED = 0
_LEVEL = 1  # of libdeflate's 1 to 12: the next one takes half as long again and makes these pictures no smaller


def encode_png(image: npt.NDArray[np.uint8], metadata: Mapping[str, Any] | None = None) -> bytes:
    """A PNG file of one picture uint8 (H, W, C), C = 1 grey, 2 grey + alpha, 3 RGB, 4 RGBA."""
    return encode_png_text(image, json.dumps(metadata, ensure_ascii=False) if metadata is not None else None)


def encode_png_text(image: npt.NDArray[np.uint8], text: str | None, *, fast: bool = False) -> bytes:
    """`encode_png` of metadata that is JSON already."""
    return encode_pngs(image[None], [text] if text is not None else None, fast=fast)[0]


def encode_pngs(images: npt.NDArray[np.uint8], texts: Sequence[str] | None = None, *, fast: bool = False) -> list[bytes]:
    """PNG files of N pictures uint8 (N, H, W, C), each with its own text where there are some.

    fast  neither filtered nor compressed.
    """
    count, height, width, channels = images.shape
    head = SIGNATURE + _chunk(b"IHDR", struct.pack(">2I5B", width, height, 8, _COLOUR_TYPES[channels], 0, 0, 0))
    notes = [b""] * count if texts is None else [_chunk(b"iTXt", _TEXT_HEAD + text.encode()) for text in texts]
    level, scanlines = (_STORED, _unfiltered(images)) if fast else (_LEVEL, _filtered(images))
    return [
        b"".join((head, note, _chunk(b"IDAT", deflate.zlib_compress(rows, level)), END))
        for rows, note in zip(scanlines, notes, strict=True)
    ]


def _unfiltered(images: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Every row as filter number 0 and its pixels: uint8 (N, H, 1 + W·C)."""
    count, height = images.shape[:2]
    rows = images.reshape(count, height, -1)
    scanlines = np.empty((count, height, 1 + rows.shape[2]), np.uint8)
    scanlines[:, :, 0] = 0
    scanlines[:, :, 1:] = rows
    return scanlines


def _filtered(images: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Every row as its filter's number and its difference from the row above: uint8 (N, H, 1 + W·C)."""
    filtered = _unfiltered(images)
    rows = images.reshape(*filtered.shape[:2], -1)
    filtered[:, :, 0] = _UP
    np.subtract(rows[:, 1:], rows[:, :-1], out=filtered[:, 1:, 1:])
    return filtered


def _chunk(kind: bytes, data: bytes | bytearray) -> bytes:
    return b"".join((len(data).to_bytes(4, "big"), kind, data, zlib.crc32(data, zlib.crc32(kind)).to_bytes(4, "big")))
