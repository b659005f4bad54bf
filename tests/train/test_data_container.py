"""Folders and archives that were not made to be read: loops, pipes, links, cuts and bombs."""

import io
import os
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gansample.errors import ArtefactError
from tests.support.logs import logged
from tests.support.tiny_pictures import encoded, noise, some_files, write_folder, write_tar, write_zip
from train.data import picture_files, tar_archive, zip_archive
from train.data.dataset import Skipped
from train.data.fit import Unusable
from train.data.load import load_data
from train.data.picture_files import open_container
from train.data.request import DataRequest


def load(source: Path, **fields: Any):  # type: ignore[no-untyped-def]
    return load_data(DataRequest(source=str(source), image_size=16, cache=source.parent / "cache", **fields))


def test_a_folder_is_walked_whatever_lies_in_it(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "set", some_files())
    elsewhere = write_folder(tmp_path / "elsewhere", {"x.png": encoded(noise(99)), "deep/y.PNG": encoded(noise(98))})
    (folder / "cat/loop").symlink_to(folder)
    (folder / "linked").symlink_to(elsewhere)
    (elsewhere / "back").symlink_to(folder / "cat")
    (folder / "alias.jpg").symlink_to(elsewhere / "x.png")
    (folder / "gone.png").symlink_to(folder / "nowhere.png")
    os.mkfifo(folder / "pipe.png")
    write_folder(
        folder, {"Thumbs.db": b"", ".hidden.png": b"x", ".git/x.png": b"x", "__MACOSX/cat/._1.png": b"x", "notes.txt": b"x"}
    )
    notes: list[str] = []
    request = DataRequest(source=str(folder), image_size=16, cache=tmp_path / "cache")
    with logged(notes):
        data = load_data(request)
    assert len(data.images) + len(data.held_out_images) == 20 + 3
    assert data.skipped == (Skipped(name="gone.png", reason="cannot be read (No such file or directory)"),)
    assert notes == [
        "5 other files are no pictures and are ignored",
        "1 of 24 pictures is skipped: gone.png: cannot be read (No such file or directory)",
    ]


def test_bad_pictures_are_counted_listed_and_refused_beyond_a_twentieth(tmp_path: Path) -> None:
    files = some_files(39)
    bad = {"cat/bad.png": b"not a picture"}
    data = load(write_folder(tmp_path / "set", files | bad))
    assert data.skipped == (Skipped(name="cat/bad.png", reason="no PNG, JPEG, WebP, BMP, GIF or TIFF"),)
    more = {f"dog/bad{n}.png": encoded(noise(n))[: 100 + n] for n in range(4)}
    with pytest.raises(
        ArtefactError,
        match=r"5 of the 44 pictures in .*set are unusable, more than 5% \(cat/bad.png: no PNG.*; dog/bad0.*; and 2 more\)",
    ):
        load(write_folder(tmp_path / "set", more))
    with pytest.raises(ArtefactError, match=r"none of the 1 pictures in .*only is usable \(x.png: empty\)"):
        load(write_folder(tmp_path / "only", {"x.png": b""}))


