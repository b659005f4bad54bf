"""Imports point from training to serving, never back (the contracts stand in pyproject.toml)."""

import os
import subprocess
import sys

from tests.support.repository import ROOT


def test_import_contracts_hold() -> None:
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command; lint_imports_command()"]
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'serve'}"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
