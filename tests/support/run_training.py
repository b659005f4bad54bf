"""The real `python -m train`, in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

from tests.support.repository import ROOT

ENVIRONMENT = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'serve'}"}
SMALL = ["--set", "image_size=8", "--set", "g_width=8", "--set", "d_width=8", "--set", "evaluations=2"]


def start(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """`python -m train` in `folder`, running."""
    command = [sys.executable, "-m", "train", *arguments]
    return subprocess.Popen(command, cwd=folder, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def train(folder: Path, *arguments: str) -> tuple[int, str, str]:
    """Run it to its end: exit code, stdout, stderr."""
    process = start(folder, *arguments)
    out, err = process.communicate(timeout=300)
    return process.returncode, out, err
