"""Files are written whole, with the permissions that the user's umask allows, and without touching the umask."""

import os
import stat
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from gansample.errors import OutputError
from gansample.system import atomic
from gansample.system.atomic import folder_atomic, write_atomic


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture(params=[0o022, 0o027, 0o077], ids=oct)
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    """The process's umask, which nothing may set from here on: other threads make files at the same time."""
    before = os.umask(request.param)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "umask", lambda mask: pytest.fail("the umask belongs to the whole process"))
        yield request.param
    os.umask(before)


def test_the_umask_decides_who_may_read(umask: int, tmp_path: Path) -> None:
    write_atomic(tmp_path / "file", b"data")
    with folder_atomic(tmp_path / "folder") as folder:
        (folder / "inside").write_bytes(b"data")
    assert mode(tmp_path / "file") == mode(tmp_path / "folder" / "inside") == 0o666 & ~umask
    assert mode(tmp_path / "folder") == 0o777 & ~umask


def test_nothing_is_left_where_writing_fails(tmp_path: Path) -> None:
    write_atomic(tmp_path / "file", b"first")
    with pytest.raises(OutputError, match="exists: pass --force to replace it"):
        write_atomic(tmp_path / "file", b"second", overwrite=False)
    with pytest.raises(OutputError, match="is not a folder"):
        write_atomic(tmp_path / "file" / "below", b"third")
    with pytest.raises(ZeroDivisionError), folder_atomic(tmp_path / "folder") as folder:
        (folder / "inside").write_bytes(bytes(1 // 0))
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_bytes() == b"first"


@pytest.mark.skipif(sys.platform != "linux", reason="NOT RUN: elsewhere there is a moment without a folder")
def test_there_is_a_folder_at_every_moment_while_it_is_replaced(tmp_path: Path) -> None:
    """A reader meets the old folder or the new one, whole."""
    path, done, missing = tmp_path / "bundle", threading.Event(), []
    path.mkdir()
    (path / "a").write_text("0")

    def read() -> None:
        while not done.is_set():
            try:
                (path / "a").read_text()
            except OSError as error:
                missing.append(error)

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for number in range(1, 200):
        with folder_atomic(path) as folder:
            (folder / "a").write_text(str(number))
    done.set()
    for reader in readers:
        reader.join()
    assert (path / "a").read_text() == "199"
    assert missing == []
    assert [entry.name for entry in tmp_path.iterdir()] == ["bundle"]


def test_a_folder_is_replaced_where_two_cannot_change_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(atomic, "_exchange", lambda one, other: False)
    for text in ("old", "new"):
        with folder_atomic(tmp_path / "bundle") as folder:
            (folder / "a").write_text(text)
    assert (tmp_path / "bundle" / "a").read_text() == "new"
    assert [entry.name for entry in tmp_path.iterdir()] == ["bundle"]
