"""A decoded set is read again only if it is exactly what was written; nothing that happens while writing harms anyone."""

import multiprocessing
import os
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from gansample.system import atomic
from tests.support.logs import logged
from tests.support.tiny_pictures import encoded, noise, some_files, write_folder, write_tar
from train.data import cache as caching
from train.data import picture_files
from train.data.dataset import DataSet
from train.data.load import load_data
from train.data.request import DataRequest


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return write_folder(tmp_path / "set", some_files(39) | {"cat/bad.png": b"bad"})


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows by one whenever pictures are decoded."""
    calls: list[int] = []
    original = picture_files.decode_files

    def counting(*arguments: Any) -> Any:
        calls.append(1)
        return original(*arguments)

    monkeypatch.setattr(picture_files, "decode_files", counting)
    return calls


def load(source: Path, notes: list[str] | None = None, **fields: Any) -> DataSet:
    request = DataRequest(**{"source": str(source), "image_size": 16, "cache": source.parent / "cache", **fields})
    with logged(notes if notes is not None else []):
        return load_data(request)


def same(a: DataSet, b: DataSet) -> bool:
    parts = ("images", "labels", "held_out_images", "held_out_labels")
    plain = ("name", "class_names", "fingerprint", "skipped")
    return all(torch.equal(getattr(a, p), getattr(b, p)) for p in parts) and all(getattr(a, p) == getattr(b, p) for p in plain)


def test_a_second_start_decodes_nothing_and_says_the_same(source: Path, decoded: list[int]) -> None:
    notes: list[list[str]] = [[], []]
    first, second = (load(source, said) for said in notes)
    assert len(decoded) == 1
    assert same(first, second)
    assert notes[0] == notes[1] == ["1 of 40 pictures is skipped: cat/bad.png: no PNG, JPEG, WebP, BMP, GIF or TIFF"]


def test_the_tensors_may_be_written_to_and_the_cache_stays(source: Path) -> None:
    first = load(source)
    kept = first.images.clone()
    first.images.zero_()
    assert torch.equal(load(source).images, kept)


@pytest.mark.parametrize(
    "fields",
    [
        {"image_size": 8},
        {"fit": "pad"},
        {"background": "black"},
        {"channels": "grey"},
        {"conditional": True},
        {"classes": ("dog", "cat")},
    ],
)
def test_every_field_that_matters_is_part_of_the_key(fields: dict[str, Any], source: Path, decoded: list[int]) -> None:
    load(source)
    load(source, **fields)
    assert len(decoded) == 2


def test_the_key_is_the_content_not_the_name_or_the_time(source: Path, decoded: list[int]) -> None:
    load(source)
    (source / "cat/000.png").touch()
    load(source.rename(source.with_name("renamed")))
    assert len(decoded) == 1
    time_before = (source.with_name("renamed") / "cat/000.png").stat()
    (source.with_name("renamed") / "cat/000.png").write_bytes(encoded(noise(77)))
    os.utime(source.with_name("renamed") / "cat/000.png", ns=(time_before.st_atime_ns, time_before.st_mtime_ns))
    load(source.with_name("renamed"))
    assert len(decoded) == 2


def entry_of(source: Path) -> Path:
    (entry,) = (source.parent / "cache").iterdir()
    return entry


@pytest.mark.parametrize("name", ["images.npy", "labels.npy", "held_out_images.npy", "held_out_labels.npy", "dataset.json"])
@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "remove"])
def test_a_damaged_entry_is_built_anew(name: str, damage: str, source: Path, decoded: list[int]) -> None:
    first = load(source)
    path = entry_of(source) / name
    data = path.read_bytes()
    path.unlink()  # never in place: `first` is mapped from it
    if damage != "remove":
        flipped = bytes([*data[:-9], data[-9] ^ 1, *data[-8:]])
        path.write_bytes({"flip": flipped, "cut": data[:-1], "empty": b""}[damage])
    assert same(load(source), first)
    assert len(decoded) == 2
    load(source)
    assert len(decoded) == 2, "the entry is whole again"


@pytest.mark.parametrize("write", range(7))
def test_a_full_disk_costs_the_cache_and_not_the_run(write: int, source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = iter(range(100))

    def full(handle: int) -> None:
        if next(calls) == write:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(atomic.os, "fsync", full)
    notes: list[str] = []
    data = load(source, notes)
    monkeypatch.undo()
    assert len(data.images) + len(data.held_out_images) == 39
    if write < 5:  # the sixth is the folder's own, and its failure is none
        assert notes[0].startswith("the decoded pictures are not cached for the next start: cannot write ")
        assert "No space left on device" in notes[0]
        assert list((source.parent / "cache").iterdir()) == []
    assert same(load(source), data)


def test_an_unwritable_cache_is_only_a_note(source: Path) -> None:
    (source.parent / "file").touch()
    notes: list[str] = []
    assert len(load(source, notes, cache=source.parent / "file/cache").images) > 0
    assert notes[0].startswith("the decoded pictures are not cached for the next start: cannot write ")


def killed(source: Path, write: int) -> None:
    calls = iter(range(100))
    atomic.os.fsync = lambda handle: os._exit(9) if next(calls) == write else None  # type: ignore[assignment]
    load(source)
    os._exit(0)


@pytest.mark.parametrize("write", range(6))
def test_killed_between_any_two_writes_the_next_start_is_right(write: int, source: Path) -> None:
    process = multiprocessing.get_context("fork").Process(target=killed, args=(source, write))
    process.start()
    process.join(60)
    assert process.exitcode == 9
    data = load(source)
    assert same(load(source), data)
    leftovers = [path for path in (source.parent / "cache").iterdir() if path.name.startswith(".")]
    assert len(leftovers) == (write < 6)
    for path in leftovers:
        os.utime(path, (0, 0))
    keep = source.parent / "cache/.mine.tmp"
    keep.mkdir()
    os.utime(keep, (0, 0))
    load(source, image_size=8)
    assert not any(path.exists() for path in leftovers), "what is a day old is swept away"
    assert keep.exists(), "and nothing of anyone else's"


def build(source: Path, start: float, answers: Any) -> None:
    time.sleep(max(0.0, start - time.time()))
    answers.put(load(source).fingerprint)


def test_two_processes_may_build_the_same_entry(source: Path) -> None:
    context = multiprocessing.get_context("fork")
    answers, start = context.Queue(), time.time() + 0.3
    processes = [context.Process(target=build, args=(source, start, answers)) for _ in range(4)]
    for process in processes:
        process.start()
    fingerprints = {answers.get(timeout=60) for _ in processes}
    for process in processes:
        process.join(60)
    assert fingerprints == {load(source).fingerprint}
    assert entry_of(source)


def test_the_users_cache_folder_is_the_default(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    load(source, cache=None)
    assert len(list((tmp_path / "xdg/gansample/datasets").iterdir())) == 1
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(caching.Path, "home", lambda: (_ for _ in ()).throw(RuntimeError("no home")))
    assert len(load(source, cache=None).images) > 0


def test_a_tar_is_known_again_under_another_name(tmp_path: Path, decoded: list[int]) -> None:
    one = write_tar(tmp_path / "one.tar", some_files())
    load(one)
    assert load(one.rename(tmp_path / "two.tar")).name == "two"
    assert len(decoded) == 1
