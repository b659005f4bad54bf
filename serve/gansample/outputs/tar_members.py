"""What a tar of pictures consists of: the job as a comment, and for every picture its files.

Headers are ustar (POSIX.1-1988), made from one of `tarfile`'s: three fields of 512 bytes change from file to file, and
`tarfile` would take longer for a header than the encoder for a picture.
"""

import json
import tarfile

from gansample.outputs.job import Batch, Job
from gansample.outputs.png import encode_pngs

BLOCK = 512
_TEMPLATE = bytearray(tarfile.TarInfo("").tobuf(tarfile.USTAR_FORMAT))
_TEMPLATE[148:156] = b" " * 8  # a checksum is taken with its own field blank
_TEMPLATE_SUM = sum(_TEMPLATE) - sum(_TEMPLATE[124:136])

Members = list[bytes]
"""One entry a picture: its headers and files, padded to whole blocks."""
END = bytes(2 * BLOCK)


def head(job: Job) -> bytes:
    """The job, as a comment that every tar program skips."""
    comment = json.dumps(job.identity) if job.with_metadata else ""
    return tarfile.TarInfo.create_pax_global_header({"comment": comment}) if comment else b""


def members(job: Job, batch: Batch) -> Members:
    made = []
    for row, (position, png) in enumerate(zip(batch.positions, encode_pngs(batch.images, fast=job.fast_png), strict=True)):
        name, label = job.selection.name(position), batch.label(row)
        files = [(f"{name}.png", png)]
        if label is not None:
            files.append((f"{name}.cls", str(label).encode()))
        if job.with_metadata:
            files.append((f"{name}.json", job.picture_json(position, label).encode()))
        made.append(b"".join(_member(file, data) for file, data in files))
    return made


def shard_name(path: str, number: int) -> str:
    """out.tar -> out-000007.tar"""
    stem, dot, suffix = path.rpartition(".")
    return f"{stem}-{number:06d}{dot}{suffix}"


def _member(name: str, data: bytes) -> bytes:
    head = _TEMPLATE.copy()
    stem, size = name.encode("ascii"), b"%011o\0" % len(data)
    head[: len(stem)] = stem
    head[124:136] = size
    head[148:156] = b"%06o\0 " % (_TEMPLATE_SUM + sum(stem) + sum(size))
    return b"".join((head, data, bytes(-len(data) % BLOCK)))
