"""The demo for its tests: in this process on a free port (`serve_demo`), or as the command (`demo_command`)."""

import asyncio
import contextlib
import gc
import os
import re
import subprocess
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from demo.app import build_page
from demo.bundle_store import BundleStore
from demo.image_store import private_image_store
from demo.launch import running
from demo.limits import Limits, Rate
from gansample.bundle.open import open_bundle
from tests.support.local_server import serve
from tests.support.processes import listen_to_interrupts
from tests.support.repository import ROOT

PLENTY = Rate(burst=10_000, per_second=1_000)
GENEROUS = Limits(draws=PLENTY, all_draws=PLENTY, sign_ins=PLENTY, all_sign_ins=PLENTY)  # a suite is faster than people


@dataclass(frozen=True)
class Demo:
    url: str
    pictures: Path
    """The folder whose files it serves."""


@contextmanager
def serve_demo(
    bundles: Sequence[Path], password: str | None = None, limits: Limits = GENEROUS, behind_proxy: bool = False
) -> Iterator[Demo]:
    bundle_store = BundleStore([open_bundle(path) for path in bundles])
    with private_image_store() as image_store, contextlib.ExitStack() as stack:
        with collected_event_loops():
            url = stack.enter_context(
                running(
                    build_page(bundle_store, image_store),
                    image_store,
                    password=password,
                    limits=limits,
                    behind_proxy=behind_proxy,
                )
            )
        yield Demo(url.rstrip("/"), image_store.folder)
    bundle_store.close()


@contextmanager
def demo_command(folder: Path, *arguments: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """`python -m demo`, running in `folder`; killed at the end of the block if it still runs."""
    variables = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'serve'}", "TMPDIR": str(folder), **environment}
    with subprocess.Popen(
        [sys.executable, "-m", "demo", *arguments],
        cwd=folder,
        env=variables,
        stdout=-1,
        stderr=-1,
        text=True,
        preexec_fn=listen_to_interrupts,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def read_until(process: subprocess.Popen[str], pattern: str) -> re.Match[str]:
    """Wait for a line of stderr that matches; fails with all of them if the command ends first."""
    assert process.stderr is not None
    seen = []
    for line in process.stderr:
        seen.append(line)
        if match := re.search(pattern, line):
            return match
    pytest.fail(f"no line matches {pattern!r} in:\n{''.join(seen)}")


@contextmanager
def collected_event_loops() -> Iterator[None]:
    """Collect the loops that Gradio 6.31 makes for its locks and never closes, so that no later test is blamed for them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        yield
        asyncio.set_event_loop(None)
        gc.collect()


@contextmanager
def serve_files(files: Mapping[str, bytes]) -> Iterator[str]:
    """A stand-in for somebody else's web service: these paths, 403 for all others. Gives its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path in files else 403)
            self.end_headers()
            self.wfile.write(files.get(self.path, b""))

        def log_message(self, *arguments: object) -> None:
            pass

    with serve(Handler) as address:
        yield address
