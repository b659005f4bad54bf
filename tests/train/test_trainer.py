"""A run leaves a whole, true folder behind: finished, interrupted, out of time, out of disk or diverged."""

import json
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from gansample.errors import OutputError
from gansample.system import atomic
from tests.support.tiny_training import IMAGES, tiny_config, tiny_data, tiny_evaluator, tiny_run, tiny_trainer
from train.checkpoint import load_generator
from train.interruption import Interruption
from train.model.latents import LatentSpace
from train.model.networks import generate_images
from train.model.pixels import to_bytes
from train.run_folder import RunFolder
from train.scores.evaluator import Scores
from train.selection import FINAL_SEEDS, PREVIEW_SEEDS
from train.trainer import CALIBRATION, CLOSING_SECONDS
from train.training_step import StepMetrics

SPACE = LatentSpace(size=64)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_run(tmp_path_factory.mktemp("runs") / "run")


def test_the_folder_is_complete(run: Path) -> None:
    files = {str(path.relative_to(run)) for path in run.rglob("*") if path.is_file()}
    assert files == {
        "generator.safetensors", "checkpoint.json", "log.jsonl", "losses.png", "samples.png", "nearest.png", "report.html",
        ".lock",
        "previews/000000000.png", "previews/000000320.png", "previews/000000640.png",
        "states/000000000.state", "states/000000010.state",
    }  # fmt: skip
    with Image.open(run / "losses.png") as curves:
        assert curves.size == (1100, 700)


def test_the_checkpoint_says_where_it_comes_from(run: Path) -> None:
    info = load_generator(run).info
    assert info["finished"] is True
    assert info["name"] == "digits"
    assert info["latent"] == {"size": 64, "distribution": "normal"}
    assert info["image"] == {"size": 8, "channels": 1, "range": "tanh"}
    assert info["classes"] is None
    assert info["seed"] == 0
    assert info["config"]["images"] == IMAGES
    assert info["data"] == {"name": "digits", "fingerprint": tiny_data().fingerprint, "images": 1437}
    assert info["versions"]["torch"] == torch.__version__
    assert info["metrics"]["classifier"]["sha256"] == tiny_evaluator().sha256
    assert info["metrics"]["real"] == tiny_evaluator().floor.to_dict()


def test_what_was_scored_and_shown_is_what_was_saved(run: Path) -> None:
    """The one-function promise: the loaded file draws the samples and earns the scores that stand beside it."""
    loaded = load_generator(run)
    seeds = FINAL_SEEDS[: tiny_evaluator().images_wanted]
    pictures = to_bytes(generate_images(loaded.generator, SPACE.inputs_for_scoring(seeds)), "tanh")
    scores = json.loads(json.dumps(tiny_evaluator().score(pictures).to_dict()))
    assert scores == loaded.info["metrics"]["scores"]
    with Image.open(run / "samples.png") as sheet:
        assert sheet.size == (8 * 10 + 2, 8 * 10 + 2)
        shown = torch.from_numpy(np.array(sheet))
    first = to_bytes(generate_images(loaded.generator, SPACE.inputs_for_seeds(PREVIEW_SEEDS)), "tanh")[0, 0]
    assert torch.equal(shown[2:10, 2:10], first)


def test_the_log_tells_the_whole_run(run: Path) -> None:
    rows = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    assert [row["images_seen"] for row in rows if row["event"] == "scores"] == [0, 320, 640]
    losses = [row for row in rows if row["event"] == "losses"]
    assert losses[-1]["step"] == 20
    assert losses[-1].keys() >= {"loss_d", "loss_g", "value", "d_real", "d_fake"}


def test_two_runs_write_the_same_weights(run: Path, tmp_path: Path) -> None:
    again = tiny_run(tmp_path / "again")
    assert (again / "generator.safetensors").read_bytes() == (run / "generator.safetensors").read_bytes()
    assert (again / "samples.png").read_bytes() == (run / "samples.png").read_bytes()


