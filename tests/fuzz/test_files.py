"""Files that are given to a command: pictures with metadata, latents, checkpoints."""

import io
import json
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from hypothesis import strategies as st

from tests.fuzz.explore import Explore
from tests.fuzz.odd import changed, damaged, values
from tests.fuzz.programs import Programs
from tests.support.nvidia_pickle import network_file, stylegan2

METADATA = {
    "seeds": "0-3", "class": "ant", "truncation": 0.5, "model": "pets", "model_sha256": "0" * 64, "backend": "onnxruntime-cpu",
    "variant": "onnx-fp32", "version": "0.1.0", "grid": "2x2", "pad": 2, "fps": 30, "upscale": 2, "walk": "1,7", "loop": True,
}  # fmt: skip


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(text: bytes, width: int = 1, height: int = 1) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    itxt = b"gansample\0\0\0\0\0" + text
    body = zlib.compress(b"\0" * 2)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"iTXt", itxt) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def test_picture_metadata(fuzz: Explore, programs: Programs, tmp_path: Path) -> None:
    def check(odd: Any) -> None:
        data, side = odd
        if not isinstance(data, bytes):
            data = png(json.dumps(data).encode(), side, side)
        for name in ("odd.png", "odd.webp", "odd.tar", "odd.npz", "odd.mp4", "odd.gif"):
            (tmp_path / name).write_bytes(data)
            programs("gan", "info", name, cwd=tmp_path)

    text = st.one_of(changed(METADATA), st.just(json.loads("[" * 900 + "]" * 900)), st.binary(max_size=60).map(png))
    sides = st.sampled_from([1, 1, 0, 60_000, 2**31 - 1])
    fuzz(check, st.tuples(st.one_of(text, damaged(png(json.dumps(METADATA).encode()))), sides))


def test_latents(fuzz: Explore, programs: Programs, tiny_bundle: Path, tmp_path: Path) -> None:
    buffer = io.BytesIO()
    np.save(buffer, np.zeros((3, 6), np.float32))

    def check(data: bytes) -> None:
        (tmp_path / "odd.npy").write_bytes(data)
        programs("gansample", "--bundle", tiny_bundle, "--latents", "odd.npy", "--force", "out.png", cwd=tmp_path)

    def with_header(odd: Any) -> bytes:
        text = f"{{'descr': {odd[0]!r}, 'fortran_order': {odd[1]!r}, 'shape': {odd[2]!r}}}".encode("utf-8", "replace")[:60_000]
        return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + bytes(72)

    kinds = st.one_of(values, st.sampled_from(["<f4", "<f8", "|O", "<f2", "<c8"]))
    shapes = st.one_of(values, st.lists(st.integers(-1, 2**62), max_size=3).map(tuple))
    fuzz(check, st.one_of(damaged(buffer.getvalue()), st.tuples(kinds, values, shapes).map(with_header)))


tensors = st.sampled_from([
    torch.zeros(4, 3), torch.zeros(6, 8, 4, 4), torch.zeros(0, 3), torch.tensor(1.0), torch.zeros(3).half(),
    torch.full((2, 2), float("nan")), torch.zeros(3, dtype=torch.int64), torch.zeros(2, 2, dtype=torch.complex64),
    torch.eye(3).to_sparse(), torch.zeros(1).expand(1 << 20, 1 << 20), torch.empty(9, 9, device="meta"),
    torch.zeros(8, 4, dtype=torch.uint8).view(torch.float4_e2m1fn_x2), torch.zeros(3).to(torch.float8_e5m2),
])  # fmt: skip
names = st.sampled_from([
    "main.0.weight", "main.0.bias", "main.1.running_mean", "0", "", ".", "a\x1b[31m", "module.x", "x" * 3000, "state_dict",
    "netG", "G_ema",
])  # fmt: skip
contents: st.SearchStrategy[Any] = st.one_of(tensors, values.filter(lambda value: "\ud800" not in str(value)))
for _ in range(3):  # dictionaries in dictionaries
    contents = st.one_of(contents, st.dictionaries(names, contents, max_size=4), st.lists(contents, max_size=3))


def test_checkpoints(fuzz: Explore, programs: Programs, tmp_path: Path) -> None:
    whole = io.BytesIO()
    torch.save({"main.0.weight": torch.zeros(6, 8, 4, 4), "main.1.weight": torch.zeros(8), "epoch": 3}, whole)

    def check(odd: Any) -> None:
        if isinstance(odd, tuple):
            buffer = io.BytesIO()
            content, protocol, zipped = odd
            if isinstance(content, dict) and protocol == 3:
                content["itself"] = content
            torch.save(content, buffer, pickle_protocol=min(protocol, 4), _use_new_zipfile_serialization=zipped)
            odd = buffer.getvalue()
        (tmp_path / "gen.pth").write_bytes(odd)
        programs("export", "gen.pth", "--out", "bundle", "--force", cwd=tmp_path)

    fuzz(check, st.one_of(st.tuples(contents, st.integers(2, 4), st.booleans()), damaged(whole.getvalue())))


INSTRUCTIONS = [
    b"(", b")", b"]", b"}", b"0", b"1", b"2", b"N", b"R", b"b", b"s", b"u", b"a", b"e", b"t", b"l", b"d", b"o", b"\x81",
    b"\x85", b"\x86", b"\x87", b"\x88", b"\x8f", b"\x90", b"\x92", b"\x93", b"\x94", b"K\x05", b"J\xff\xff\xff\x7f",
    b"q\x01", b"h\x01",
    b"\x8c\x05torch", b"\x8c\x04Size", b"cos\nsystem\n", b"cnumpy\ndtype\n", b"cnumpy.core.multiarray\n_reconstruct\n",
    b"ctorch._utils\n_rebuild_tensor_v2\n", b"ctorch.storage\n_load_from_bytes\n", b"c_codecs\nencode\n", b"Pid\n",
    b"ctorch_utils.persistence\n_reconstruct_persistent_obj\n", b"ccollections\nOrderedDict\n", b"I" + b"9" * 5000 + b"\n",
]  # fmt: skip


def test_pickles(fuzz: Explore, programs: Programs, tmp_path: Path) -> None:
    whole = network_file(stylegan2(8, channels=5))  # five channels: what is still whole is refused instead of exported

    def check(data: bytes) -> None:
        (tmp_path / "network.pkl").write_bytes(data)
        programs("export", "network.pkl", "--out", "bundle", "--force", cwd=tmp_path)

    written = st.lists(st.sampled_from(INSTRUCTIONS), max_size=40).map(lambda parts: b"\x80\x04" + b"".join(parts) + b".")
    fuzz(check, st.one_of(damaged(whole), written))
