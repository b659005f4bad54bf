"""The quick way into the command understands what Typer understands, or leaves it to Typer."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from gansample.cli import gansample as cli
from gansample.cli.fast_parser import parse_fast
from gansample.cli.option_table import OPTIONS as TABLE
from gansample.cli.option_table import Command, command_from_values
from gansample.errors import UsageError

VALUES = ["0", "7", "64", "007", "-1", "", "x", "1e3", "٣", "sneaker", "8x4", "0-3,9", "fast", "a b", "--", "=", "4294967296"]
OPTIONS = [flag for each in TABLE if each.kind is not bool for flag in each.flags]
FLAGS = [flag for each in TABLE if each.kind is bool for flag in each.flags if flag != "--debug"]
OTHERS = ["--help", "--version", "--debug", "--n=3", "-n3", "--nonsense", "--", "-fq", "--radius"]
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
    if (quick := parse_fast(arguments)) is None:
        return
    seen: list[Command] = []
    monkeypatch.setattr(cli, "run_command", seen.append)
    result = CliRunner().invoke(cli.app, arguments)
    if isinstance(result.exception, UsageError):
        with pytest.raises(UsageError, match=re.escape(str(result.exception))):
            command_from_values(quick)
    else:
        assert result.exit_code == 0, (arguments, result.output)
        assert seen == [command_from_values(quick)]


def test_common_commands_go_the_quick_way() -> None:
    assert parse_fast(["--n", "64", "out.png"]) == {"n": 64, "out": "out.png"}
    assert parse_fast(["out.png"]) is not None
    assert parse_fast(["--bundle", "fashion", "--class", "sneaker", "-n", "16", "-f", "shoes.png"]) is not None


@pytest.mark.parametrize(
    "arguments",
    [
        "--help",
        "--n many out.png",
        "--n -3 out.png",
        "a.png b.png",
        "--radius 0.5 a.png",
        "--n",
        "--pad 257 a.png",
        "-o a.png b.png",
    ],
)
def test_everything_else_goes_to_typer(arguments: str) -> None:
    assert parse_fast(arguments.split()) is None


def test_completion_is_typers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_GANSAMPLE_COMPLETE", "complete_bash")
    assert parse_fast(["out.png"]) is None


def test_a_plain_command_imports_neither_typer_nor_pillow(tiny_bundle: Path, tmp_path: Path) -> None:
    code = "import sys, atexit\nheavy = {'typer', 'pydantic', 'PIL', 'rich', 'click'}\n"
    code += "atexit.register(lambda: print(sorted(heavy & set(sys.modules))))\nfrom gansample.cli.start import main; main()"
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
    command = [sys.executable, "-c", "import sys; sys.argv[0] = 'gansample'\nfrom gansample.cli.start import main; main()"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=environment, check=False)
    assert "--walk" in done.stdout, done.stderr
