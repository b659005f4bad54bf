"""Every form of output holds the same pictures, remembers how they were drawn, and can be drawn again."""

import io
import json
import re
import shlex
import subprocess
import sys
import tarfile
import zipfile
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gansample import open_sampler
from gansample.outputs.grid import GAP_LEVEL
from gansample.outputs.metadata import read_metadata
from gansample.outputs.sizes import TooLargeForForm, check_size
from gansample.types import Images
from tests.support.processes import Command

N = 70  # more than one batch, so that every stage of the pipeline has something to hand on


@pytest.fixture(scope="module")
def pictures(tiny_classes_bundle: Path) -> Images:
    """The first N pictures of the bundle with classes, uint8 (N, 8, 8, 3)."""
    with open_sampler(tiny_classes_bundle) as sampler:
        return sampler.sample(range(N))


def decoded(data: bytes) -> Images:
    with Image.open(io.BytesIO(data)) as image:
        return np.array(image)


def test_a_folder(gansample: Command, tiny_classes_bundle: Path, pictures: Images, tmp_path: Path) -> None:
    assert gansample("--n", N, "--bundle", tiny_classes_bundle, "d").returncode == 0
    files = sorted((tmp_path / "d").glob("*.png"))
    assert [path.stem for path in files] == [f"seed{seed:07d}" for seed in range(N)]
    assert all(np.array_equal(decoded(path.read_bytes()), picture) for path, picture in zip(files, pictures, strict=True))
    about = read_metadata(files[5])
    assert (about["seeds"], about["class"], about["backend"]) == ("5", "cat", "onnxruntime-cpu")
    assert "why" not in about, "the same picture has the same bytes, whatever led to its engine"


def test_a_tar_is_a_webdataset(gansample: Command, tiny_classes_bundle: Path, pictures: Images, tmp_path: Path) -> None:
    assert gansample("--n", N, "--bundle", tiny_classes_bundle, "out.tar").returncode == 0
    with tarfile.open(tmp_path / "out.tar") as archive:
        members = {member.name: archive.extractfile(member).read() for member in archive.getmembers()}  # type: ignore[union-attr]
        assert json.loads(archive.pax_headers["comment"])["seeds"] == "0-69"
    assert list(members)[:3] == ["seed0000000.png", "seed0000000.cls", "seed0000000.json"]
    for seed, picture in enumerate(pictures):
        stem = f"seed{seed:07d}"
        assert np.array_equal(decoded(members[f"{stem}.png"]), picture)
        assert int(members[f"{stem}.cls"]) == seed % 3
        assert json.loads(members[f"{stem}.json"])["seeds"] == str(seed)
    assert [path.name for path in tmp_path.iterdir()] == ["out.tar"]


def test_a_shard_may_end_where_a_batch_ends(gansample: Command, tiny_bundle: Path, tmp_path: Path) -> None:
    assert gansample("--n", 100, "--bundle", tiny_bundle, "--shard", 40, "--batch", 20, "out.tar").returncode == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out-000000.tar", "out-000001.tar", "out-000002.tar"]


def test_shards_are_the_tar_in_pieces(gansample: Command, tiny_bundle: Path, tmp_path: Path) -> None:
    assert gansample("--n", N, "--bundle", tiny_bundle, "--shard", 32, "--batch", 20, "out.tar").returncode == 0
    shards = sorted(path.name for path in tmp_path.iterdir())
    assert shards == ["out-000000.tar", "out-000001.tar", "out-000002.tar"]
    names = []
    for shard in shards:
        with tarfile.open(tmp_path / shard) as archive:
            names.append([name for name in archive.getnames() if name.endswith(".png")])
    assert [len(part) for part in names] == [32, 32, 6]
    assert list(chain(*names)) == [f"seed{seed:07d}.png" for seed in range(N)]


