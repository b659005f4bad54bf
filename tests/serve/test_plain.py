"""The quick way into the command understands what Typer understands, or leaves it to Typer."""

import inspect
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from gansample.cli import gansample as cli
from gansample.cli.draw import draw
from gansample.cli.fast_parser import plain

DEFAULTS = {name: parameter.default for name, parameter in inspect.signature(draw).parameters.items()}

VALUES = ["0", "7", "64", "007", "-1", "", "x", "1e3", "٣", "sneaker", "8x4", "0-3,9", "fast", "a b", "--", "=", "4294967296"]
OPTIONS = [
    "--n",
    "-n",
    "--seed",
    "--seeds",
    "--class",
    "--bundle",
    "--grid",
    "--precision",
    "--backend",
    "--walk",
    "--around",
    "--format",
]
FLAGS = ["--force", "-f", "--quiet", "-q", "--json", "--resume", "--loop", "--no-metadata"]
OTHERS = ["--help", "--version", "--debug", "--n=3", "-n3", "--pad", "--nonsense", "--", "-fq"]
OUTS = ["out.png", "folder", "-", "", "two words.png"]
words = st.one_of(
    st.tuples(st.sampled_from(OPTIONS), st.sampled_from(VALUES)),
    *(st.tuples(st.sampled_from(some)) for some in (FLAGS, OUTS, OUTS, OPTIONS)),
    st.tuples(st.sampled_from(OTHERS)),
)


@settings(deadline=None, max_examples=500, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(words, max_size=5))
def test_both_ways_mean_the_same(monkeypatch: pytest.MonkeyPatch, groups: list[tuple[str, ...]]) -> None:
    arguments = [word for group in groups for word in group]
    if (quick := plain(arguments)) is None:
        return
    heard: dict[str, Any] = {}
    monkeypatch.setattr(cli, "draw", lambda out, **options: heard.update(options, out=out))
    result = CliRunner().invoke(cli.app, arguments)
    assert result.exit_code == 0, (arguments, result.output)
    assert {**DEFAULTS, **quick} == heard


def test_common_commands_go_the_quick_way() -> None:
    assert plain(["--n", "64", "out.png"]) == {"n": 64, "out": Path("out.png")}
    assert plain(["out.png"]) is not None
    assert plain(["--bundle", "fashion", "--class", "sneaker", "-n", "16", "-f", "shoes.png"]) is not None


@pytest.mark.parametrize(
    "arguments", ["--help", "--n many out.png", "--n -3 out.png", "a.png b.png", "--fps 12 walk.gif", "--n"]
)
def test_everything_else_is_typers(arguments: str) -> None:
    assert plain(arguments.split()) is None


def test_completion_is_typers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_GANSAMPLE_COMPLETE", "complete_bash")
    assert plain(["out.png"]) is None


def test_a_plain_command_imports_neither_typer_nor_pillow(tiny_bundle: Path, tmp_path: Path) -> None:
    code = "import sys, atexit\nheavy = {'typer', 'pydantic', 'PIL', 'rich', 'click'}\n"
    code += "atexit.register(lambda: print(sorted(heavy & set(sys.modules))))\nfrom gansample.start import main; main()"
    command = [sys.executable, "-c", code, "--n", "64", "--bundle", str(tiny_bundle), "out.png"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
    assert (tmp_path / "out.png").exists()


def test_completion_offers_options(tmp_path: Path) -> None:
    """As bash asks for it: whatever begins with --wal."""
    environment = {
        "_GANSAMPLE_COMPLETE": "complete_bash",
        "COMP_WORDS": "gansample --wal",
        "COMP_CWORD": "1",
        "PATH": "/usr/bin",
    }
    command = [sys.executable, "-c", "import sys; sys.argv[0] = 'gansample'\nfrom gansample.start import main; main()"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=environment, check=False)
    assert "--walk" in done.stdout, done.stderr
