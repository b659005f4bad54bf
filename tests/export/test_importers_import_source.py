"""A class is imported from wherever it lies in its repository: packages, relative imports, neighbours."""

import sys
from pathlib import Path

import pytest

from export.importers.import_source import imported
from gansample.errors import UsageError


def repository(root: Path, **files: str) -> Path:
    for name, text in files.items():
        path = root / (name.replace("__", "/") + ".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


@pytest.mark.parametrize("packages", [("gan", "gan/models"), ("gan",), ()])
def test_relative_imports_work_with_and_without_init_files(tmp_path: Path, packages: tuple[str, ...]) -> None:
    repository(
        tmp_path,
        gan__config="CHANNELS = 3",
        gan__models__ops="N = 2",
        gan__models__g="from ..config import CHANNELS\nfrom .ops import N",
    )
    for package in packages:
        (tmp_path / package / "__init__.py").touch()
    module = imported(tmp_path / "gan/models/g.py")
    assert (module.CHANNELS, module.N) == (3, 2)


def test_absolute_imports_of_the_own_package_work_from_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = repository(tmp_path, somegan__ops="N = 2", somegan__models__g="from somegan.ops import N")
    (root / "elsewhere").mkdir()
    monkeypatch.chdir(root / "elsewhere")
    before = list(sys.path)
    assert imported(root / "somegan/models/g.py").N == 2
    assert sys.path == before


def test_a_package_named_like_one_of_ours_is_not_ours(tmp_path: Path) -> None:
    import train

    root = repository(tmp_path, train__ops="N = 2", train__g="from .ops import N")
    (root / "train/__init__.py").touch()
    assert imported(root / "train/g.py").N == 2
    assert sys.modules["train"] is train


def test_what_a_package_defines_in_its_init_file_is_found(tmp_path: Path) -> None:
    root = repository(tmp_path, pkg__g="from . import WIDTH")
    (root / "pkg/__init__.py").write_text("WIDTH = 4")
    assert imported(root / "pkg/g.py").WIDTH == 4


def test_an_init_file_that_fails_does_not_stop_a_class_that_needs_nothing_of_it(tmp_path: Path) -> None:
    root = repository(tmp_path, pkg__ops="N = 2", pkg__g="from .ops import N")
    (root / "pkg/__init__.py").write_text("import a_library_for_training_only")
    assert imported(root / "pkg/g.py").N == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("import no_such_library", "install no_such_library, or run this where"),
        ("from .nowhere import x", r"importing g.py raises ModuleNotFoundError: No module named '.*nowhere'"),
        ("1 / 0", "ZeroDivisionError: division by zero: it must import without training"),
        ("raise SystemExit(2)", "SystemExit: 2"),
    ],
)
def test_an_import_that_fails_says_which_and_what_to_do(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        imported(repository(tmp_path, g=text) / "g.py")
