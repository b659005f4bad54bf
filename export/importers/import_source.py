"""A Python file of somebody's repository as a module, with its relative imports and its neighbours. Its code runs."""

import importlib.util
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from gansample.errors import UsageError

FOREIGN = "imported_"  # before the name of the outermost package: a user's `train` is not ours


def imported(path: Path) -> ModuleType:
    """The file as a module, inside the packages it lies in.

    Raises UsageError where importing it fails, saying which import it was.
    """
    path = path.resolve()
    packages = _packages(path)
    outermost = packages[0].parent if packages else path.parent
    searched = [path.parent, outermost, *path.parent.parents[:3]]
    with _searching(dict.fromkeys(map(str, searched))):
        try:
            return _executed(path, packages, initialised=False)
        except ImportError as error:  # a package's __init__.py may define what is imported from it
            if not any((package / "__init__.py").is_file() for package in packages):
                raise _failed(path, error) from error
        except (Exception, SystemExit) as error:  # a foreign file may raise anything, or parse its own command line
            raise _failed(path, error) from error
        try:
            return _executed(path, packages, initialised=True)
        except (Exception, SystemExit) as error:
            raise _failed(path, error) from error


def format_error(error: BaseException) -> str:
    """`ValueError: what it said`, on one line."""
    text = " ".join(str(error).split())[:160]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _executed(path: Path, packages: list[Path], *, initialised: bool) -> ModuleType:
    """The module, executed. `initialised` also runs the packages' __init__.py; without, they only say where modules lie."""
    names = [f"{FOREIGN}{packages[0].name}", *(package.name for package in packages[1:])] if packages else []
    for loaded in [name for name in sys.modules if names and (name == names[0] or name.startswith(names[0] + "."))]:
        del sys.modules[loaded]
    for depth, package in enumerate(packages):
        _execute(".".join(names[: depth + 1]), package / "__init__.py", package, run=initialised)
    return _execute(".".join([*names, path.stem]) if names else f"{FOREIGN}{path.stem}", path)


def _execute(name: str, path: Path, package: Path | None = None, *, run: bool = True) -> ModuleType:
    where = [str(package)] if package is not None else None
    spec = importlib.util.spec_from_file_location(name, path, submodule_search_locations=where)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and pickling of classes look their module up
    if run and path.is_file():
        spec.loader.exec_module(module)
    return module


def _packages(path: Path) -> list[Path]:
    """The folders that are the file's packages, the outermost first: those with __init__.py, and those its dots reach."""
    dots = [len(found) for found in re.findall(r"^\s*from\s+(\.+)", path.read_text(encoding="utf-8", errors="replace"), re.M)]
    packages: list[Path] = []
    for folder in path.parents[:-1]:
        if not (folder / "__init__.py").is_file() and len(packages) >= max(dots, default=0):
            break
        packages.insert(0, folder)
    return packages


@contextmanager
def _searching(folders: dict[str, None]) -> Iterator[None]:
    """With these folders searched for modules before all others but after Python's own working directory."""
    before = list(sys.path)
    sys.path[:0] = folders
    try:
        yield
    finally:
        sys.path[:] = before


def _failed(path: Path, error: BaseException) -> UsageError:
    hint = "it must import without training or arguments"
    if isinstance(error, ModuleNotFoundError):
        hint = f"install {error.name}, or run this where the repository's packages can be imported (PYTHONPATH=its root)"
    elif isinstance(error, ImportError) and "relative import" in str(error):
        hint = "leave the file in its repository, or pass a file that defines the class by itself"
    return UsageError(f"importing {path.name} raises {format_error(error)}", hint)
