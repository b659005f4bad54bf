"""What `make space` and `make web-demo` may replace: what they wrote themselves, and nothing that came into it since."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from demo.output_folder import RECORD, output_folder
from demo.space import write_space
from demo.web_demo import write_web_demo
from gansample.errors import OutputError


def write(out: Path, text: str, kind: str = "Space") -> None:
    with output_folder(out, kind=kind, force=True) as folder:
        (folder / "code").mkdir()
        (folder / "code" / "app.py").write_text(text)


@pytest.mark.parametrize("command", [write_space, write_web_demo])
def test_a_strangers_folder_is_never_replaced(
    command: Callable[..., None], tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "thesis.txt").write_text("years of work")
    (tmp_path / "link").symlink_to(precious)
    (tmp_path / "file").write_text("years of work")
    monkeypatch.chdir(precious)
    for name in ("precious", "link", "file", "../precious", ".", ".."):
        with pytest.raises(OutputError, match="nothing was touched"):
            command(tmp_path / name if name.isalpha() else Path(name), [tiny_bundle], force=True)
    assert [path.name for path in precious.iterdir()] == ["thesis.txt"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "link", "precious"]


def test_a_name_that_no_file_system_takes_is_refused_in_a_line(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"cannot write .* \(File name too long\)"):
        write(tmp_path / ("a" * 300), "first")


def test_an_empty_folder_is_free_and_ones_own_is_replaced_with_force(tmp_path: Path) -> None:
    out = tmp_path / "space"
    out.mkdir()
    write(out, "first")
    (out / "code" / "__pycache__").mkdir()  # the Space was tried
    (out / "code" / "__pycache__" / "app.cpython-313.pyc").touch()
    with (
        pytest.raises(OutputError, match="holds a Space already: pass --force"),
        output_folder(out, kind="Space", force=False),
    ):
        pass
    write(out, "second")
    assert (out / "code" / "app.py").read_text() == "second"


@pytest.mark.parametrize("name", ["thesis.txt", "code/thesis.txt", ".git/HEAD"])
def test_what_came_into_it_since_is_kept(name: str, tmp_path: Path) -> None:
    out = tmp_path / "space"
    write(out, "first")
    (out / name).parent.mkdir(exist_ok=True)
    (out / name).write_text("years of work")
    with pytest.raises(OutputError, match=f"{name} came into the folder after it was written.*nothing was touched"):
        write(out, "second")
    assert (out / name).read_text() == "years of work"
    assert (out / "code" / "app.py").read_text() == "first"


def test_the_other_commands_folder_or_a_broken_record_is_kept(tmp_path: Path) -> None:
    out = tmp_path / "space"
    write(out, "first")
    with pytest.raises(OutputError, match="holds files that are no static page"):
        write(out, "second", kind="static page")
    for broken in ("{", "[]", '{"kind": "Space"}', json.dumps({"kind": "Space", "files": 3})):
        (out / RECORD).write_text(broken)
        with pytest.raises(OutputError, match="cannot be read"):
            write(out, "second")
    assert (out / "code" / "app.py").read_text() == "first"
