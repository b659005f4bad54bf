"""`gan verify --report FILE`: figures of what ran, NOT RUN with its reason for what did not, and exit codes 0, 4 and 6."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from gansample.bundle.open import EMBEDDED, open_bundle
from gansample.cli import gan
from gansample.errors import BackendUnavailable, OutputError, ParityError, UsageError
from gansample.runtimes import cuda_device
from gansample.runtimes.backends import GPU_BACKENDS, NVIDIA_BACKENDS
from gansample.runtimes.open import open_runner
from gansample.sampling.report import measure
from gansample.sampling.report.budget import Budget, shares
from gansample.sampling.report.process import Ended, Late, facts_of
from gansample.sampling.report.row import BATCHES, EngineRow
from gansample.sampling.report.run import measure_bundle
from gansample.sampling.report.worker import Job
from gansample.types import Images, Labels, Latents
from tests.support.report_here import report_here


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """No GPU, and the jobs are done in this process."""
    monkeypatch.setattr(cuda_device, "missing_gpu", lambda: "no NVIDIA driver on this machine")
    report_here(monkeypatch)


def verify(bundle: Path, report: Path, *options: str) -> str:
    gan.app(["verify", str(bundle), "--report", str(report), *options], standalone_mode=False)
    return report.read_text(encoding="utf-8")


def rows_of(text: str, backend: str) -> list[list[str]]:
    """The cells of every row that starts with this backend, table by table."""
    lines = (line for line in text.splitlines() if line.startswith(f"| {backend} |"))
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines]


def test_without_a_gpu_its_rows_are_not_run_and_the_command_ends_with_4(here: None, tiny_bundle: Path, tmp_path: Path) -> None:
    report = tmp_path / "docs" / "report.md"
    with pytest.raises(BackendUnavailable, match="did not run on this machine: see: ") as caught:
        verify(tiny_bundle, report)
    assert caught.value.exit_code == 4
    text = report.read_text()
    assert "- GPU: NOT RUN, no NVIDIA driver on this machine" in text
    for backend in GPU_BACKENDS:
        assert f"onnx-fp32 on {backend}" in str(caught.value)
        assert rows_of(text, backend) == [[backend, "onnx-fp32", "NOT RUN", "–", "–"]], "in no table of figures"
        reason = "no NVIDIA driver on this machine" if backend in NVIDIA_BACKENDS else ""  # a plugin, a loader, or a GPU
        assert f"- {backend} onnx-fp32, NOT RUN: {reason}" in text


def test_what_ran_has_every_figure(tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In processes of its own, as users have it."""
    monkeypatch.setattr("gansample.sampling.verify.GPU_BACKENDS", ())
    text = verify(tiny_bundle, tmp_path / "report.md", "--minutes", "1")
    verdict, speed, opening = rows_of(text, "onnxruntime")
    assert verdict[1:] == ["onnx-fp32", "PASS", "identical", "identical"]
    assert speed[1:3] == ["onnx-fp32", "none"], "a CPU copies nothing, and no figure without copies is invented"
    assert len(speed[3:]) == len(BATCHES)
    assert all(float(rate.replace(",", "")) > 0 for rate in speed[3:])
    cold, warm, host, device = opening[2:]
    assert float(cold) > 0
    assert float(warm) > 0
    assert float(host) > 1
    assert device == "–", "device memory is a GPU's"
    assert "NOT RUN:" not in text


def test_killed_in_the_middle_it_keeps_what_was_measured(tmp_path: Path) -> None:
    report = tmp_path / "report.md"
    command = [sys.executable, "-m", "gansample.cli.gan", "verify", "fashion", "--report", str(report)]
    environment = {**os.environ, "TMPDIR": str(tmp_path)}  # where a killed process leaves its caches
    with subprocess.Popen(command, stderr=subprocess.DEVNULL, env=environment) as process:
        until = time.monotonic() + 60
        while not (report.exists() and "stopped before further latents" in report.read_text()):
            assert time.monotonic() < until, "the goldens were never written down"
            time.sleep(0.02)
        children = psutil.Process(process.pid).children(recursive=True)
        process.kill()
    text = report.read_text()
    (verdict, *_) = rows_of(text, "onnxruntime")
    assert verdict[2] == "NOT RUN"
    assert verdict[3].endswith("dB, max 1"), "the goldens were drawn"
    assert "- onnxruntime onnx-fp32, NOT RUN: stopped before further latents were compared" in text
    assert "- cuda onnx-fp32, NOT RUN: stopped before it was measured" in text or "- cuda onnx-fp32, NOT RUN: no" in text
    _, alive = psutil.wait_procs(children, timeout=20)
    assert not alive, "whoever measures ends with whoever asked"


