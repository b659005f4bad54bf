"""`make test-gpu` without a GPU: the same code on the processor, and a page that says NOT RUN where nothing ran."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks import documents
from benchmarks.dcgan64 import dcgan64_generator
from benchmarks.gpu import pytorch, training
from benchmarks.gpu.page import page
from benchmarks.gpu.pytorch import COPIES, WAYS, open_way
from benchmarks.tutorial_loop import TutorialLoop
from export.export_model import ExportModel
from gansample.bundle.fidelity import GATES, compare
from gansample.errors import BackendUnavailable
from gansample.sampling.report.row import STOPPED, EngineRow
from tests.support.repository import ROOT

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from benchmarks.dcgan64 import Generator

    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "netG.pt"
    torch.save(Generator().state_dict(), path)
    return path


def reference(model: ExportModel, z: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    with torch.no_grad():
        pictures: np.ndarray[Any, Any] = model(torch.from_numpy(z))[0].numpy()
    return pictures


@pytest.mark.parametrize("name", [name for name, way in WAYS.items() if way.compiled is None and name != COPIES])
def test_pytorch_draws_the_same_pictures(name: str, weights: Path) -> None:
    model = dcgan64_generator(weights)
    z = model.spec.latents(range(3))
    with open_way(name, CPU, weights) as runner:
        drawn = runner.run(z, None)
        assert runner.on_device(z, None) is None, "a CPU copies nothing"
    assert not GATES[pytorch.precision_of(name)].failures(compare(drawn, reference(model, z)))


def test_copies_alone_are_pictures_that_nobody_drew(weights: Path) -> None:
    with open_way(COPIES, CPU, weights) as runner:
        assert runner.run(np.zeros((2, 100), np.float32), None).shape == (2, 64, 64, 3)


def test_without_a_gpu_its_ways_say_so(weights: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    for name in WAYS:
        with pytest.raises(BackendUnavailable, match="PyTorch finds no GPU"):
            open_way(name, torch.device("cuda"), weights)
    (fact,) = training.job_facts({"name": training.GRAPH, "device": "cuda"})
    assert fact["reason"].startswith("PyTorch finds no GPU")


@pytest.mark.parametrize("bf16", [False, True])
def test_the_tutorials_loop_takes_steps(bf16: bool) -> None:
    loop = TutorialLoop(torch.zeros(4, 3, 64, 64, dtype=torch.uint8), 2, bf16=bf16)
    assert all(torch.isfinite(loss) for _ in range(2) for loss in loop.step())


def document(engines: list[EngineRow], ways: list[EngineRow]) -> dict[str, Any]:
    made = {
        "facts": {"GPU": "a card"},
        "reference": "PyTorch float64",
        "latents": 1024,
        "engines_reason": "",
        "engines": [row.to_dict() for row in engines],
        "pytorch": [row.to_dict() for row in ways],
        "training": [{"name": "modern, bf16", "images_per_second": 5000.0}, {"name": "classic, bf16", "reason": STOPPED}],
        "pytorch_settings": pytorch.SETTINGS,
        "training_settings": training.SETTINGS,
    }
    return json.loads(json.dumps(made))


def measured(backend: str, variant: str, rate: float, verdict: str = "PASS") -> EngineRow:
    seen = compare(np.zeros((1, 2, 2, 1), np.uint8), np.zeros((1, 2, 2, 1), np.uint8))
    row = EngineRow(variant=variant, precision="fp16", backend=backend, on_gpu=True, verdict=verdict, reasons=[])
    row.learn({"goldens": {64: seen.to_dict()}, "latents": {64: seen.to_dict()}, "cold_seconds": 2.0, "warm_seconds": 1.0})
    row.learn({"rates": {1024: rate}, "device_rates": {1024: 2 * rate}})
    return row


def test_the_page_puts_the_fastest_of_both_sides_beside_each_other() -> None:
    slow, wrong = measured("cuda", "onnx-fp32", 500.0), measured("tensorrt", "onnx-fp16", 9000.0, "FAIL")
    text = page(document([slow, measured("cuda", "onnx-fp16", 3000.0), wrong], [measured("pytorch", "eager", 2000.0)]))
    assert "| 1,024 | with | cuda onnx-fp16 | 3,000 | pytorch eager | 2,000 | 1.50× |" in text, "what fails is not fast"
    assert "| 1,024 | without | cuda onnx-fp16 | 6,000 | pytorch eager | 4,000 | 1.50× |" in text
    assert "| modern, bf16 | 5,000 |" in text
    assert f"- classic, bf16 – NOT RUN: {STOPPED}" in text


def test_before_anything_was_measured_everything_is_not_run() -> None:
    ways = [EngineRow(variant=name, precision="fp32", backend="pytorch", on_gpu=True) for name in WAYS]
    text = page({**document([], ways), "engines_reason": "stopped before the generator was exported"})
    assert "NOT RUN: stopped before the generator was exported" in text
    (line,) = (line for line in text.splitlines() if line.startswith("- PyTorch") and line.endswith(f" – NOT RUN: {STOPPED}"))
    assert all(name == COPIES or f"PyTorch {name}" in line for name in WAYS)


def test_a_report_in_the_repository_is_its_file() -> None:
    result, written = ROOT / "benchmarks" / "results" / "gpu.json", ROOT / "docs" / "gpu-report.md"
    assert result.exists() == written.exists()
    if result.exists():
        assert written.read_text() == page(documents.load("gpu.json"))
