"""A full disk or a damaged bundle is reported on the page, and the page keeps working."""

import resource
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.make_tiny_bundle import make_tiny_bundle
from tests.support.run_demo import Demo, demo_command, read_until, serve_demo

gradio_client = pytest.importorskip("gradio_client")
UNAVAILABLE = "this generator cannot draw just now"


def connect(url: str, folder: Path) -> Any:
    return gradio_client.Client(url, verbose=False, download_files=str(folder / "downloads"))


def generate(client: Any, bundle: str = "tiny", precision: str = "exact") -> list[str]:
    gallery, _ = client.predict(bundle, "each in turn", 7, 3, 0, precision, api_name="/generate")
    return [item["caption"] for item in gallery["value"]]


@pytest.fixture
def fragile(tmp_path: Path) -> Path:
    """A bundle that may be damaged."""
    return make_tiny_bundle(tmp_path / "fragile", name="fragile")


@pytest.fixture
def demo(fragile: Path, tiny_bundle: Path) -> Iterator[Demo]:
    with serve_demo([fragile, tiny_bundle]) as demo:
        yield demo


def damage(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def test_a_bundle_damaged_while_it_is_served_affects_no_other(
    demo: Demo, fragile: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    client = connect(demo.url, tmp_path)
    assert generate(client, "fragile") == ["seed 7", "seed 8", "seed 9"]
    damage(fragile / "generator.onnx")
    damage(fragile / "golden.npz")
    assert generate(client, "fragile") == ["seed 7", "seed 8", "seed 9"], (
        "an open engine keeps drawing: its file was intact when it was read"
    )
    with pytest.raises(gradio_client.exceptions.AppError, match=UNAVAILABLE):
        generate(client, "fragile", "fast")  # opened only now
    with pytest.raises(gradio_client.exceptions.AppError, match=UNAVAILABLE):
        client.predict("fragile", api_name="/check")
    assert "golden.npz" in caplog.text, "the log says which file"
    assert generate(client, "tiny") == ["seed 7", "seed 8", "seed 9"]


def test_a_bundle_that_vanishes_before_its_first_picture_is_reported(demo: Demo, fragile: Path, tmp_path: Path) -> None:
    shutil.rmtree(fragile)
    client = connect(demo.url, tmp_path)
    with pytest.raises(gradio_client.exceptions.AppError, match=UNAVAILABLE):
        generate(client, "fragile")
    assert generate(client, "tiny") == ["seed 7", "seed 8", "seed 9"]


@pytest.mark.browser
def test_a_page_whose_first_bundle_is_damaged_opens_and_another_can_be_chosen(browser: Any, fragile: Path, demo: Demo) -> None:
    damage(fragile / "generator.onnx")
    page = browser.new_page()
    page.goto(demo.url)
    page.get_by_text(UNAVAILABLE).first.wait_for()
    page.get_by_label("Generator").click()
    page.get_by_role("option", name="tiny").click()
    page.wait_for_selector("#gallery .grid-container img")
    page.close()


def space_left(process: "subprocess.Popen[str]", size: int) -> None:
    """No file of the process may grow past `size` bytes: writing more fails as it does on a full disk, with errno 27 for 28."""
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


def test_a_full_disk_is_reported_and_drawing_works_again_when_there_is_room(tmp_path: Path) -> None:
    make_tiny_bundle(tmp_path / "tiny")
    with demo_command(tmp_path, "--bundle", "tiny") as process:
        client = connect(read_until(process, r"tiny at (http://\S+)")[1], tmp_path)
        assert generate(client) == ["seed 7", "seed 8", "seed 9"]
        space_left(process, 20)
        for call in (lambda: generate(client), lambda: client.predict("tiny", 3, 9, "gif", api_name="/film")):
            with pytest.raises(gradio_client.exceptions.AppError, match=UNAVAILABLE):
                call()
        space_left(process, resource.RLIM_INFINITY)
        assert generate(client) == ["seed 7", "seed 8", "seed 9"]
        (private,) = tmp_path.glob("gan-demo-*")
        left = [
            path.name for path in private.rglob("*") if path.name.endswith((".tmp", ".gif")) or path.name.startswith(".draw")
        ]
        assert not left, "nothing half done stays behind"
        process.send_signal(signal.SIGINT)
        _, log = process.communicate(timeout=30)
    assert log.count("cannot write") == 2
    assert "Traceback" not in log
    assert process.returncode == 130
