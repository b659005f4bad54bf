"""`python -m export`: options that cannot be used together are refused by name, and its steps are logged with their time."""

import logging
import re
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from export.__main__ import app
from export.importers.request import ImportRequest
from export.terminal import log_steps
from export.variants.timing_decisions import decisions_like
from gansample.bundle.spec import Spec
from gansample.errors import ArtefactError, UsageError
from tests.support.make_tiny_bundle import make_tiny_bundle


@pytest.fixture(autouse=True)
def a_run_and_two_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run").mkdir()
    for name in ("gen.pth", "gan.onnx", "gan.pt", "model.py"):
        (tmp_path / name).touch()


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("gen.pth --weights gen.pth", "two weights files"),
        ("gen.pth --onnx gan.onnx", "weights and onnx are several generators"),
        ("--onnx gan.onnx --torchscript gan.pt", "onnx and torchscript are several generators"),
        ("--image 1x28x28", "these options describe a file that is not named"),
        ("--classes 3", "describe a file that is not named"),
        ("--onnx gan.onnx --generator model.py:G", "--generator describes a weights file"),
        ("--onnx gan.onnx --key ema", "--key describes a weights file"),
        ("--torchscript gan.pt --chain z", "--chain describes a weights file"),
        ("gen.pth --generator model.py:G --chain z", "--generator and --chain both say"),
        ("gen.pth --kwargs {}", "--kwargs are the arguments of a class"),
        ('gen.pth --kwargs {"nz":3}', "--kwargs are the arguments of a class"),
        ("gen.pth --classes 3 --class-names a,b", "--class-names has 2 names, --classes says 3"),
        ("run --onnx gan.onnx", "--onnx cannot be used with the run folder run"),
        ("run --range tanh", "--range cannot be used with the run folder"),
        ("run --weights gen.pth --recalibrate-bn", "--weights, --recalibrate-bn cannot be used with the run folder"),
        ("run --class-names a,b", "--class-names cannot be used with the run folder"),
        ("gen.pth --range loud", "--range 'loud' is unknown"),
        ("gen.pth --latent cubic", "--latent 'cubic' is unknown"),
        ("gen.pth --image 2x28x28", "--image '2x28x28' is no channels x height x width"),
    ],
)
def test_options_that_cannot_be_used_together_are_refused_by_name(command: str, message: str) -> None:
    result = CliRunner().invoke(app, command.split())
    assert isinstance(result.exception, UsageError), result.output
    assert message in str(result.exception)


@pytest.mark.parametrize(
    "command",
    [
        "no.pth",
        "--onnx no.onnx",
        "--torchscript no.pt",
        "gen.pth --generator no.py:G",
        "--generator model.py:G --weights no.pt",
    ],
)
def test_a_file_that_is_not_there_is_said_before_pytorch_is_loaded(command: str, caplog: pytest.LogCaptureFixture) -> None:
    result = CliRunner().invoke(app, command.split())
    assert isinstance(result.exception, ArtefactError), result.output
    assert re.match(r"there is no file no\.\w+: check the path", str(result.exception))
    assert "loading PyTorch" not in caplog.text


def test_what_is_no_model_is_said_before_pytorch_is_loaded(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "notes.md").write_text("# notes", encoding="utf-8")
    make_tiny_bundle(tmp_path / "tiny")
    for words, message in (
        (["notes.md"], "notes.md is no torch, safetensors, TorchScript or ONNX file"),
        (["--onnx", "notes.md"], "notes.md is no torch, safetensors, TorchScript or ONNX file"),
        (["tiny"], "tiny is a bundle already: draw from it: gansample --bundle "),
    ):
        result = CliRunner().invoke(app, [*words[:-1], str(tmp_path / words[-1])])
        assert message in str(result.exception)
    assert "loading PyTorch" not in caplog.text


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--expect no.npz", "no.npz"),
        ("--like fashoin", "did you mean fashion?"),
        ("--features no.onnx", "--features no.onnx is no file"),
        ("", "holds a bundle already: pass --force"),
    ],
)
def test_a_bundle_that_exists_hides_no_other_mistake(options: str, message: str, tmp_path: Path) -> None:
    torch.save({"weight": torch.zeros(1)}, tmp_path / "net.pth")
    make_tiny_bundle(tmp_path / "artifacts" / "net")
    assert message in str(CliRunner().invoke(app, ["net.pth", *options.split()]).exception)


def test_a_path_that_is_nearly_right_is_answered_with_the_right_one() -> None:
    for command, hint in (
        ("GEN.pth", "did you mean gen.pth?"),
        ("model.py:G", "for a class: --generator model.py:G --weights FILE"),
    ):
        result = CliRunner().invoke(app, [command])
        assert hint in str(result.exception)


def test_a_file_in_the_working_directory_gives_its_own_name(tmp_path: Path) -> None:
    """Two weights files of one folder would else be one bundle, called after a folder that says nothing."""
    assert ImportRequest(weights=Path("gen.pth")).bundle_name == "gen"
    (tmp_path / "faces").mkdir()
    assert ImportRequest(weights=Path("faces/gen.pth")).bundle_name == "faces"


def test_the_timing_decisions_of_another_generator_are_refused(tmp_path: Path) -> None:
    """A bundle of other pictures decided nothing about this generator."""
    bundle = make_tiny_bundle(tmp_path / "tiny")
    other = Spec(name="other", latent_size=6, height=16, width=8, channels=3)
    with pytest.raises(UsageError, match=r"--like .*tiny holds another generator \(its height is 8, not 16\)"):
        decisions_like(bundle, other)
    same = Spec(name="same", latent_size=6, height=8, width=8, channels=3)
    assert decisions_like(bundle, same).variants == ("onnx-fp32",)


@pytest.mark.parametrize("quiet", [False, True])
def test_steps_are_printed_with_their_time_or_not_at_all(quiet: bool, capsys: pytest.CaptureFixture[str]) -> None:
    log_steps(quiet)
    logging.getLogger("export.build").info("exporting to ONNX")
    err = capsys.readouterr().err
    assert re.fullmatch(r"" if quiet else r"\[ +\d+\.\d s\] exporting to ONNX\n", err)


def test_the_help_names_every_option() -> None:
    result = CliRunner().invoke(app, ["--help"])
    assert result.exit_code == 0
    for option in ("--generator", "--chain", "--like", "--recalibrate-bn", "--compact", "--variants", "--features", "--effort"):
        assert option in result.output
