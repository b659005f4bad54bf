"""TensorRT's builder, cache and runner use only names, flags and arguments that the real bindings of 10 and 11 have."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.real_bindings import bindings
from tests.support.tiny_half_bundle import make_contract_bundles

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_contract_bundles(tmp_path_factory.mktemp("contract"))


@pytest.mark.parametrize("major", [1, 10, 11])  # 1 is TensorRT for RTX
def test_the_contract_holds_in_a_process_of_its_own(major: int, bundles: Path) -> None:
    if major > 1:
        bindings(f"tensorrt-{major}")
    bindings("cuda")
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:hypothesispytest",
        "tests/support/contract_tensorrt.py",
        # Its builder times nothing, and refuses graphs in test_tensorrt_rtx.py, itself.
        *(["-k", "not timings and not refused_graph"] if major == 1 else []),
    ]
    environment = {**os.environ, "TENSORRT_MAJOR": str(major), "CONTRACT_BUNDLES": str(bundles)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    summary = done.stdout.strip().splitlines()[-1]
    assert (passed := re.match(r"(\d+) passed(?:, 2 deselected)? in", summary)), summary  # no skip, no warning
    assert int(passed[1]) >= 33
