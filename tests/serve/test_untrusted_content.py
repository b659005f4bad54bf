"""A right seal over odd content: whatever stands in a bundle, a picture or a file of latents, it is a refusal of one line."""

import io
import json
import os
import shutil
import struct
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper

from gansample import open_sampler
from gansample.bundle import seal
from gansample.bundle.goldens import read_goldens
from gansample.bundle.open import MANIFEST, open_bundle
from gansample.cli.info import describe_bundle, format_bundle
from gansample.errors import ArtefactError, UsageError
from gansample.latents import LatentSpace
from gansample.outputs.file_metadata import read_drawing
from gansample.outputs.metadata import read_metadata
from gansample.sampling.selection import LatentsFile
from tests.support.make_tiny_bundle import resealed


def rewritten(source: Path, folder: Path, change: Mapping[str, Any], **files: bytes) -> Path:
    """A copy whose manifest has other values at these dotted paths, and other files (golden__npz=…); sealed again."""
    shutil.copytree(source, folder)
    manifest = json.loads((folder / MANIFEST).read_text())
    for name, data in {key.replace("__", "."): data for key, data in files.items()}.items():
        (folder / name).write_bytes(data)
        manifest["files"][name] = {"sha256": seal.digest(data), "bytes": len(data)}
    for path, value in change.items():
        *way, last = path.split(".")
        owner = manifest
        for key in way:
            owner = owner[int(key)] if isinstance(owner, list) else owner[key]
        owner[last] = value
    (folder / MANIFEST).write_bytes(seal.sealed(json.dumps({**manifest, seal.KEY: seal.BLANK}).encode()))
    return folder


ROW = {"images": 64, "max_step": 1.0, "psnr_db": None}
ODD: dict[str, Any] = {
    "name": ["a\x1b[31mb", "a\nb", "\ud800", "\x00"],
    "classes": [["a\x1b]0;t\x07"], ["\udc00"]],
    "latent.size": [2**31 - 1, 10**30],
    "image.height": [2**31 - 1],
    "variants.0.name": ["\x9b2J"],
    "variants.0.parity": [{"verdict": 1}, {"rows": 3}, {"rows": [3]}, {"rows": [{**ROW, "images": "64"}]}, {"rows": [{}]}],
    "variants.0.parity.rows": [
        [{"images": 64, "max_step": 1.0}], [{**ROW, "psnr_db": "x"}], [{**ROW, "max_step": 10**400}], [{**ROW, "images": None}],
    ],
    "variants.0.speed": [{"images_per_second": rates} for rates in (3, {"64": "fast"}, {"64": 10**400})],
    "variants": [[], 3, [3]],
    "left_out": [3, None, [3], [{"name": "x"}], [{"name": "x", "verdict": "FAIL", "reasons": 3}], [{"name": 1, "verdict": 2}]],
    "provenance": [{"text": "\ud800"}, 3],
    "files.a\x00b": [{"sha256": "0" * 64, "bytes": 1}],
    "files.\x1b[2J": [{"sha256": "0" * 64, "bytes": 1}],
}  # fmt: skip


@pytest.mark.parametrize(("path", "value"), [(path, value) for path, values in ODD.items() for value in values])
def test_odd_values_in_a_sealed_manifest(path: str, value: Any, tiny_classes_bundle: Path, tmp_path: Path) -> None:
    folder = rewritten(tiny_classes_bundle, tmp_path / "odd", {path: value})
    with pytest.raises(ArtefactError) as refusal:
        open_bundle(folder)
    assert len(str(refusal.value)) < 600


def test_what_exports_write_is_taken(tiny_classes_bundle: Path, tmp_path: Path) -> None:
    parity = {"verdict": "PASS", "rows": [ROW, {**ROW, "psnr_db": 98.1}], "worst": {}, "effort": "quick"}
    left_out = [{"name": "openvino-int8", "verdict": "FAIL", "reasons": []}]
    change = {"variants.0.parity": parity, "left_out": left_out, "name": "Füße 👩‍👧 中", "provenance": {"note": "two\nlines"}}
    bundle = open_bundle(rewritten(tiny_classes_bundle, tmp_path / "right", change))
    assert "openvino-int8    FAIL" in format_bundle(describe_bundle(bundle))