def test_a_zip(gansample: Command, tiny_classes_bundle: Path, pictures: Images, tmp_path: Path) -> None:
    assert gansample("--n", N, "--bundle", tiny_classes_bundle, "out.zip").returncode == 0
    with zipfile.ZipFile(tmp_path / "out.zip") as archive:
        assert archive.testzip() is None
        for seed, name in enumerate(archive.namelist()):
            assert np.array_equal(decoded(archive.read(name)), pictures[seed])
    assert read_metadata(archive_bytes := zipfile.ZipFile(tmp_path / "out.zip").read("seed0000069.png"))["seeds"] == "69"
    assert archive_bytes.endswith(b"IEND\xaeB`\x82")


def test_arrays(gansample: Command, tiny_classes_bundle: Path, pictures: Images, tmp_path: Path) -> None:
    for name in ("out.npz", "out.npy"):
        assert gansample("--n", N, "--bundle", tiny_classes_bundle, name).returncode == 0
    assert np.array_equal(np.load(tmp_path / "out.npy"), pictures)
    with np.load(tmp_path / "out.npz") as arrays:
        assert np.array_equal(arrays["images"], pictures)
        assert arrays["seeds"].tolist() == list(range(N))
        assert arrays["labels"].tolist() == [seed % 3 for seed in range(N)]
        assert arrays["classes"].tolist() == ["ant", "bee", "cat"]
        assert json.loads(str(arrays["metadata"]))["seeds"] == "0-69"


@pytest.mark.parametrize("form", ["png", "webp"])
def test_a_lossless_sheet(form: str, gansample: Command, tiny_classes_bundle: Path, pictures: Images, tmp_path: Path) -> None:
    assert gansample("--n", N, "--bundle", tiny_classes_bundle, "--pad", 0, "--upscale", 1, f"out.{form}").returncode == 0
    padded = np.concatenate([pictures, np.full((2, 8, 8, 3), GAP_LEVEL, np.uint8)])  # 70 in 9 columns: a class in each
    expected = padded.reshape(8, 9, 8, 8, 3).transpose(0, 2, 1, 3, 4).reshape(64, 72, 3)
    assert np.array_equal(decoded((tmp_path / f"out.{form}").read_bytes()), expected)


@pytest.mark.parametrize(
    ("arguments", "size"),
    [
        (("--n", 1), (8, 8)),
        (("--n", 1, "--pad", 3), (14, 14)),
        (("--n", 1, "--upscale", 5), (40, 40)),
        (("--n", 4, "--upscale", 1), (22, 22)),
        (("--n", 4), (518, 518)),
        (("--n", 2), (518, 260)),
    ],
)
def test_small_sheets_are_enlarged_and_a_single_picture_keeps_its_pixels(
    arguments: tuple[object, ...], size: tuple[int, int], gansample: Command, tiny_bundle: Path, tmp_path: Path
) -> None:
    assert gansample("--bundle", tiny_bundle, *arguments, "out.png").returncode == 0
    with Image.open(tmp_path / "out.png") as image:
        assert image.size == size


def test_a_jpeg_is_close(gansample: Command, tiny_bundle: Path, tmp_path: Path) -> None:
    for name in ("out.jpg", "out.png"):
        assert gansample("--n", 9, "--upscale", 4, "--bundle", tiny_bundle, name).returncode == 0
    lossy, exact = (decoded((tmp_path / name).read_bytes()).astype(int) for name in ("out.jpg", "out.png"))
    assert lossy.shape == exact.shape == (3 * 34 + 2, 3 * 34 + 2, 3)
    assert np.abs(lossy - exact).mean() < 12  # noise, which a linear generator draws, is the worst case for JPEG


def test_upscaling_repeats_every_pixel(gansample: Command, tiny_bundle: Path, tmp_path: Path) -> None:
    for name, factor in (("one.npy", 1), ("three.npy", 3)):
        assert gansample("--n", 4, "--upscale", factor, "--bundle", tiny_bundle, name).returncode == 0
    one, three = np.load(tmp_path / "one.npy"), np.load(tmp_path / "three.npy")
    assert np.array_equal(three, np.kron(one, np.ones((1, 3, 3, 1), np.uint8)))


