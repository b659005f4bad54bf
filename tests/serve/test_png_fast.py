"""--png fast: larger files for less time, the same pixels, and said wherever bytes are promised."""

import io
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gansample.outputs.metadata import read_metadata
from gansample.outputs.png import encode_pngs
from tests.support.processes import Command

N = 70


def pixels(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)))


def pictures_in(path: Path) -> dict[str, bytes]:
    if path.suffix == ".tar":
        with tarfile.open(path) as archive:
            names = [name for name in archive.getnames() if name.endswith(".png")]
            return {name: archive.extractfile(name).read() for name in names}
    if path.suffix == ".zip":
        with zipfile.ZipFile(path) as archive:
            return {name: archive.read(name) for name in archive.namelist()}
    return {path.name: path.read_bytes()} if path.is_file() else {each.name: each.read_bytes() for each in path.glob("*.png")}


@pytest.mark.parametrize("form", [".tar", ".zip", ".png", ""])
def test_the_same_pixels_in_other_files(form: str, gansample: Command, tiny_bundle: Path, tmp_path: Path) -> None:
    for name, options in (("plain", ()), ("quick", ("--png", "fast"))):
        assert gansample("--n", N, "--bundle", tiny_bundle, *options, name + form).returncode == 0
    plain, fast = (list(pictures_in(tmp_path / (name + form)).values()) for name in ("plain", "quick"))
    assert len(plain) == len(fast) == (1 if form == ".png" else N)
    for one, other in zip(plain, fast, strict=True):
        assert one != other
        np.testing.assert_array_equal(pixels(one), pixels(other))


def test_pictures_say_it_and_come_again_as_the_same_files(gansample: Command, tiny_bundle: Path, tmp_path: Path) -> None:
    assert gansample("--n", 3, "--bundle", tiny_bundle, "--png", "fast", "many").returncode == 0
    picture = tmp_path / "many" / "seed0000002.png"
    assert read_metadata(picture)["png"] == "fast"
    assert gansample("--seeds", 2, "--bundle", tiny_bundle, "--png", "fast", "again.png").returncode == 0
    assert (tmp_path / "again.png").read_bytes() == picture.read_bytes()


def test_a_job_goes_on_as_it_was_begun(gansample: Command, tiny_bundle: Path, tmp_path: Path) -> None:
    assert gansample("--n", 5, "--bundle", tiny_bundle, "--png", "fast", "many").returncode == 0
    (tmp_path / "many" / "seed0000003.png").unlink()
    refused = gansample("--n", 5, "--bundle", tiny_bundle, "--resume", "many")
    assert (refused.returncode, b"is from another run" in refused.stderr) == (5, True)
    assert gansample("--n", 5, "--bundle", tiny_bundle, "--png", "fast", "--resume", "many").returncode == 0
    assert len(list((tmp_path / "many").glob("*.png"))) == 5


@pytest.mark.parametrize("out", ["out.webp", "out.npz", "out.gif"])
def test_forms_without_png_files_refuse_it(out: str, gansample: Command, tiny_bundle: Path, tmp_path: Path) -> None:
    refused = gansample("--n", 4, "--bundle", tiny_bundle, "--png", "fast", out)
    assert (refused.returncode, b"--png cannot apply" in refused.stderr) == (2, True)
    assert list(tmp_path.iterdir()) == []


DIGEST = """
import hashlib, numpy
from gansample.outputs.png import encode_pngs
pictures = numpy.random.RandomState(0).randint(0, 256, (200, 64, 64, 3)).astype(numpy.uint8)
print(hashlib.sha256(b"".join(encode_pngs(pictures, fast=True))).hexdigest())
"""


def test_every_process_writes_the_same_bytes() -> None:
    digests = {subprocess.run([sys.executable, "-c", DIGEST], check=True, capture_output=True).stdout for _ in range(3)}
    assert len(digests) == 1


@pytest.mark.parametrize("shape", [(1, 1, 1), (300, 200, 3), (5, 7, 4), (9, 4, 2)])
def test_any_shape_is_stored_whole(shape: tuple[int, int, int]) -> None:
    picture = np.random.RandomState(1).randint(0, 256, shape).astype(np.uint8)
    (png,) = encode_pngs(picture[None], fast=True)
    np.testing.assert_array_equal(pixels(png).reshape(shape), picture)
    assert picture.nbytes < len(png) < picture.nbytes + shape[0] + 120