def npz(**members: np.ndarray | bytes) -> bytes:
    """The members of an .npz: arrays, or whatever bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, value in members.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                if isinstance(value, bytes):
                    file.write(value)
                else:
                    np.lib.format.write_array(file, value, allow_pickle=False)
    return buffer.getvalue()


def header(text: str) -> bytes:
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode()


SEEDS, LABEL, IMAGES = np.arange(2), np.zeros(2, np.int64), np.zeros((2, 8, 8, 3), np.uint8)
GOLDEN_DAMAGE: dict[str, dict[str, np.ndarray | bytes]] = {
    "no labels": {"seeds": SEEDS, "images": IMAGES},
    "seeds in text": {"seeds": np.array(["a", "b"])},
    "negative seeds": {"seeds": SEEDS - 5},
    "huge seeds": {"seeds": np.array([0, 2**32])},
    "a class that is not there": {"label": LABEL + 3},
    "labels of another shape": {"label": np.zeros((2, 1), np.int64)},
    "fractions": {"label": np.zeros(2)},
    "one number": {"images": np.array(3, np.uint8)},
    "no pictures": {"images": IMAGES[:0], "seeds": SEEDS[:0], "label": LABEL[:0]},
    "objects": {"images": header("{'descr': '|O', 'fortran_order': False, 'shape': (2,), }\n")},
    "a petabyte": {"images": header("{'descr': '|u1', 'fortran_order': False, 'shape': (1000000000000000,), }\n")},
    "sizes below zero": {
        "images": header("{'descr': '|u1', 'fortran_order': False, 'shape': (-2, -8, 8, 3), }\n") + bytes(999)
    },
    "a deep header": {"images": header("(" * 9000)},
    "no header": {"images": b"hello"},
}


@pytest.mark.parametrize("damage", GOLDEN_DAMAGE)
def test_odd_goldens(damage: str, tiny_classes_bundle: Path, tmp_path: Path) -> None:
    right: dict[str, np.ndarray | bytes] = {} if damage == "no labels" else {"seeds": SEEDS, "label": LABEL, "images": IMAGES}
    data = npz(**{**right, **GOLDEN_DAMAGE[damage]})
    bundle = open_bundle(rewritten(tiny_classes_bundle, tmp_path / "odd", {}, golden__npz=data))
    with pytest.raises(ArtefactError, match=r"golden\.npz"):
        read_goldens(bundle)


@pytest.mark.parametrize("data", [b"PK\x05\x06" + bytes(18), b"PK", b"\x93NUMPY"])
def test_goldens_that_are_no_archive(data: bytes, tiny_bundle: Path, tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match="cannot be read"):
        read_goldens(open_bundle(rewritten(tiny_bundle, tmp_path / "odd", {}, golden__npz=data)))


def test_goldens_that_unpack_to_gigabytes_are_not_unpacked(tiny_bundle: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "bomb.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("seeds", "label", "images"):
            with archive.open(f"{name}.npy", "w") as file:
                for _ in range(18):
                    file.write(bytes(10 << 20))
    bomb = (tmp_path / "bomb.npz").read_bytes()
    assert len(bomb) < 1 << 20
    with pytest.raises(ArtefactError, match="it holds 566,231,040 bytes, more than 536,870,912"):
        read_goldens(open_bundle(rewritten(tiny_bundle, tmp_path / "odd", {}, golden__npz=bomb)))


def png(text: bytes, side: int = 1) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    start = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)) + chunk(b"iTXt", b"gansample\0\0\0\0\0" + text)
    return b"\x89PNG\r\n\x1a\n" + start + chunk(b"IDAT", zlib.compress(bytes(2))) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    "data", [png(b"[" * 100_000), png(b'{"seeds": ' * 50_000), png(b"{}", 2**31 - 1), png(b"\xff\xfe"), png(b"{}")[:40]]
)
def test_odd_pictures(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "odd.png").write_bytes(data)
    with pytest.raises(ArtefactError):
        read_metadata(tmp_path / "odd.png")


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    for name in ("pipe.png", "pipe.npz", "pipe.tar"):
        os.mkfifo(tmp_path / name)
        with pytest.raises(ArtefactError, match="no regular file"):
            read_drawing(tmp_path / name)
    os.mkfifo(tmp_path / "pipe.npy")
    with pytest.raises(ArtefactError, match="no regular file"):
        LatentsFile(tmp_path / "pipe.npy", LatentSpace(6))


@pytest.mark.parametrize(
    "text",
    [
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000, 6), }\n",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (-1, 6), }\n",
        "{'descr': '|O', 'fortran_order': False, 'shape': (1, 6), }\n",
        "{'descr': '<f4', 'fortran_order': False, 'shape': ('a', 6), }\n",
        "{'descr': None, 'fortran_order': False, 'shape': (1, 6), }\n",
        "(" * 9000,
        "\x1b[2J",
    ],
)
def test_latents_with_an_odd_header(text: str, tmp_path: Path) -> None:
    (tmp_path / "odd.npy").write_bytes(header(text) + bytes(24))
    with pytest.raises(ArtefactError, match=r"is no \.npy file of numbers"):
        LatentsFile(tmp_path / "odd.npy", LatentSpace(6))


def one_picture_too_many(model: onnx.ModelProto) -> None:
    """Every latent is drawn twice, and the graph still declares N pictures."""
    model.graph.node.insert(0, helper.make_node("Concat", ["z", "z"], ["twice"], axis=0))
    model.graph.node[1].input[0] = "twice"


def test_far_more_threads_than_processors(tiny_bundle: Path) -> None:
    with pytest.raises(UsageError, match=r"1,024 threads, and this machine has \d+ processors: ask for at most"):
        open_sampler(tiny_bundle, threads=1024)


def test_a_graph_that_draws_another_number_of_pictures(tiny_bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "odd.onnx").write_bytes(resealed((tiny_bundle / "generator.onnx").read_bytes(), one_picture_too_many))
    with (
        open_sampler(tmp_path / "odd.onnx") as sampler,
        pytest.raises(ArtefactError, match=r"draws \(6, 8, 8, 3\) for 3 latents"),
    ):
        sampler.sample(range(3))
