"""Schemathesis generates requests from /openapi.json: none gets a 5xx."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.run_service import Service, running_service


@pytest.fixture(scope="module")
def service(tiny_classes_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """In one process: the routes do not depend on where the engines run."""
    with running_service(tmp_path_factory.mktemp("schema"), tiny_classes_bundle, "--per-client", 1000) as running:
        yield running


@pytest.mark.slow
def test_schemathesis_finds_no_server_error(service: Service, tmp_path: Path) -> None:
    pytest.importorskip("schemathesis", reason="NOT RUN: schemathesis is not installed")
    command = [sys.executable, "-m", "schemathesis.cli", "run", f"{service.url}/openapi.json", "--checks", "not_a_server_error"]
    command += ["--max-examples", "15", "--seed", "7", "--phases", "examples,coverage,fuzzing", "--no-color"]
    command += ["--exclude-path", "/metrics", "--exclude-path-regex", "^/v2/health"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]
    assert "Traceback" not in service.log.read_text()
