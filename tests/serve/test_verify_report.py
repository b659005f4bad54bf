"""`gan verify --report FILE`: figures of what ran, NOT RUN with its reason for what did not, and exit codes 0, 4 and 6."""

from pathlib import Path

import numpy as np
import pytest

from gansample.bundle.open import open_bundle
from gansample.cli import gan
from gansample.errors import BackendUnavailable, OutputError, ParityError
from gansample.runtimes import cuda_device
from gansample.runtimes.backends import GPU_BACKENDS, NVIDIA_BACKENDS
from gansample.sampling import verify_report
from gansample.types import Images, Labels, Latents


@pytest.fixture(autouse=True)
def no_gpu_and_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuda_device, "missing_gpu", lambda: "no NVIDIA driver on this machine")
    monkeypatch.setattr(verify_report, "SPEED_SECONDS", 0.0)


def verify(bundle: Path, report: Path) -> str:
    gan.app(["verify", str(bundle), "--report", str(report)], standalone_mode=False)
    return report.read_text(encoding="utf-8")


def test_without_a_gpu_its_rows_are_not_run_and_the_command_ends_with_4(tiny_bundle: Path, tmp_path: Path) -> None:
    report = tmp_path / "docs" / "report.md"
    missing = ", ".join(f"onnx-fp32 on {backend}" for backend in GPU_BACKENDS)
    with pytest.raises(BackendUnavailable, match=f"{missing} did not run") as caught:
        verify(tiny_bundle, report)
    assert caught.value.exit_code == 4
    text = report.read_text()
    assert "- GPU: NOT RUN, no NVIDIA driver on this machine" in text
    for backend in GPU_BACKENDS:
        assert f"| {backend} | onnx-fp32 | NOT RUN |" + " – |" * 8 in text
        reason = "no NVIDIA driver on this machine" if backend in NVIDIA_BACKENDS else ""  # a plugin, a loader, or a GPU
        assert f"{backend} onnx-fp32, NOT RUN: {reason}" in text


def test_what_ran_has_every_figure(tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gansample.sampling.verify.GPU_BACKENDS", ())
    (row,) = (line for line in verify(tiny_bundle, tmp_path / "report.md").splitlines() if line.startswith("| onnxruntime"))
    _, backend, variant, verdict, goldens, further, *speeds, opened, again, memory, _ = (
        cell.strip() for cell in row.split("|")
    )
    assert (backend, variant, verdict, goldens, further) == ("onnxruntime", "onnx-fp32", "PASS", "identical", "identical")
    assert all(float(rate.replace(",", "")) > 0 for rate in speeds)
    assert len(speeds) == 3
    assert float(opened) >= 0
    assert float(again) >= 0
    assert memory == "–", "device memory is a GPU's"


def test_a_variant_that_only_draws_the_goldens_right_fails(
    tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A batch of 17 beyond the goldens is wrong: the further latents see it."""
    real = verify_report.open_runner

    def opened(*arguments: object):
        runner, run = (opened := real(*arguments)), opened.run

        def wrong(z: Latents, label: Labels | None) -> Images:
            return run(z, label) ^ np.uint8(0x80 if len(z) == 17 else 0)

        monkeypatch.setattr(runner, "run", wrong, raising=False)
        return runner

    monkeypatch.setattr(verify_report, "open_runner", opened)
    with pytest.raises(ParityError, match=r"onnx-fp32 does not draw the pictures of PyTorch float64 here: .* see: .*report.md"):
        verify(tiny_bundle, tmp_path / "report.md")
    assert "onnxruntime onnx-fp32, FAIL: batch 17: max 128 steps, allowed 1" in (tmp_path / "report.md").read_text()


def test_a_report_that_cannot_be_written_is_refused_before_anything_is_measured(tiny_bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot write"):
        verify(tiny_bundle, tmp_path / "file" / "report.md")


def test_every_class_takes_part(tiny_classes_bundle: Path) -> None:
    bundle = open_bundle(tiny_classes_bundle)
    from gansample.sampling.verify import check_variants

    rows = list(verify_report.measure(bundle, check_variants(bundle)))
    assert rows[0].check.verdict == "PASS"
    assert rows[0].by_batch[64].images == 1024
