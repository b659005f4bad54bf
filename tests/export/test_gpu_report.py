"""`make test-gpu` writes only what ran: without a GPU nothing, with exit code 4."""

from pathlib import Path

import pytest

from export import gpu_report
from gansample.errors import BackendUnavailable
from gansample.runtimes.cuda_device import missing_gpu
from tests.support.make_tiny_bundle import make_tiny_bundle


def test_without_a_gpu_it_is_not_run_and_nothing_is_written(tmp_path: Path) -> None:
    if missing_gpu() is None:
        pytest.skip("this machine has a GPU")
    out, bundle = tmp_path / "docs" / "gpu-report.md", make_tiny_bundle(tmp_path / "tiny")
    with pytest.raises(BackendUnavailable, match=r"NOT RUN, nothing was written: .*NVIDIA") as caught:
        gpu_report.app([str(bundle), "--out", str(out)], standalone_mode=False)
    assert caught.value.exit_code == 4
    assert not out.parent.exists()
