"""The README is true: its tree exists, its commands are real, its links lead somewhere."""

import re
import shlex
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest

from gansample.cli.fast_parser import parse_fast
from gansample.cli.gansample import app as gansample_app
from tests.support.repository import ROOT

README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"```(\w*)\n(.*?)```", README, re.S)
SHELL = [line.split("#")[0].strip() for kind, block in BLOCKS if kind == "sh" for line in block.splitlines() if line.strip()]


def tracked_files() -> set[str]:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    return set(listed.stdout.split("\n")) if listed.returncode == 0 else set()


def test_the_tree_is_the_repository() -> None:
    (tree,) = [block for _, block in BLOCKS if block.startswith(".\n")]
    listed: list[str] = []
    parent = ""
    for line in tree.splitlines()[1:]:
        inside, name = re.match(r"(│   )?[├└]── (\S+)/ ", line).groups()  # type: ignore[union-attr]
        parent = parent if inside else name
        listed.append(f"{parent}/{name}" if inside else name)
    assert not [name for name in listed if not (ROOT / name).exists()]
    folders = {path.split("/")[0] for path in tracked_files() if "/" in path and not path.startswith(".")}
    assert folders <= {name.split("/")[0] for name in listed}, "every top-level folder is in the tree"


@pytest.mark.parametrize("line", [line for line in SHELL if line.startswith("make ")])
def test_make_commands_exist(line: str) -> None:
    makefile = (ROOT / "Makefile").read_text()
    for target in shlex.split(line)[1:]:
        assert "=" in target or re.search(rf"^{target}:.*## ", makefile, re.M), f"no target {target}"


@pytest.mark.parametrize("line", [line for line in SHELL if "gansample" in line and not line.startswith("make")])
def test_gansample_options_exist(line: str) -> None:
    from typer.main import get_command

    known = {option for parameter in get_command(gansample_app).params for option in parameter.opts}
    assert set(re.findall(r"(?<=\s)--?[a-z][a-z-]*", line)) <= known


PAGES = sorted(path.relative_to(ROOT).as_posix() for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])


@pytest.mark.parametrize("page", PAGES)
def test_the_tests_that_a_page_names_exist(page: str) -> None:
    named = re.findall(r"(?:[\w/]+/)?test_\w+\.py", (ROOT / page).read_text(encoding="utf-8"))
    assert not [name for name in named if not list((ROOT / "tests").glob(f"**/{name.removeprefix('tests/')}"))]


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    text = (ROOT / page).read_text()
    targets = [target.split("#")[0] for target in re.findall(r"\]\(([^)\s]+)\)", text) if not target.startswith("http")]
    assert not [target for target in targets if target and not (ROOT / page).parent.joinpath(target).exists()]


@pytest.mark.parametrize("page", ["README", "docs/gan"])
def test_the_chinese_page_has_the_same_headings_and_commands(page: str) -> None:
    def outline(text: str) -> list[int]:
        return [len(marks) for marks in re.findall(r"^(#+) ", re.sub(r"```.*?```", "", text, flags=re.S), re.M)]

    def commands(text: str) -> list[str]:
        blocks = re.findall(r"```sh\n(.*?)```", text, re.S)
        return sorted(line.split("#")[0].strip() for block in blocks for line in block.splitlines() if line.strip())

    english, chinese = (ROOT / f"{page}.md").read_text(), (ROOT / f"{page}.zh-CN.md").read_text()
    assert outline(chinese) == outline(english)
    assert commands(chinese) == commands(english)
    name = Path(page).name
    for text, other in ((english, f"{name}.zh-CN.md"), (chinese, f"{name}.md")):
        assert f"]({other})" in text.split("\n\n")[1], "the other language is a link at the top"


def test_the_glossary_names_the_file_where_each_term_lives() -> None:
    rows = re.findall(r"^\| \*\*(.+?)\*\* \| .+ \| (.+) \|$", (ROOT / "docs/glossary.md").read_text(), re.M)
    kept = {"bundle", "spec", "variant", "reference", "parity", "gate", "verdict", "receipt", "golden", "seal", "pass"}
    assert kept <= {term for term, _ in rows}
    for term, places in rows:
        files = re.findall(r"\[`(.+?)`\]\(\.\./(.+?)\)", places)
        assert files, term
        assert all(shown == target for shown, target in files)
        assert any(re.search(term, (ROOT / target).read_text(), re.I) for _, target in files), f"no file explains {term}"


def test_no_path_of_a_machine_is_committed() -> None:
    guilty = []
    for name in tracked_files() - {"", "tests/test_docs.py"}:
        path = ROOT / name
        if path.suffix in {".py", ".md", ".toml", ".lock", ".json", ".yaml", ".jinja", ""} and path.is_file():
            text = path.read_text(errors="replace")
            if re.search(r"/(root|home/\w+|Users/\w+|opt/(wheels|pypi))/", text) or str(ROOT) + "/" in text:
                guilty.append(name)
    assert not guilty


def test_make_lists_its_commands_and_admits_what_is_missing() -> None:
    listed = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for verb in ["help", "train", "export", "sample", "demo", "serve", "test", "lint", "types", "check", "bench", "clean"]:
        assert re.search(rf"^  make {verb} ", listed, re.M), f"make does not list {verb}"


def test_the_changelog_has_an_unreleased_section() -> None:
    assert "## [Unreleased]" in (ROOT / "CHANGELOG.md").read_text()
    assert Path(ROOT / "LICENSE").read_text(encoding="utf-8").startswith("MIT License")


def test_the_package_has_a_page_of_its_own_that_stands_alone() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    page = (ROOT / project["readme"]).read_text()
    assert not re.findall(r"\]\((?!https://)[^)]*\)|<img|src=", page), "an index page has no files beside it"
    rows = set(re.findall(r"`(\w+)`", " ".join(line.split("|")[1] for line in page.splitlines() if line.startswith("| `"))))
    assert rows == set(project["optional-dependencies"]) - {"video"}
    (shell,) = re.findall(r"```sh\n(.*?)```", page, re.S)
    for line in shell.splitlines():
        command = shlex.split(line.split("#")[0])
        if command[0] == "gansample":
            assert parse_fast(command[1:]) is not None, line
    (code,) = re.findall(r"```python\n(.*?)```", page, re.S)
    drawn: dict[str, Any] = {}
    exec(code, drawn)
    assert drawn["images"].shape == (64, 32, 32, 1)
    assert {"Typing :: Typed", "Programming Language :: Python :: 3.11"} <= set(project["classifiers"])
    assert sorted(project["keywords"]) == project["keywords"]


@pytest.mark.parametrize("page", ["gan.md", "gan.zh-CN.md"])
def test_formulas_are_written_as_formulas(page: str) -> None:
    text = (ROOT / "docs" / page).read_text()
    assert text.count("```math\n") == 1
    prose = re.sub(r"```.*?```|\$[^$\n]+\$", "", text, flags=re.S)
    assert not re.findall(r"E\[|log ?\(|G\(z|D\(x|[−-]?2 log 2", prose)
