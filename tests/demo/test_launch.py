"""`python -m demo` starts lightly, opens nothing it was not asked to open, and leaves nothing behind."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from demo.app import build_page
from demo.bundle_store import BundleStore, find_bundles
from demo.desktop import has_desktop
from demo.image_store import ImageStore, private_image_store
from demo.launch import running
from gansample.bundle.open import open_bundle
from gansample.errors import ArtefactError, UsageError
from tests.support.make_tiny_bundle import make_tiny_bundle
from tests.support.repository import ROOT
from tests.support.run_demo import collected_event_loops, demo_command, read_until

NOWHERE = "http://127.0.0.1:9"  # the discard port: a proxy there makes a machine without network of any machine


def test_help_needs_no_gradio() -> None:
    code = "import sys, demo.cli; sys.exit(any(name in sys.modules for name in ('gradio', 'numpy', 'onnxruntime', 'torch')))"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


@pytest.mark.parametrize(
    ("arguments", "environment", "code", "message"),
    [
        (["--bundle", "absent"], {}, 3, "no bundle at"),
        (["--port", "0"], {}, 2, "--port"),
        (["--bundle", "tiny", "--no-auth"], {}, 2, "add --share"),
        (["--bundle", "tiny", "--tunnel-server", "tunnel.test:7000"], {}, 2, "add --share"),
        (["--bundle", "tiny", "--bundle", "./tiny"], {}, 2, "would both be 'tiny'"),
        (["--bundle", "tiny", "--share", "--tunnel-server", "nowhere"], {}, 2, "HOST:PORT"),
        (["--bundle", "tiny"], {"GRADIO_VIBE_MODE": "1"}, 2, "GRADIO_VIBE_MODE"),
    ],
)
def test_a_start_that_cannot_work_is_refused(
    tmp_path: Path, arguments: list[str], environment: dict[str, str], code: int, message: str
) -> None:
    make_tiny_bundle(tmp_path / "tiny")
    with demo_command(tmp_path, *arguments, **environment) as process:
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (code, "")
    assert message in err
    assert "Traceback" not in err


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_it_cleanly(tmp_path: Path, number: signal.Signals, code: int) -> None:
    make_tiny_bundle(tmp_path / "artifacts" / "tiny")
    with demo_command(tmp_path) as process:
        url = read_until(process, r"tiny, fashion at (http://127\.0\.0\.1:\d+/)")[1]
        assert urllib.request.urlopen(url, timeout=20).status == 200
        process.send_signal(number)
        out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (code, "")
    assert "Traceback" not in err
    assert [path.name for path in tmp_path.iterdir()] == ["artifacts"]


def test_without_a_network_the_page_goes_on_and_says_why_there_is_no_link(tmp_path: Path) -> None:
    make_tiny_bundle(tmp_path / "artifacts" / "tiny")
    offline = {"http_proxy": NOWHERE, "https_proxy": NOWHERE, "no_proxy": "127.0.0.1", "HF_HOME": str(tmp_path / "hub")}
    with demo_command(tmp_path, "--share", **offline) as process:
        url = read_until(process, r"tiny, fashion at (http://\S+)")[1]
        read_until(process, "sign in as guest, password [-_A-Za-z0-9]{12}")
        started = time.monotonic()
        why = read_until(process, "no public link: (.*)")[1]
        assert time.monotonic() - started < 30
        assert why.startswith("no network: cannot reach cdn-media.huggingface.co (")
        assert url in read_until(process, "the page is still available at .*")[0]
        for way in ("ssh -L", "make space", "--tunnel-server"):
            read_until(process, way)
        assert urllib.request.urlopen(url, timeout=20).status == 200
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) == 130


def test_the_environment_opens_nothing(tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SHARE", "MCP_SERVER", "RUN_HISTORY", "SSR_MODE", "ANALYTICS_ENABLED"):
        monkeypatch.setenv(f"GRADIO_{name}", "True")
    monkeypatch.setenv("GRADIO_ALLOWED_PATHS", "/")
    monkeypatch.setenv("GRADIO_NUM_WORKERS", "2")
    with private_image_store() as image_store, collected_event_loops():
        page = build_page(BundleStore([open_bundle(tiny_bundle)]), image_store)
        with running(page, image_store):
            assert page.server_name == "127.0.0.1"
            assert page.allowed_paths == [str(image_store.folder)]
            opened = ("share", "mcp_server", "run_history", "ssr_mode", "analytics_enabled", "enable_monitoring", "pwa")
            assert [name for name in opened if getattr(page, name)] == []
            assert getattr(page, "_static_worker_pool", None) is None


@pytest.mark.parametrize(
    ("environment", "platform", "terminal", "expected"),
    [
        ({"DISPLAY": ":0"}, "linux", True, True),
        ({"WAYLAND_DISPLAY": "wayland-0"}, "linux", True, True),
        ({}, "darwin", True, True),
        ({}, "win32", True, True),
        ({}, "linux", True, False),
        ({"DISPLAY": ":0"}, "linux", False, False),
        ({"DISPLAY": ":10", "SSH_CONNECTION": "192.0.2.1 1 192.0.2.2 22"}, "linux", True, False),
        ({"CI": "true"}, "darwin", True, False),
    ],
)
def test_a_browser_opens_where_somebody_sits(
    environment: dict[str, str], platform: str, terminal: bool, expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal, raising=False)
    assert has_desktop(environment, platform) is expected


def test_the_browser_that_is_asked_for_is_shown_the_page(tmp_path: Path) -> None:
    make_tiny_bundle(tmp_path / "tiny")
    program = tmp_path / "browser"
    program.write_text(f"#!/bin/sh\necho $1 > {tmp_path}/opened.part && mv {tmp_path}/opened.part {tmp_path}/opened\n")
    program.chmod(0o755)
    with demo_command(tmp_path, "--bundle", "tiny", "--browser", BROWSER=str(program)) as process:
        url = read_until(process, r"tiny at (http://\S+)")[1]
        for _ in range(200):
            if (tmp_path / "opened").exists():
                break
            time.sleep(0.1)
        assert (tmp_path / "opened").read_text().strip() == url


def test_a_taken_port_is_reported(tiny_bundle: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, private_image_store() as image_store, collected_event_loops():
        page = build_page(BundleStore([open_bundle(tiny_bundle)]), image_store)
        port = taken.getsockname()[1]
        with (
            pytest.raises(UsageError, match=f"another program has port {port}.*--port "),
            running(page, image_store, port=port),
        ):
            pass


def test_bundles_are_found_newest_first_and_a_damaged_one_is_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    roots = (tmp_path / "artifacts", tmp_path / "models")
    for age, (root, name) in enumerate([(roots[0], "new"), (roots[1], "old"), (roots[1], "new"), (roots[0], "broken")]):
        manifest = make_tiny_bundle(root / name) / "bundle.json"
        if name == "broken":
            manifest.write_text(manifest.read_text().replace("tanh", "tahn"))
        os.utime(manifest, (1000 - age, 1000 - age))
    bundle_store = BundleStore(find_bundles(roots))
    assert bundle_store.names == ["new", "old", "models/new"]
    assert "not shown" in caplog.text
    with pytest.raises(ArtefactError, match="no bundle under"):
        find_bundles((tmp_path / "nothing",))


def test_the_image_store_stays_under_its_quota_and_is_private() -> None:
    with private_image_store() as image_store:
        assert image_store.folder.parent.stat().st_mode & 0o077 == 0
        small = ImageStore(image_store.folder, quota_bytes=250)
        draws = [small.keep({"a.png": bytes(60), "b.png": bytes(40)}) for _ in range(4)]
        assert [path.exists() for draw in draws for path in draw] == [False] * 4 + [True] * 4
        folder = image_store.folder
    assert not folder.exists()
