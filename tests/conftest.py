"""Tiny but real artefacts that many tests share, each made once a session."""

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.make_tiny_bundle import make_tiny_bundle

ROOT = Path(__file__).parents[1]


def listen_to_interrupts() -> None:
    """For `preexec_fn`: a suite started in the background hands down an ignored SIGINT, which Python then respects."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


Command = Callable[..., subprocess.CompletedProcess[bytes]]


@pytest.fixture(scope="session")
def tiny_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of 8×8 RGB pictures from a linear generator. Shared: copy it before damaging it."""
    return make_tiny_bundle(tmp_path_factory.mktemp("bundles") / "tiny")


@pytest.fixture(scope="session")
def tiny_classes_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with three classes."""
    return make_tiny_bundle(tmp_path_factory.mktemp("bundles") / "pets", name="pets", classes=("ant", "bee", "cat"))


@pytest.fixture
def gansample(tmp_path: Path) -> Command:
    """Run the real command in an empty folder: gansample("--n", 4, "out.png").returncode."""

    def run(*arguments: object, **options: object) -> subprocess.CompletedProcess[bytes]:
        command = [sys.executable, "-m", "gansample", *map(str, arguments)]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, timeout=60, check=False, **options)  # type: ignore[call-overload, no-any-return]

    return run
