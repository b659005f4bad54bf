"""Fixtures that many tests share: tiny but real bundles, the command, a browser."""

import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gansample.cli.log import PACKAGES
from gansample.system.telemetry import disable_telemetry
from tests.support.chromium import open_chromium
from tests.support.make_tiny_bundle import make_tiny_bundle
from tests.support.processes import Command

disable_telemetry()  # tests import ONNX Runtime themselves


@pytest.fixture(autouse=True)
def denormals_restored() -> Iterator[None]:
    """A training run in this process turns on flushing of denormals; Hypothesis needs it off."""
    yield
    if torch := sys.modules.get("torch"):
        torch.set_flush_denormal(False)


@pytest.fixture(autouse=True)
def loggers_restored() -> Iterator[None]:
    """A command that is called in this process sets up its logging for the rest of the process."""
    before = [(logger, logger.handlers, logger.level) for logger in map(logging.getLogger, PACKAGES)]
    yield
    for logger, handlers, level in before:
        logger.handlers = handlers
        logger.setLevel(level)


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


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with open_chromium() as browser:
        yield browser
