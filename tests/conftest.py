"""Tiny but real artefacts that many tests share, each made once a session."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.make_tiny_bundle import make_tiny_bundle

ROOT = Path(__file__).parents[1]
CHROMIUM = Path(shutil.which("chromium") or "/usr/bin/chromium")
FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]


def listen_to_interrupts() -> None:
    """For `preexec_fn`: a suite started in the background hands down an ignored SIGINT, which Python then respects."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.fixture(autouse=True)
def numbers_as_they_were() -> Iterator[None]:
    """A training run in the test's own process flushes denormals, of which Hypothesis likes to make some."""
    yield
    if torch := sys.modules.get("torch"):
        torch.set_flush_denormal(False)


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


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if not CHROMIUM.exists():
        if os.environ.get("CI") == "true":
            pytest.fail("CI must test the page: apt-get install chromium")
        pytest.skip("NOT RUN: Chromium is missing, apt-get install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()
