"""Files are written whole, with the permissions that the user's umask allows, and without touching the umask."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from gansample.errors import OutputError
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