def test_a_folder_around_an_archive_says_what_to_pass(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    write_tar(tmp_path / "set/a.tar", some_files())
    with pytest.raises(ArtefactError, match=r"no pictures in .*set, but a.tar: pass .*set/a.tar"):
        load(tmp_path / "set")


def test_links_and_names_that_lead_out_of_a_tar_are_never_followed(tmp_path: Path) -> None:
    write_folder(tmp_path, {"secret.png": encoded(noise(7))})
    path = write_tar(tmp_path / "set.tar", some_files(2))
    with tarfile.open(path, "a") as archive:
        for name, kind in (("soft.png", tarfile.SYMTYPE), ("hard.png", tarfile.LNKTYPE), ("tty.png", tarfile.CHRTYPE)):
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, str(tmp_path / "secret.png")
            archive.addfile(member)
        for name in ("../secret.png", str(tmp_path / "secret.png")):
            member = tarfile.TarInfo(name)
            member.size = 3
            archive.addfile(member, io.BytesIO(b"abc"))
    given = dict(open_container(path).files())
    reasons = {name: str(data) for name, data in given.items() if isinstance(data, Unusable)}
    assert set(reasons.values()) == {"a link or a device, no file", "its name leads out of the archive"}
    assert len(reasons) == 5


def test_the_last_of_two_members_of_one_name_counts(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "set.tar", {"a.png": b"old"})
    with tarfile.open(path, "a") as archive:
        archive.addfile(member := tarfile.TarInfo("./a.png"), io.BytesIO())
        assert member.size == 0
    assert list(open_container(path).files()) == [("a.png", b"")]


def test_a_tar_that_ends_in_a_zip_is_a_tar(tmp_path: Path) -> None:
    inner = write_zip(tmp_path / "inner.zip", {"x.png": b"x"}).read_bytes()
    path = write_tar(tmp_path / "set", {"a.png": b"a", "inner.zip": inner})
    assert open_container(path).names() == ["a.png"]


def cut_at(place: int) -> Callable[[bytes], bytes]:
    return lambda data: data[:place]


@pytest.mark.parametrize(
    "damage",
    [
        cut_at(0),
        cut_at(100),
        cut_at(512 * 5),  # between two blocks of a picture
        cut_at(512 * 3 * 10),  # between two pictures
        lambda data: data[: 512 * 3] + b"\x01" * 512 + data[512 * 4 :],  # a header
    ],
)
@pytest.mark.parametrize("compressed", [False, True])
def test_a_damaged_tar_is_refused(damage: Callable[[bytes], bytes], compressed: bool, tmp_path: Path) -> None:
    files = {f"{n:03}.png": encoded(noise(n)) for n in range(20)}
    assert all(512 < len(data) <= 1024 for data in files.values()), "each takes a header and two blocks"
    path = write_tar(tmp_path / ("set.tar.gz" if compressed else "set.tar"), files, "w:gz" if compressed else "w")
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ArtefactError, match=r"set.tar\S* is a damaged archive \(.+\): copy or download it again"):
        load(path)


def test_a_header_that_claims_gigabytes_is_not_read(tmp_path: Path) -> None:
    member = tarfile.TarInfo("././@LongLink")
    member.type, member.size = tarfile.GNUTYPE_LONGNAME, 5 * 2**30
    path = tmp_path / "set.tar"
    path.write_bytes(member.tobuf(tarfile.GNU_FORMAT) + b"x" * 5120)
    with pytest.raises(ArtefactError, match="a header of 5,368,709,120 bytes"):
        open_container(path)


def test_archive_members_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {"bomb.png": bytes(10**6), "fine.png": encoded(noise(0))}
    for module in (tar_archive, zip_archive):
        monkeypatch.setattr(module, "MAX_BYTES", 2**19)
    for path in (write_tar(tmp_path / "a.tar", files), write_zip(tmp_path / "a.zip", files)):
        given = dict(open_container(path).files())
        assert str(given["bomb.png"]).startswith("larger than")
        assert given["fine.png"] == files["fine.png"]


def test_an_encrypted_zip_is_refused(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "set.zip", {"a.png": b"x"})
    data = bytearray(path.read_bytes())
    data[data.index(b"PK\1\2") + 8] |= 1
    path.write_bytes(data)
    with pytest.raises(ArtefactError, match=r"set.zip is encrypted: unpack it with its password and pass the folder"):
        load(path)


@pytest.mark.parametrize(("cut", "reason"), [(0, "damaged archive"), (200, "damaged archive"), (-30, "damaged archive")])
def test_a_cut_zip_is_refused(cut: int, reason: str, tmp_path: Path) -> None:
    path = write_zip(tmp_path / "set.zip", some_files())
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(ArtefactError, match=reason):
        load(path)


def test_a_zip_whose_names_are_no_text_is_refused(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "set.zip", {"a.png": b"x"})
    data = bytearray(path.read_bytes())
    entry = data.index(b"PK\1\2")
    data[entry + 9] |= 8  # "this name is UTF-8"
    data[entry + 46] = 0x80
    path.write_bytes(data)
    with pytest.raises(ArtefactError, match=r"set.zip is a damaged archive \('utf-8' codec"):
        load(path)


def test_a_zip_member_that_is_damaged_or_a_link_is_a_bad_picture(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "set.zip", {"a.png": encoded(noise(0))})
    with zipfile.ZipFile(path, "a") as archive:
        link = zipfile.ZipInfo("link.png")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/hostname")
        archive.writestr("../out.png", b"x")
    data = bytearray(path.read_bytes())
    data[100] ^= 0xFF
    path.write_bytes(data)
    reasons = {name: str(given) for name, given in open_container(path).files()}
    assert reasons.pop("a.png").startswith("damaged (")
    assert reasons == {"link.png": "a link or a device, no file", "../out.png": "its name leads out of the archive"}


def test_the_share_of_bad_pictures_is_a_twentieth() -> None:
    assert picture_files.MOST_BAD == 0.05
