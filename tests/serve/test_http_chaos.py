"""Bundles are replaced or damaged, clients disconnect, the process gets SIGTERM: no accepted request is lost."""

import asyncio
import shutil
import signal
import socket
import time
from pathlib import Path

import httpx
import pytest

from tests.support.make_tiny_bundle import make_tiny_bundle
from tests.support.run_service import etag, export_over, replace_under_load, running_service


def test_a_newer_export_replaces_the_old_one_while_serving(tmp_path: Path) -> None:
    bundle = make_tiny_bundle(tmp_path / "b")
    with running_service(tmp_path, bundle) as service:
        replace_under_load(service, bundle, 20)


@pytest.mark.parametrize("name", ["generator.onnx", "golden.npz", "bundle.json"])
def test_a_damaged_export_is_rejected_and_the_old_one_keeps_serving(name: str, tmp_path: Path) -> None:
    bundle = make_tiny_bundle(tmp_path / "b")
    with running_service(tmp_path, bundle) as service:
        before = etag(service.url)
        fresh = make_tiny_bundle(tmp_path / "fresh", channels=1)
        data = bytearray((fresh / name).read_bytes())
        data[len(data) // 2] ^= 4
        (fresh / name).write_bytes(data)
        bundle.rename(tmp_path / "old")
        fresh.rename(bundle)
        assert service.said("serve: b is not replaced")
        assert etag(service.url) == before
        assert httpx.get(f"{service.url}/readyz").status_code == 200
        export_over(bundle, channels=1)
        assert service.said("serve: b is now")


def test_a_deleted_bundle_keeps_serving(tmp_path: Path) -> None:
    bundle = make_tiny_bundle(tmp_path / "b")
    with running_service(tmp_path, bundle) as service:
        before = etag(service.url)
        shutil.rmtree(bundle)
        time.sleep(2.5)
        assert etag(service.url) == before


def test_a_bundle_that_draws_other_pictures_is_never_served(tmp_path: Path) -> None:
    """Its digests are right, but its goldens are another model's: only drawing shows that."""
    import numpy as np

    from export.bundle_writer.write import npz_bytes, write_bundle
    from gansample.bundle.open import open_bundle

    bundle = open_bundle(make_tiny_bundle(tmp_path / "b"))
    with np.load(bundle.path / "golden.npz") as golden:
        arrays = {**golden, "images": 255 - golden["images"]}
    files = {"generator.onnx": bundle.read("generator.onnx"), "golden.npz": npz_bytes(**arrays)}
    shutil.rmtree(bundle.path)
    write_bundle(bundle.path, bundle.spec, list(bundle.variants), files)
    with pytest.raises(AssertionError, match="does not draw this bundle's pictures"), running_service(tmp_path, bundle.path):
        pass


def test_sigterm_under_load_answers_the_accepted_requests(tiny_bundle: Path, tmp_path: Path) -> None:
    with running_service(tmp_path, tiny_bundle) as service:

        async def scenario() -> list[httpx.Response | BaseException]:
            limits = httpx.Limits(max_connections=60)
            async with httpx.AsyncClient(base_url=service.url, limits=limits, timeout=60) as client:
                ask = [client.post("/v1/images/generations", json={"n": 256, "seed": i}) for i in range(60)]
                asking = asyncio.gather(*ask, return_exceptions=True)
                while '"status": 200' not in service.log.read_text():
                    await asyncio.sleep(0.002)
                service.process.send_signal(signal.SIGTERM)
                return await asking

        answers = asyncio.run(scenario())
        done = [answer for answer in answers if isinstance(answer, httpx.Response)]
        assert len(done) == 60, [repr(answer) for answer in answers if not isinstance(answer, httpx.Response)]
        assert {answer.status_code for answer in done} <= {200, 429, 503}
        assert all(len(answer.json()["data"]) == 256 for answer in done if answer.status_code == 200)
        assert service.process.wait(40) == 143
        assert "Traceback" not in service.log.read_text()


def test_disconnected_clients_are_skipped(tiny_bundle: Path, tmp_path: Path) -> None:
    with running_service(tmp_path, tiny_bundle) as service:
        body = b'{"n": 256, "seed": 1}'
        head = (
            b"POST /v1/images/generations HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
        )
        for _ in range(60):
            with socket.create_connection(("127.0.0.1", service.port)) as connection:
                connection.sendall(head % len(body) + body)
        for _ in range(100):  # the queue may still be full of them: then the answer is 429 and when to come back
            status = httpx.get(f"{service.url}/v1/images/1.png", timeout=20).status_code
            if status != 429:
                break
            time.sleep(0.1)
        assert status == 200
        for _ in range(100):
            text = httpx.get(f"{service.url}/metrics").text
            if 'gansample_waiting_pictures{model="tiny"} 0.0' in text:
                break
            time.sleep(0.1)
        else:
            raise AssertionError(text)
        assert "Traceback" not in service.log.read_text()


def test_without_the_extra_the_pip_line_is_named(tiny_bundle: Path, tmp_path: Path) -> None:
    import subprocess
    import sys

    code = "import sys; sys.modules['fastapi'] = None\nfrom gansample.cli.gan import main; main()"
    command = [sys.executable, "-c", code, "serve", str(tiny_bundle)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, "pip install 'gansample[serve]'" in done.stderr) == (4, True), done.stderr
