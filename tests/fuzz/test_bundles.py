"""Bundles whose seal and digests are right, and whose content is odd: manifest, ONNX file, goldens."""

import io
import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import strategies as st

from gansample.bundle import seal
from gansample.bundle.open import GOLDENS, MANIFEST, REFERENCE
from gansample.bundle.spec import ONNX_METADATA_KEY
from tests.fuzz.explore import Explore
from tests.fuzz.odd import changed, damaged, values
from tests.fuzz.programs import Programs


@pytest.fixture(scope="module")
def signs(tmp_path_factory: pytest.TempPathFactory, tiny_classes_bundle: Path) -> Path:
    """A bundle with receipts, as an export writes them."""
    folder = shutil.copytree(tiny_classes_bundle, tmp_path_factory.mktemp("fuzz") / "pets")
    manifest = json.loads((folder / MANIFEST).read_text())
    rows = [{"latents": "seeds", "batch": 1, "images": 64, "max_step": 1.0, "psnr_db": 98.0, "worst_psnr_db": None}]
    manifest["variants"][0]["parity"] = {"verdict": "PASS", "rows": rows, "reference": "PyTorch float64"}
    manifest["variants"][0]["speed"] = {"images_per_second": {"1": 10.0, "64": 90.0}, "processor": "x", "cores": 2}
    manifest["left_out"] = [{"name": "openvino-int8", "verdict": "FAIL", "reasons": ["PSNR 20 dB (needed 33): no"]}]
    manifest["provenance"] = {"data": {"name": "digits"}, "images_seen": 3}
    write_manifest(folder, manifest)
    return folder


def write_manifest(folder: Path, manifest: dict[str, Any]) -> None:
    manifest = {**manifest, seal.KEY: seal.BLANK}
    (folder / MANIFEST).write_bytes(seal.sealed(json.dumps(manifest).encode()))


def with_file(folder: Path, name: str, data: bytes) -> None:
    """Replace a file of the bundle, digest and seal as well."""
    (folder / name).write_bytes(data)
    manifest = json.loads((folder / MANIFEST).read_text())
    manifest["files"][name] = {"sha256": seal.digest(data), "bytes": len(data)}
    write_manifest(folder, manifest)


@pytest.fixture
def use(programs: Programs, tmp_path: Path, signs: Path) -> Callable[[Callable[[Path], None]], None]:
    """Change a copy of the bundle, then ask every command about it."""

    def run(change: Callable[[Path], None]) -> None:
        folder = tmp_path / "bundle"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(signs, folder)
        change(folder)
        programs("gan", "info", "bundle", cwd=tmp_path)
        programs("gan", "verify", "bundle", cwd=tmp_path)
        programs("gansample", "--bundle", "bundle", "--n", "3", "--force", "out.png", cwd=tmp_path)

    return run


def test_manifests(fuzz: Explore, use: Any, signs: Path) -> None:
    manifest = json.loads((signs / MANIFEST).read_text())
    del manifest[seal.KEY]
    fuzz(
        lambda odd: use(lambda folder: write_manifest(folder, odd if isinstance(odd, dict) else {"odd": odd})),
        changed(manifest),
    )


def test_onnx_files(fuzz: Explore, use: Any, programs: Programs, signs: Path, tmp_path: Path) -> None:
    original = (signs / REFERENCE).read_bytes()
    spec = json.loads(next(e.value for e in onnx.load_from_string(original).metadata_props if e.key == ONNX_METADATA_KEY))

    def sealed(data: bytes, odd: Any = None) -> bytes:
        model = onnx.load_from_string(data)
        for entry in model.metadata_props:
            if entry.key == seal.KEY:
                entry.value = seal.BLANK
            elif odd is not None:
                entry.value = json.dumps(odd)
        return seal.sealed(model.SerializeToString())

    def check(odd: Any) -> None:
        if isinstance(odd, bytes):
            try:
                data = sealed(odd)
            except Exception:  # no longer an ONNX file with one seal: what the digest is right for all the same
                data = odd
            use(lambda folder: with_file(folder, REFERENCE, data))
        else:
            data = sealed(original, odd)
        (tmp_path / "alone.onnx").write_bytes(data)
        programs("gan", "info", "alone.onnx", cwd=tmp_path)
        programs("gansample", "--bundle", "alone.onnx", "--n", "3", "--force", "out.png", cwd=tmp_path)

    fuzz(check, st.one_of(changed(spec), damaged(original)))


arrays = st.builds(
    lambda shape, kind, fill: np.full(shape, fill, kind),
    st.lists(st.integers(0, 9), max_size=5).map(tuple),
    st.sampled_from(["u1", "i8", "u8", "f4", "f8", "?", "U3", "M8[s]", "V4"]),
    st.just(0),
)
headers = st.tuples(values, values, values).map(
    lambda odd: f"{{'descr': {odd[0]!r}, 'fortran_order': {odd[1]!r}, 'shape': {odd[2]!r}}}"
)


def test_goldens(fuzz: Explore, use: Any, signs: Path) -> None:
    original = (signs / GOLDENS).read_bytes()
    with np.load(signs / GOLDENS) as loaded:
        right = dict(loaded)

    def npz(odd: Any) -> bytes:
        if isinstance(odd, bytes):
            return odd
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, value in {**right, **odd}.items():
                if isinstance(value, np.ndarray):
                    with archive.open(f"{name}.npy", "w") as file:
                        np.lib.format.write_array(file, value, allow_pickle=False)
                elif isinstance(value, str):
                    text = value.encode("utf-8", "replace")[:60_000]
                    archive.writestr(f"{name}.npy", b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text)
                else:
                    archive.writestr(f"{name}.npy", bytes(value))
        return buffer.getvalue()

    names = st.sampled_from(["seeds", "label", "images"])
    bombs = st.integers(0, 1 << 29)
    members = st.dictionaries(names, st.one_of(arrays, headers, bombs), min_size=1, max_size=1)
    odd = st.one_of(damaged(original), members)
    fuzz(lambda each: use(lambda folder: with_file(folder, GOLDENS, npz(each))), odd)
