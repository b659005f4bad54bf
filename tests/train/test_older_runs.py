"""Runs of version 0.1 open, export and resume."""

import json
import shutil
from pathlib import Path

import pytest
import torch

from export.build import BUILDERS, build_bundle
from export.importers.from_run import generator_from_run
from gansample.bundle.open import open_bundle
from gansample.errors import ArtefactError, UsageError
from tests.support.run_training import train
from train.checkpoint import load_generator
from train.config import Config
from train.plan import TrainingPlan
from train.run_folder import CONFIG, RunFolder
from train.show.report import read_log, report_html

RUNS = Path(__file__).parent / "fixtures/run-0.1"
EVERY_RUN = pytest.mark.parametrize("name", ["finished", "interrupted"])


@EVERY_RUN
def test_it_opens(name: str) -> None:
    loaded = load_generator(RUNS / name)
    plan = TrainingPlan.from_run(RunFolder.reopen(RUNS / name, lock=False))
    assert (plan.preset, plan.config.g_width, plan.request.image_size) == ("modern", 4, 16)
    assert loaded.info["finished"] is (name == "finished")
    with torch.no_grad():
        assert loaded.generator(torch.zeros(2, 8)).shape == (2, 1, 16, 16)
    assert ("Finished after 320 pictures" in report_html(RUNS / name)) is (name == "finished")


@EVERY_RUN
def test_it_exports(name: str, tmp_path: Path) -> None:
    build_bundle(generator_from_run(RUNS / name), tmp_path / "bundle", {"onnx-fp32": BUILDERS["onnx-fp32"]})
    spec = open_bundle(tmp_path / "bundle").spec
    assert (spec.latent_size, spec.height, spec.channels) == (8, 16, 1)


def test_it_resumes_and_ends_where_the_undisturbed_one_did(tmp_path: Path) -> None:
    """Bit for bit on the processor that made it, and within rounding on others."""
    run = tmp_path / "run"
    shutil.copytree(RUNS / "interrupted", run)
    (run / "previews").mkdir()
    code, _, err = train(tmp_path, "--resume", "run")
    assert code == 0, err
    assert "resuming after 128 of 320 images" in err
    resumed, straight = load_generator(run), load_generator(RUNS / "finished")
    assert resumed.info["finished"] is True
    assert resumed.info["trained"] == straight.info["trained"]
    for name, tensor in straight.generator.state_dict().items():
        assert torch.allclose(resumed.generator.state_dict()[name].float(), tensor.float(), atol=1e-3), name
    after = [
        [(row["event"], row["step"]) for row in read_log(folder) if row["event"] != "warning" and row["step"] > 8]
        for folder in (run, RUNS / "finished")
    ]
    assert after[0] == after[1] == [("losses", 20), ("scores", 20)]


def test_an_uneven_kernel_was_an_experiment(tmp_path: Path) -> None:
    document = json.loads((RUNS / "finished" / CONFIG).read_text())
    document["config"] |= {"kernel": 5, "uneven_kernel": True}
    with pytest.raises(UsageError, match="uneven_kernel is true"):
        Config.from_dict(document["config"])
    (tmp_path / CONFIG).write_text(json.dumps(document))
    with pytest.raises(ArtefactError, match=r"config.json is not from this version \(uneven_kernel is true"):
        TrainingPlan.from_run(RunFolder.reopen(tmp_path, lock=False))