def test_raw_frames_on_stdout(gansample: Command, tiny_bundle: Path) -> None:
    done = gansample("--n", N, "--bundle", tiny_bundle, "--format", "rgb24", "-")
    with open_sampler(tiny_bundle) as sampler:
        assert done.stdout == sampler.sample(range(N)).tobytes()


@pytest.mark.parametrize("form", ["tar", "npy", "webp", "jpg", "gif"])
def test_stdout_gets_the_bytes_of_the_file(form: str, gansample: Command, tiny_bundle: Path, tmp_path: Path) -> None:
    assert gansample("--n", 9, "--bundle", tiny_bundle, f"out.{form}").returncode == 0
    done = gansample("--n", 9, "--bundle", tiny_bundle, "--format", form, "-")
    assert done.stdout == (tmp_path / f"out.{form}").read_bytes()


@pytest.mark.parametrize("form", ["mp4", "webm"])
def test_a_video(form: str, gansample: Command, tiny_bundle: Path, tmp_path: Path) -> None:
    av = pytest.importorskip("av")
    done = gansample("--walk", "1,7,42", "--frames", 10, "--loop", "--bundle", tiny_bundle, f"walk.{form}")
    assert done.returncode == 0, done.stderr
    with av.open(str(tmp_path / f"walk.{form}")) as video:
        frames = [frame.to_ndarray(format="rgb24") for frame in video.decode(video=0)]
        remembered = json.loads({key.lower(): value for key, value in video.metadata.items()}["comment"])
    assert len(frames) == 30
    assert frames[0].shape == (256, 256, 3), "8 pixels are enlarged to what a screen shows"
    with open_sampler(tiny_bundle) as sampler:
        first = np.kron(sampler.sample([1])[0], np.ones((32, 32, 1), np.uint8))
    assert np.abs(frames[0].astype(int) - first).mean() < 12  # colours are kept at half the resolution
    assert (remembered["walk"], remembered["frames"], remembered["loop"]) == ("1,7,42", 10, True)


def test_a_gif_walks_and_remembers(gansample: Command, tiny_bundle: Path, tmp_path: Path) -> None:
    assert gansample("--walk", "1,7", "--frames", 5, "--bundle", tiny_bundle, "walk.gif").returncode == 0
    with Image.open(tmp_path / "walk.gif") as image:
        assert (image.n_frames, image.size) == (6, (256, 256))  # type: ignore[attr-defined]
    assert read_metadata(tmp_path / "walk.gif")["walk"] == "1,7"


def test_a_video_without_an_encoder_says_what_to_install(tiny_bundle: Path, tmp_path: Path) -> None:
    code = "import sys; sys.modules['av'] = None\nfrom gansample.cli.gansample import main; main()"
    command = [sys.executable, "-c", code, "--walk", "1,2", "--bundle", str(tiny_bundle), "walk.mp4"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 4
    assert "pip install 'gansample[video]'" in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "arguments",
    [
        "--seeds 3-6,40 some.png",
        "--n 5 --seed 9 --grid 5x1 --pad 4 --upscale 2 some.webp",
        "--n 4 --class bee,ant --truncation 0.7 some.png",
        "--around 7 --radius 0.2 --n 4 some.png",
        "--mix 3+9-4,1+2 some.jpg",
        "--walk 1,7 --frames 3 --loop --fps 12 some.gif",
        "--n 3 some.png --no-metadata",
    ],
)
def test_a_file_knows_the_command_that_draws_it_again(
    arguments: str, gansample: Command, tiny_classes_bundle: Path, tmp_path: Path
) -> None:
    assert gansample(*arguments.split(), "--bundle", tiny_classes_bundle).returncode == 0
    (name,) = (word for word in arguments.split() if word.startswith("some."))
    info = [sys.executable, "-m", "gansample.cli.gan", "info", name, "--json"]
    done = subprocess.run(info, cwd=tmp_path, capture_output=True, check=False)
    if "--no-metadata" in arguments:
        assert done.returncode == 3
        return
    command = shlex.split(json.loads(done.stdout)["command"])[1:]
    assert gansample(*command, "--bundle", tiny_classes_bundle).returncode == 0
    assert (tmp_path / f"again{Path(name).suffix}").read_bytes() == (tmp_path / name).read_bytes()


