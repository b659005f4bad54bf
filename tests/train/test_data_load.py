"""Every kind of source gives the same tensors for the same pictures, with the classes that it has, split once and for ever."""

import contextlib
import csv
import io
import json
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from gansample.errors import ArtefactError, GansampleError, UsageError
from tests.support.logs import logged
from tests.support.tiny_pictures import encoded, noise, some_files, write_folder, write_idx, write_tar, write_zip
from train.data import class_labels
from train.data.dataset import DataSet
from train.data.digits import digits
from train.data.load import load_data
from train.data.request import DataRequest

Make = Callable[..., DataRequest]


@pytest.fixture
def request_for(tmp_path: Path) -> Make:
    def make(source: Path | str, **fields: Any) -> DataRequest:
        return DataRequest(**{"source": str(source), "image_size": 16, "cache": tmp_path / "cache", **fields})

    return make


def everything(data: DataSet) -> torch.Tensor:
    return torch.cat([data.images, data.held_out_images])


def test_digits_are_what_they_were() -> None:
    assert load_data(DataRequest(image_size=8)).fingerprint == digits(8).fingerprint


def test_digits_take_classes_and_colour() -> None:
    data = load_data(DataRequest(image_size=8, classes=("7", "3"), channels="rgb"))
    assert data.class_names == ("7", "3")
    assert data.images.shape[1:] == (3, 8, 8)
    whole = digits(8)
    assert whole.labels is not None
    assert data.labels is not None
    assert torch.equal(data.images[data.labels == 0][:, :1], whole.images[whole.labels == 7])


def test_the_same_pictures_give_the_same_set_from_folder_tar_and_zip(tmp_path: Path, request_for: Make) -> None:
    files = some_files()
    shuffled = dict(random.Random(0).sample(sorted(files.items()), len(files)))
    wrapped = {f"pets/{name}": data for name, data in files.items()}
    sources = [
        write_folder(tmp_path / "Pets 1", files),
        write_tar(tmp_path / "Pets 1.tar", shuffled),
        write_tar(tmp_path / "Pets 1.tar.gz", {f"./{name}": data for name, data in files.items()}, "w:gz"),
        write_zip(tmp_path / "Pets 1.zip", shuffled),
        write_zip(tmp_path / "wrapped.zip", wrapped),
    ]
    sets = [load_data(request_for(source)) for source in sources]
    assert len({data.fingerprint for data in sets}) == 1
    assert [data.name for data in sets[:4]] == ["pets-1"] * 4
    assert all(data.class_names == ("cat", "dog") for data in sets)
    assert sets[0].images.shape == (10, 3, 16, 16)
    originals = {encoded(noise(n)) for n in range(20)}
    assert {encoded(_image(picture)) for picture in everything(sets[0])} == originals, "pictures of the right size stay exact"


def _image(picture: torch.Tensor) -> Image.Image:
    return Image.fromarray(picture.permute(1, 2, 0).numpy())


def test_a_tenth_is_held_out_of_every_class(tmp_path: Path, request_for: Make) -> None:
    files = some_files(900, ("a", "b", "b"), width=4, height=4)
    data = load_data(request_for(write_folder(tmp_path / "set", files), image_size=4))
    assert data.labels is not None
    assert data.held_out_labels is not None
    assert torch.bincount(data.labels).tolist() == [270, 540]
    assert torch.bincount(data.held_out_labels).tolist() == [30, 60]
    again = load_data(request_for(tmp_path / "set", image_size=4, conditional=True))
    assert again.fingerprint == data.fingerprint


@pytest.mark.parametrize(
    ("names", "fields", "expected"),
    [
        (["a/1", "a/2", "b/1"], {}, ("a", "b")),
        (["all/a/1", "all/b/deep/1"], {}, ("a", "b")),
        (["10/1", "9/1", "2/1"], {}, ("2", "9", "10")),
        (["a/1", "b/1", "1"], {}, None),
        (["a/1", "b/1", "1"], {"conditional": True}, ("a", "b")),
        (["1", "2"], {}, None),
        (["a/1", "b/1", "c/1"], {"classes": ("c", "a")}, ("c", "a")),
        (["a/1", "b/1"], {"classes": ("b",)}, None),
    ],
)
def test_sub_folders_are_classes(
    names: list[str], fields: dict[str, Any], expected: tuple[str, ...] | None, tmp_path: Path, request_for: Make
) -> None:
    files = {f"{name}{n}.png": encoded(noise(n)) for n in range(10) for name in names}
    assert load_data(request_for(write_folder(tmp_path / "set", files), **fields)).class_names == expected