def test_interrupted_it_keeps_what_it_has(tmp_path: Path) -> None:
    trainer = tiny_trainer(tmp_path / "run")
    interruption = Interruption()

    def interrupt(metrics: StepMetrics, images_seen: int, images_total: int) -> None:
        if trainer.state.step == 4:
            interruption.signal = 2

    trainer.progress.step = interrupt  # type: ignore[method-assign]
    trainer.fit(interruption)
    loaded = load_generator(tmp_path / "run")
    assert loaded.info["finished"] is False
    assert loaded.info["trained"] == {"step": 4, "images_seen": 128, "of": IMAGES}
    assert interruption.exit_code == 130


def test_a_full_disk_ends_the_run_and_keeps_the_last_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = tiny_trainer(tmp_path / "run")

    def fill_the_disk(step: int) -> None:
        def full(handle: int) -> None:
            raise OSError(28, "No space left on device")

        if trainer.state.step == step:
            monkeypatch.setattr(atomic.os, "fsync", full)

    trainer.progress.step = lambda *shown: fill_the_disk(12)  # type: ignore[method-assign]
    with pytest.raises(OutputError, match="No space left on device") as e:
        trainer.fit(Interruption())
    monkeypatch.undo()
    assert e.value.exit_code == 5
    assert load_generator(tmp_path / "run").info["images_seen"] == 320


def test_the_time_limit_fixes_the_length_once(tmp_path: Path) -> None:
    """After the steps that are timed, the length is what fits, and the rates still end at zero."""
    trainer = tiny_trainer(tmp_path / "run", tiny_config(images=3_200_000), deadline=time.monotonic())
    lengths = []

    def monitor(metrics: StepMetrics, images_seen: int, images_total: int) -> None:
        lengths.append(images_total)
        if trainer.state.step == CALIBRATION.stop - 1:
            trainer.deadline = time.monotonic() + 2 * trainer._evaluation_seconds + CLOSING_SECONDS + 1.0

    trainer.progress.step = monitor  # type: ignore[method-assign]
    trainer.fit(Interruption())
    info = load_generator(tmp_path / "run").info
    assert info["finished"] is True
    assert lengths[0] == info["config"]["images"] == 3_200_000
    assert len(set(lengths)) == 2
    assert len(lengths) * 32 >= lengths[-1] > CALIBRATION.stop * 32
    assert trainer.state.adam_g.param_groups[0]["lr"] == 0.0


def scores(kernel: float, sd: float) -> Scores:
    return replace(tiny_evaluator().floor, kernel=kernel, kernel_sd=sd)


@pytest.mark.parametrize(
    ("select", "seen", "kept"),
    [
        ("best", [9.0, 5.0, 3.0], 2),
        ("best", [9.0, 3.0, 5.0], 1),  # worse by more than one standard deviation
        ("best", [9.0, 3.0, 3.4], 2),  # noise: the later one
        ("best", [9.0, 3.0, 3.4, 3.7], 2),  # still measured against the best, so it cannot creep away
        ("last", [9.0, 3.0, 5.0], 2),
    ],
)
def test_selection(select: str, seen: list[float], kept: int, tmp_path: Path) -> None:
    trainer = tiny_trainer(tmp_path / "run", tiny_config(select=select))
    decisions = [trainer.selector.is_selected(scores(kernel, 0.5)) for kernel in seen]
    assert max(index for index, keep in enumerate(decisions) if keep) == kept


def test_a_run_never_writes_into_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert RunFolder.create(None, "digits-modern").path == Path("runs/0001-digits-modern")
    assert RunFolder.create(None, "digits-classic").path == Path("runs/0002-digits-classic")
    (tmp_path / "runs/0041-other").mkdir()
    assert RunFolder.create(None, "digits-modern").path == Path("runs/0042-digits-modern")
    with pytest.raises(OutputError, match="exists, and a run never writes over another"):
        RunFolder.create(Path("runs/0041-other"), "digits")
    Path("file").write_text("", encoding="utf-8")
    with pytest.raises(OutputError, match="cannot write"):
        RunFolder.create(Path("file/run"), "digits")