def test_without_metadata_a_tar_holds_pictures_and_classes_only(
    gansample: Command, tiny_classes_bundle: Path, tmp_path: Path
) -> None:
    assert gansample("--n", 2, "--bundle", tiny_classes_bundle, "--no-metadata", "out.tar").returncode == 0
    with tarfile.open(tmp_path / "out.tar") as archive:
        assert archive.pax_headers == {}
        assert [member.name.partition(".")[2] for member in archive.getmembers()] == ["png", "cls"] * 2


def test_transparency_is_kept_or_refused(gansample: Command, tmp_path: Path) -> None:
    from tests.support.make_tiny_bundle import make_tiny_bundle

    bundle = make_tiny_bundle(tmp_path / "see-through", channels=4)
    assert gansample("--n", 1, "--bundle", bundle, "--pad", 0, "out.webp").returncode == 0
    with open_sampler(bundle) as sampler, Image.open(tmp_path / "out.webp") as image:
        drawn, kept = sampler.sample([0])[0], np.array(image)
    assert image.mode == "RGBA"
    assert np.array_equal(kept[..., 3], drawn[..., 3])
    assert np.array_equal(kept[drawn[..., 3] > 0], drawn[drawn[..., 3] > 0])
    refused = gansample("--n", 1, "--bundle", bundle, "out.jpg")
    assert (refused.returncode, b"a JPEG has no transparency" in refused.stderr) == (2, True)


@pytest.mark.parametrize(
    ("out", "options", "reason"),
    [
        ("a.webp", "--n 2000 --grid 2000x1", "too many for a .webp, which holds 16,383 a side: write a .png or .jpg"),
        ("a.webp", "--n 100 --upscale 64 --grid 1x100", "516×51,402 pixels are too many"),
        ("a.jpg", "--n 7000 --grid 7000x1", "which holds 65,500 a side: write a .png"),
        ("a.webp", "--n 9000000", "write single pictures instead"),
    ],
)  # fmt: skip
def test_what_a_form_cannot_hold_is_refused(
    out: str, options: str, reason: str, gansample: Command, tiny_bundle: Path, tmp_path: Path
) -> None:
    done = gansample(*options.split(), "--bundle", tiny_bundle, out)
    assert (done.returncode, reason in done.stderr.decode()) == (2, True), done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("form", "size", "channels", "remedy"),
    [
        ("webp", (20_000, 10), 4, "write a .png"),
        ("webp", (20_000, 10), 1, "write a .png or .jpg"),
        ("jpg", (10, 65_501), 3, "write a .png"),
        ("mp4", (16_386, 16), 3, "write a folder of pictures or a .gif, or upscale less"),
        ("mp4", (6_400, 6_400), 3, "write a folder of pictures or a .gif, or upscale less"),
        ("webm", (16, 19_200), 3, "write a folder of pictures or a .gif, or upscale less"),
        ("gif", (65_536, 10), 3, "write a folder of pictures, or upscale less"),
    ],
)
def test_the_remedy_holds_the_picture(form: str, size: tuple[int, int], channels: int, remedy: str) -> None:
    with pytest.raises(TooLargeForForm, match=re.escape(remedy) + "$"):
        check_size(form, *size, channels)


@pytest.mark.parametrize(("form", "side"), [("webp", 16_383), ("jpg", 65_500), ("gif", 65_535)])
def test_the_limits_are_those_of_the_encoders(form: str, side: int) -> None:
    check_size(form, side, 1)
    kind = {"jpg": "JPEG"}.get(form, form.upper())
    Image.new("L", (side, 1)).save(io.BytesIO(), kind)
    with pytest.raises(Exception, match=r"."):  # each library has its own
        Image.new("L", (side + 1, 1)).save(io.BytesIO(), kind)
