"""Options are one value, declared once: what cannot apply is refused, and the command and the docs are made from the table."""

import re
from pathlib import Path

import pytest
from typer.main import get_command

from gansample import DrawOptions, EngineOptions, OutputOptions, SelectionOptions, UsageError, draw
from gansample.cli import option_table
from gansample.cli.gansample import app
from tests.support.processes import Command
from tests.support.repository import ROOT


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--grid 99x1 OUT.npz", "--grid cannot apply to a .npz: leave it out, or write a .png or .webp or .jpg"),
        ("--grid nonsense OUT.tar", "--grid cannot apply to a .tar"),
        ("--pad 2 OUT.npz", "--pad cannot apply to a .npz"),
        ("--pad 0 OUT", "--pad cannot apply to a folder of pictures"),
        ("--fps 30 OUT.png", "--fps cannot apply to a .png: leave it out, or write a .mp4 or .webm or .gif"),
        ("--fps 30 --format rgb24 -", "--fps cannot apply to raw frames"),
        ("--shard 5 OUT.zip", "--shard cannot apply to a .zip: leave it out, or write a .tar"),
        ("--shard 5 --format tar -", "--shard divides a .tar file"),
        ("--resume OUT.mp4", "a mp4 is written whole or not at all"),
        ("--resume --force OUT.tar", "--force replaces what exists and --resume completes it"),
        ("--latents z.npy --truncation 1 OUT.png", "--truncation redraws the latents of seeds"),
        ("--backend cuda --threads 2 OUT.png", "--threads is for processors, and cuda draws on a GPU"),
        ("--workers 2 OUT.tar", "--workers belongs to --ray"),
        ("--ray --grid 4x4 OUT.tar", "--grid cannot apply to a .tar"),
        ("--ray --fps 9 OUT.parquet", "--fps cannot apply to a .parquet: leave it out"),
        ("--ray OUT.png", "--ray writes shards"),
        ("OUT.parquet", "is written by a Ray cluster only: add --ray"),
        ("--frames 9 OUT.mp4", "--frames belongs to --walk"),
        ("-o OUT.png OUT.tar", "OUT is given twice"),
        ("--format npz", "say where the pictures go"),
    ],
)
def test_an_option_that_cannot_apply_is_refused(
    gansample: Command, tiny_bundle: Path, tmp_path: Path, arguments: str, message: str
) -> None:
    done = gansample("--bundle", tiny_bundle, *arguments.replace("OUT", "pictures").split())
    assert done.returncode == 2, done.stderr
    assert message in done.stderr.decode()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("flag", ["-o", "--out"])
def test_out_by_its_flag_is_out(gansample: Command, tiny_bundle: Path, tmp_path: Path, flag: str) -> None:
    assert gansample("--n", 4, "--bundle", tiny_bundle, "argument.png").returncode == 0
    assert gansample("--n", 4, "--bundle", tiny_bundle, flag, "flag.png").returncode == 0
    assert (tmp_path / "flag.png").read_bytes() == (tmp_path / "argument.png").read_bytes()


def test_python_draws_what_the_command_draws(gansample: Command, tiny_bundle: Path, tmp_path: Path) -> None:
    assert gansample("--n", 4, "--grid", "2x2", "--bundle", tiny_bundle, "command.png").returncode == 0
    options = DrawOptions(
        selection=SelectionOptions(n=4),
        engine=EngineOptions(bundle=tiny_bundle),
        output=OutputOptions(out=str(tmp_path / "python.png"), grid="2x2"),
    )
    report = draw(options)
    assert report.n == report.drawn == 4
    assert (tmp_path / "python.png").read_bytes() == (tmp_path / "command.png").read_bytes()


@pytest.mark.parametrize("name", ["n", "batch", "pad", "frames", "threads"])
def test_limits_hold_in_python_as_well(name: str) -> None:
    with pytest.raises(UsageError, match=f"--{name} is 0|--{name} is -1"):
        DrawOptions.from_values({"out": "x.png", "walk": "1,2" if name == "frames" else None, name: -1 if name == "pad" else 0})


def test_the_command_has_the_options_of_the_table() -> None:
    flags = {flag for parameter in get_command(app).params for flag in parameter.opts if flag.startswith("-")}
    ours = {flag for each in option_table.OPTIONS for flag in each.flags}
    assert flags - ours == {"--version", "--install-completion", "--show-completion"}
    assert ours <= flags


def test_the_page_has_the_table() -> None:
    page = (ROOT / "docs/drawing.md").read_text()
    found = re.search(r"<!-- options:begin -->\n(.*)<!-- options:end -->", page, re.S)
    assert found is not None
    assert found[1] == option_table.markdown(), "replace it by what `python -m gansample.cli.option_table` prints"