def test_a_variant_that_only_draws_the_goldens_right_fails(
    here: None, tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A batch of 17 beyond the goldens is wrong: the further latents see it."""
    real, opened_before = open_runner, []

    def opened(*arguments: object):
        runner, run = (opened := real(*arguments)), opened.run
        opened_before.append(runner)

        def wrong(z: Latents, label: Labels | None) -> Images:
            return run(z, label) ^ np.uint8(0x80 if len(z) == 17 and len(opened_before) > 1 else 0)

        monkeypatch.setattr(runner, "run", wrong, raising=False)
        return runner

    monkeypatch.setattr("gansample.runtimes.open.open_runner", opened)
    monkeypatch.setattr("gansample.sampling.verify.GPU_BACKENDS", ())
    with pytest.raises(ParityError, match=r"onnx-fp32 does not draw the pictures of PyTorch float64 here: .* see: .*report.md"):
        verify(tiny_bundle, tmp_path / "report.md")
    assert "onnxruntime onnx-fp32, FAIL: batch 17: max 128 steps, allowed 1" in (tmp_path / "report.md").read_text()


def test_what_does_not_fit_into_the_time_is_not_run_and_never_a_pass(
    here: None, tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gansample.sampling.verify.GPU_BACKENDS", ())
    monkeypatch.setattr(measure, "COMPARING", -1.0)
    (row,) = measure_bundle(open_bundle(tiny_bundle), lambda rows: None)
    assert (row.verdict, row.reasons) == ("NOT RUN", ["out of time after 64 of 1,024 latents at batches of 64"])
    assert not row.latents
    monkeypatch.setattr(measure, "COMPARING", 1.0)
    (row,) = measure_bundle(open_bundle(tiny_bundle), lambda rows: None, seconds=0.0)
    assert row.verdict == "NOT RUN"
    assert set(row.rates.values()) == {"out of time"}


def test_a_slow_backend_takes_nothing_from_the_others() -> None:
    """Its share is one of so many that are left, by backend, and what it does not use goes on."""
    engines = [("onnxruntime", "a"), ("onnxruntime", "b"), ("cuda", "a"), ("webgpu", "a")]
    rows = [EngineRow(variant=variant, precision="fp32", backend=backend) for backend, variant in engines]
    given = [round(share) for _, share in shares(rows, Budget(120.0), reserved=30.0)]
    assert given == [15, 30, 45, 90], "nobody used anything"


def test_a_process_that_is_late_or_crashes_says_so(tmp_path: Path) -> None:
    job = Job(stage="check", bundle=str(EMBEDDED / "fashion"), backend="onnxruntime", variant="onnx-fp32")
    with pytest.raises(Late):
        list(facts_of(job, 0.01, tmp_path))
    with pytest.raises(Ended, match="its process ended with exit code 1"):
        list(facts_of(Job(stage="check", bundle=str(tmp_path)), 60, tmp_path))


def test_a_report_that_cannot_be_written_is_refused_before_anything_is_measured(tiny_bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot write"):
        verify(tiny_bundle, tmp_path / "file" / "report.md")


def test_minutes_without_a_report_are_refused(tiny_bundle: Path) -> None:
    with pytest.raises(UsageError, match=r"--minutes is the time for a report: add --report FILE\.md"):
        gan.app(["verify", str(tiny_bundle), "--minutes", "3"], standalone_mode=False)


def test_every_class_takes_part(here: None, tiny_classes_bundle: Path) -> None:
    told: list[str] = []
    rows = measure_bundle(open_bundle(tiny_classes_bundle), lambda rows: told.append(rows[0].verdict))
    assert rows[0].verdict == "PASS"
    assert rows[0].latents[64].images == 1024
    assert told[0] == "NOT RUN"
    assert told[-1] == "PASS"
    assert sorted(measure.SPEED_BATCHES) == sorted(BATCHES)
    assert EngineRow.from_dict(json.loads(json.dumps(rows[0].to_dict()))).latents.keys() == rows[0].latents.keys()
