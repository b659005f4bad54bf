"""requirements.lock: the installed versions, below what each of the Makefile's sets brings: python -m tests.support.lock

The figures are those of a machine without a GPU; CUDA adds gigabytes.
"""

import subprocess
import sys
import tomllib
from collections.abc import Iterable
from importlib.metadata import distribution
from importlib.util import cache_from_source
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.support.repository import ROOT

LOCK = ROOT / "requirements.lock"
SETS = ("draw", "export", "serve", "demo", "dev")
NOT_LOCKED = ("setuptools",)  # comes with the interpreter


def sets() -> dict[str, set[str]]:
    """The packages that each set adds: to `draw`, and `dev` to all the others."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    groups = project["dependency-groups"]
    draw = packages([f"{project['project']['name']}[cpu]"], project["project"])
    found = {"draw": draw}
    for name in SETS[1:]:
        found[name] = packages(requirements(groups, name), project["project"]) - draw
    found["dev"] -= found["export"] | found["serve"] | found["demo"]
    return found


def requirements(groups: dict[str, list[str | dict[str, str]]], name: str) -> list[str]:
    """A dependency group with the groups that it includes."""
    found: list[str] = []
    for entry in groups[name]:
        found += [entry] if isinstance(entry, str) else requirements(groups, entry["include-group"])
    return found


def packages(wanted: Iterable[str], project: dict[str, dict[str, list[str]]]) -> set[str]:
    """Names of everything that `wanted` brings on this machine, without this project itself."""
    found: dict[str, set[str]] = {}
    waiting = [Requirement(each) for each in wanted]
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        extras = {"", *requirement.extras}
        new = extras - found.setdefault(name, set())
        found[name] |= new
        if name == project["name"]:  # from its file: the installed metadata may be older
            asked = {"": project["dependencies"], **project["optional-dependencies"]}
            waiting += [Requirement(each) for extra in new for each in asked[extra]]
            continue
        for each in map(Requirement, distribution(name).requires or []) if new else []:
            if each.marker is None or any(each.marker.evaluate({"extra": extra}) for extra in new):
                waiting.append(each)
    return set(found) - {project["name"]}


def megabytes(names: Iterable[str]) -> float:
    """On disk, with what the Makefile compiles: everything but the packages' own tests."""
    total = 0
    for entry in (file for name in names for file in distribution(name).files or [] if file.suffix != ".pyc"):
        file = Path(entry.locate())
        found = [file]
        if file.suffix == ".py" and not {"test", "tests"} & {*entry.parts}:
            found.append(Path(cache_from_source(str(file))))
        total += sum(each.stat().st_size for each in found if each.exists())
    return total / 1e6


def head() -> str:
    """The figures, as comments that `make` prints before it installs a set."""
    lines = ["# Written by `make lock`. What each set of the Makefile adds, on a machine without a GPU:"]
    for name, names in sets().items():
        size = megabytes(names)
        volume = f"{size / 1000:.1f} GB" if size >= 950 else f"{round(size, -1):.0f} MB"
        lines.append(f"# {name}: {len(names)} packages, {volume} on disk")
    return "\n".join(lines) + "\n"


def main() -> None:
    command = [sys.executable, "-m", "pip", "freeze", "--all", "--exclude-editable"]
    frozen = subprocess.run(command, check=True, capture_output=True, text=True).stdout.replace("+cpu", "")
    kept = [line for line in frozen.splitlines() if line.partition("==")[0] not in NOT_LOCKED]
    LOCK.write_text(head() + "".join(f"{line}\n" for line in kept))


if __name__ == "__main__":
    main()