NAMES = ["cat/1.png", "cat/2.png", "dog/a.b.png", 'dog/ü, "3".png']

CSV = """picture,sender,label
000,1,small
cat/002.png,1,"large, really"
dog/001,2,small
003.png,2,small
004.png,,
"""


def test_a_labels_file_names_pictures_with_or_without_folder_and_suffix(tmp_path: Path, request_for: Make) -> None:
    source = write_tar(tmp_path / "set.tar", some_files(14))
    rows = CSV + "".join(f"{n:03},,small\n" for n in range(5, 13))
    (tmp_path / "labels.csv").write_text(rows, "utf-8-sig")
    notes: list[str] = []
    with logged(notes):
        data = load_data(request_for(source, labels_file=tmp_path / "labels.csv", conditional=True))
    assert data.class_names == ("large, really", "small")
    assert len(everything(data)) == 12
    assert notes == ["2 of 14 pictures have no class and are left out"]
    with logged(notes):
        data = load_data(request_for(source, labels_file=tmp_path / "labels.csv"))
    assert data.labels is None
    assert len(everything(data)) == 14
    assert notes[1:] == ["2 of 14 pictures have no label: all are used, and the classes are not"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "has the columns of an empty file: its first line must name a column 'image' and a column 'label'"),
        ("a,b\n1,2\n", "has the columns a, b: its first line must name"),
        ("image;label\n7;x\n", "no row of .* names a picture: it has '7', the pictures are like 'cat/000.png'"),
        ("image,label\n000,x\n000,y\n", "calls '000' 'y', and a row above 'x'"),
        ("image,label\n000,\xff\n", "is not UTF-8 text: save it as CSV UTF-8"),
    ],
)
def test_refuses_a_labels_file_that_does_not_fit(text: str, reason: str, tmp_path: Path, request_for: Make) -> None:
    (tmp_path / "labels.csv").write_bytes(text.encode("latin-1"))
    with pytest.raises(ArtefactError, match=reason):
        load_data(request_for(write_folder(tmp_path / "set", some_files()), labels_file=tmp_path / "labels.csv"))


@given(rows=st.lists(st.tuples(st.sampled_from(NAMES), st.text(max_size=6)), max_size=8, unique_by=lambda row: row[0]))
def test_any_labels_survive_the_csv(rows: list[tuple[str, str]], tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("csv") / "labels.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("image", "label"), *rows])
    labelled = {name: " ".join(text.split()) for name, text in rows if text.split()}
    assert class_labels._from_csv(path, NAMES) == [labelled.get(name) for name in NAMES]


@given(st.binary(max_size=80))
def test_any_bytes_for_a_labels_file_end_in_labels_or_one_line(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.mktemp("csv") / "labels.csv"
    path.write_bytes(b"image,label\n" + data)
    with contextlib.suppress(ArtefactError):
        assert len(class_labels._from_csv(path, NAMES)) == len(NAMES)


def test_names_meet_however_their_accents_are_encoded(tmp_path: Path, request_for: Make) -> None:
    """A folder from macOS spells `é` as e and an accent, a CSV file and a command line in one piece."""
    write_folder(tmp_path / "mac", some_files(20, ("e\u0301te\u0301", "hiver")))
    folder = load_data(request_for(tmp_path / "mac", classes=("hiver", "\u00e9t\u00e9")))
    assert folder.class_names == ("hiver", "\u00e9t\u00e9")
    write_folder(tmp_path / "flat", {f"e\u0301{name}": data for name, data in some_files(20, (".",)).items()})
    rows = "".join(f"\u00e9{name},{i % 2}\n" for i, name in enumerate(some_files(20, (".",))))
    (tmp_path / "labels.csv").write_text("image,label\n" + rows, encoding="utf-8")
    table = load_data(request_for(tmp_path / "flat", labels_file=tmp_path / "labels.csv", conditional=True))
    assert table.class_names == ("0", "1")


def test_an_ambiguous_name_in_the_labels_file_is_refused(tmp_path: Path, request_for: Make) -> None:
    files = {f"{folder}/{n}.png": encoded(noise(n)) for folder in "ab" for n in range(8)}
    (tmp_path / "labels.csv").write_text("file,class\n3,x\n")
    with pytest.raises(ArtefactError, match="names '3', and 2 pictures are called that: write the folder in front"):
        load_data(request_for(write_folder(tmp_path / "set", files), labels_file=tmp_path / "labels.csv"))


def write_mnist(folder: Path, suffix: str = ".gz", count: int = 30, tests: int = 12) -> npt.NDArray[np.uint8]:
    pictures = np.random.RandomState(0).randint(0, 256, (count + tests, 28, 28), np.uint8)
    labels = np.arange(count + tests) % 10
    for part, rows in (("train", slice(count)), ("t10k", slice(count, None))):
        write_idx(folder / f"{part}-images-idx3-ubyte{suffix}", pictures[rows])
        write_idx(folder / f"{part}-labels-idx1-ubyte{suffix}", labels[rows])
    return pictures


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_idx_files_bring_their_labels_and_test_split(suffix: str, tmp_path: Path, request_for: Make) -> None:
    pictures = write_mnist(tmp_path, suffix)
    source = tmp_path / f"train-images-idx3-ubyte{suffix}"
    data = load_data(request_for(source, image_size=28))
    assert (len(data.images), len(data.held_out_images)) == (30, 12)
    assert data.class_names == tuple("0123456789")
    assert np.array_equal(everything(data)[:, 0], pictures)
    padded = load_data(request_for(source, image_size=32, fit="pad", background="black"))
    assert np.array_equal(everything(padded)[:, 0], np.pad(pictures, ((0, 0), (2, 2), (2, 2))))
    red = load_data(request_for(source, image_size=32, fit="pad", background="red"))
    assert everything(red)[0, :, 0, 0].tolist() == [255, 0, 0]


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda data: data[:2000], "holds 1,984 bytes, its header says 23,520"),
        (lambda data: data + b"x", "holds more bytes, its header says 23,520"),
        (lambda data: data[:9], "ends inside its header"),
        (lambda data: data[:4] + b"\xff" * 12, "claims 4294967295×4294967295×4294967295 values"),
    ],
)
def test_refuses_a_damaged_idx_file(damage: Callable[[bytes], bytes], reason: str, tmp_path: Path, request_for: Make) -> None:
    write_mnist(tmp_path, "")
    path = tmp_path / "train-images-idx3-ubyte"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ArtefactError, match=reason):
        load_data(request_for(path))


@pytest.mark.parametrize(
    ("source", "fields", "error", "reason"),
    [
        (
            "nowhere",
            {},
            ArtefactError,
            "no data at nowhere: pass a folder, .tar, .zip, .npz or IDX file, or one of digits, mnist",
        ),
        ("notes.txt", {}, ArtefactError, "notes.txt is no folder, .tar, .zip, .npz or IDX file"),
        ("empty", {}, ArtefactError, "no pictures in empty: it must hold PNG, JPEG"),
        ("text", {}, ArtefactError, r"no pictures in text \(only .csv, .txt\)"),
        ("mnist", {}, UsageError, "'mnist' is a named set, and a folder here: pass ./mnist for the folder"),
        ("digits", {"labels_file": Path("labels.csv")}, UsageError, "digits has labels of its own"),
        ("digits", {"classes": ("3", "x")}, UsageError, "no class 'x': there are 0, 1, 2"),
        ("few", {}, ArtefactError, "few holds 9 usable pictures: training needs at least 10"),
        (
            "flat",
            {"conditional": True},
            UsageError,
            "classes are required and there are none: put the pictures into one sub-folder",
        ),
        ("flat", {"classes": ("cat",)}, UsageError, "no class 'cat': there are none"),
        ("single", {"conditional": True}, UsageError, "classes are required and there are none"),
    ],
)
def test_refuses_in_one_line(
    source: str, fields: dict[str, Any], error: type, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for folder in ("empty", "mnist"):
        Path(folder).mkdir()
    Path("notes.txt").write_text("pictures are nice", encoding="utf-8")
    write_folder(Path("text"), {"a.txt": b"a", "deep/b.csv": b"b"})
    write_folder(Path("few"), some_files(9))
    write_folder(Path("flat"), some_files(20, (".",)))
    write_folder(Path("single"), some_files(20, ("cat",)))
    with pytest.raises(GansampleError, match=reason) as caught:
        load_data(DataRequest(**{"source": source, "image_size": 16, "cache": tmp_path / "cache", **fields}))
    assert type(caught.value) is error
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"source": ""}, "the data source is empty"),
        ({"image_size": 3}, r"image_size is 3: it must be in 4\.\.1024"),
        ({"channels": "cmyk"}, "channels is 'cmyk': use one of auto, grey, rgb"),
        ({"fit": "squeeze"}, "fit is 'squeeze': use one of crop, pad, stretch"),
        ({"background": "whiteish"}, "background is 'whiteish': use a colour's name or #rrggbb"),
        ({"background": "#11223344"}, "background is '#11223344'"),
        ({"classes": ()}, "classes are none: name each class"),
        ({"classes": ("a", "a")}, "classes are a, a: name each class"),
        ({"classes": ("a",), "conditional": True}, "conditional with the single class 'a'"),
    ],
)
def test_a_request_is_checked_when_it_is_made(fields: dict[str, Any], reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        DataRequest(**fields)


def test_a_request_survives_json() -> None:
    request = DataRequest(source="x.tar", labels_file=Path("x.csv"), classes=("a", "b"), cache=Path("c"), conditional=True)
    for one in (request, replace(request, classes=None, cache=None, labels_file=None)):
        assert DataRequest.from_dict(json.loads(json.dumps(one.to_dict()))) == one
    with pytest.raises(UsageError, match="unknown field 'flip' of a data request: known are background"):
        DataRequest.from_dict({"flip": True})


def load_with_notes(request: DataRequest) -> tuple[DataSet, list[str]]:
    with logged([]) as notes:
        return load_data(request), notes


def deep(bits: int, count: int = 20) -> dict[str, bytes]:
    """Pictures with so many bits in PNGs of 16: a square at four fifths of white on a ground at a fifth."""
    files = {}
    for i in range(count):
        picture = np.full((16, 16), (2**bits - 1) // 5, np.uint16)
        picture[i % 8 :, 4:] *= 4
        file = io.BytesIO()
        Image.fromarray(picture).save(file, "PNG")
        files[f"{i}.png"] = file.getvalue()
    return files


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
def test_the_whole_set_says_how_many_of_16_bits_are_used(bits: int, tmp_path: Path, request_for: Make) -> None:
    data, notes = load_with_notes(request_for(write_folder(tmp_path / "set", deep(bits))))
    assert set(everything(data).unique().tolist()) <= {50, 51, 203, 204}
    said = [f"20 pictures of 16 bits use {bits} of them, up to {(2**bits - 1) // 5 * 4:,}: {2**bits - 1:,} counts as white"]
    assert notes == (said if bits < 16 else [])


def test_one_picture_of_16_bits_decides_for_all(tmp_path: Path, request_for: Make) -> None:
    files = deep(12) | {f"full{name}": data for name, data in deep(16, 1).items()}
    data, notes = load_with_notes(request_for(write_folder(tmp_path / "set", files)))
    assert notes == []
    assert everything(data).float().mean() < 30


def test_a_nearly_black_set_is_called_that(tmp_path: Path, request_for: Make) -> None:
    """What 12 bits become in a colour PNG of 16, of which Pillow reads the upper eight."""
    files = {f"{i}.png": encoded(noise(i, 16, 16).point(lambda value: value // 16)) for i in range(20)}
    _, notes = load_with_notes(request_for(write_folder(tmp_path / "set", files)))
    assert notes == ["the brightest value of all pictures is 15 of 255: they are nearly black"]


def test_tiff_is_read_and_other_pictures_are_counted(tmp_path: Path, request_for: Make) -> None:
    files = {f"{i}.tif": encoded(noise(i, 16, 16), "TIFF") for i in range(20)}
    more = {"a.jp2": b"1", "b.AVIF": b"2", "notes.txt": b"3"}
    data, notes = load_with_notes(request_for(write_folder(tmp_path / "set", files | more)))
    assert len(everything(data)) == 20
    assert notes == [
        "3 other files are ignored, 2 of them pictures that are no PNG, JPEG, WebP, BMP, GIF or TIFF (.avif, .jp2)"
    ]


def test_floating_point_pictures_are_not_guessed(tmp_path: Path, request_for: Make) -> None:
    file = io.BytesIO()
    Image.fromarray(np.linspace(0, 1, 256, dtype=np.float32).reshape(16, 16)).save(file, "TIFF")
    source = write_folder(tmp_path / "set", {f"{i}.tif": file.getvalue() for i in range(20)})
    with pytest.raises(ArtefactError, match="floating-point values, of which none is known to be white"):
        load_data(request_for(source))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_labels_file_as_excel_saves_it(encoding: str, tmp_path: Path, request_for: Make) -> None:
    files = some_files(20, (".",))
    rows = "".join(f"{name};{('Äpfel', 'Birnen')[i % 2]}\r\n" for i, name in enumerate(files))
    (tmp_path / "labels.csv").write_bytes(("image;label\r\n" + rows).encode(encoding))
    source = write_folder(tmp_path / "set", files)
    data = load_data(request_for(source, labels_file=tmp_path / "labels.csv", conditional=True))
    assert data.class_names == ("Birnen", "Äpfel")
