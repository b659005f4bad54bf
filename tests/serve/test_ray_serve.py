"""`gan serve --ray`: replicas die, more are started, newer exports arrive, strangers try to connect.

The contract itself – routes, limits, protocol, schema – is tested by the same tests as the in-process service's.
"""

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import psutil
import pytest

from gansample import open_sampler
from gansample.bundle.open import open_bundle
from gansample.bundle.spec import Variant
from gansample.cli.serve import parse_replicas
from gansample.errors import ArtefactError, UsageError
from gansample.latents import latents
from gansample.ray.engine import open_on_worker
from gansample.ray.replica import Replica
from gansample.ray.serving import batch_size
from gansample.sampling.options import EngineOptions
from tests.support.make_tiny_bundle import LATENT, make_tiny_bundle
from tests.support.run_service import Service, etag, free_port, replace_under_load, running_service

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Real pictures, so that a replica has something to do."""
    folder = tmp_path_factory.mktemp("cluster")
    limits = ("--max-waiting", 100_000, "--per-client", 1000)
    with running_service(folder, "fashion", "--ray", "--replicas", "2-3", *limits) as running:
        yield running


def replicas(service: Service) -> list[psutil.Process]:
    """The processes in which this service's engines draw."""
    family = psutil.Process(service.process.pid).children(recursive=True)
    return [process for process in family if _title(process).startswith("ray::ServeReplica")]


def _title(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def wait_for(condition: object, seconds: float = 60) -> None:
    assert callable(condition)
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.2)


def test_a_killed_replica_loses_no_accepted_request(service: Service) -> None:
    """Two die one after the other under load; every response has the right picture, and both are replaced."""
    wait_for(lambda: len(replicas(service)) >= 2)

    async def scenario() -> list[httpx.Response]:
        async with httpx.AsyncClient(base_url=service.url, limits=httpx.Limits(max_connections=64), timeout=60) as client:
            ask = [client.post("/v1/images/generations", json={"n": 16, "seed": 16 * i, "format": "npz"}) for i in range(400)]
            asking = asyncio.gather(*ask)
            for answered in (40, 160):
                while service.log.read_text().count('"status": 200, ') < answered:
                    await asyncio.sleep(0.005)
                replicas(service)[0].kill()
            return await asking

    answers = asyncio.run(scenario())
    assert {answer.status_code for answer in answers} == {200}
    import io

    with open_sampler("fashion") as sampler:
        for first in (0, 640, 2560, 6384):
            drawn = np.load(io.BytesIO(answers[first // 16].content))["images"]
            assert np.array_equal(drawn, sampler.sample(range(first, first + 16)))
    wait_for(lambda: len(replicas(service)) >= 2)
    assert httpx.get(f"{service.url}/readyz").status_code == 200


def test_load_starts_another_replica(service: Service) -> None:
    """It began with two, and may have three; the load of an earlier test counts as well."""
    stop = threading.Event()

    async def scenario() -> None:
        async with httpx.AsyncClient(base_url=service.url, limits=httpx.Limits(max_connections=100), timeout=60) as client:
            while not stop.is_set():
                await asyncio.gather(
                    *(client.post("/v1/images/generations", json={"n": 64, "format": "npz"}) for _ in range(100))
                )

    asking = threading.Thread(target=lambda: asyncio.run(scenario()))
    asking.start()
    try:
        wait_for(lambda: len(replicas(service)) == 3, 90)
    finally:
        stop.set()
        asking.join()


def test_strangers_reach_neither_dashboard_nor_cluster(service: Service, tmp_path: Path) -> None:
    family = psutil.Process(service.process.pid).children(recursive=True)
    (dashboard,) = [process for process in family if "dashboard/dashboard.py" in _title(process)]
    listening = [entry.laddr for entry in dashboard.net_connections("tcp") if entry.status == psutil.CONN_LISTEN]
    (port,) = [address.port for address in listening if 8000 <= address.port < 9000]
    assert [address.ip for address in listening if address.port == port] == ["127.0.0.1"]
    assert httpx.get(f"http://127.0.0.1:{port}/api/jobs/").status_code == 401
    address = next(_title(process) for process in family if "--gcs-address=" in _title(process))
    address = address.partition("--gcs-address=")[2].split()[0]
    code = f"import ray; ray.init({address!r}); print('in')"
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "0" * 64}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, timeout=120, check=False
    )
    assert "in" not in done.stdout.split()
    assert "uthenticat" in done.stderr or "oken" in done.stderr


def test_newer_exports_replace_the_old_one_and_damaged_ones_do_not(tmp_path: Path) -> None:
    bundle = make_tiny_bundle(tmp_path / "b")
    with running_service(tmp_path, bundle, "--ray", "--replicas", "1") as service:
        before = etag(service.url)
        fresh = make_tiny_bundle(tmp_path / "fresh", channels=1)
        data = bytearray((fresh / "golden.npz").read_bytes())
        data[len(data) // 2] ^= 4
        (fresh / "golden.npz").write_bytes(data)
        bundle.rename(tmp_path / "old")
        fresh.rename(bundle)
        assert service.said("serve: b is not replaced", 60)
        assert etag(service.url) == before

        replace_under_load(service, bundle, 60)
        wait_for(lambda: len(replicas(service)) == 1)


def test_two_services_share_an_external_cluster(tiny_bundle: Path, tmp_path: Path) -> None:
    """The replicas are shared, and stay when one service ends."""
    port, token = free_port(), "5e" * 32
    ours = {**os.environ, "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": token, "RAY_ADDRESS": f"127.0.0.1:{port}"}
    start = ["start", "--head", "--block", "--port", port, "--num-cpus", 4, "--include-dashboard", "false"]
    command = [sys.executable, "-m", "ray.scripts.scripts", *map(str, start), "--disable-usage-stats"]
    environment = {name: value for name, value in ours.items() if name != "RAY_ADDRESS"}
    with (tmp_path / "head.log").open("w") as log:
        head = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
    try:
        wait_for(lambda: "runtime started" in (tmp_path / "head.log").read_text())
        folders = [tmp_path / "first", tmp_path / "second"]
        for folder in folders:
            folder.mkdir()
        words = (tiny_bundle, "--ray", "--replicas", "1")
        with running_service(folders[0], *words, environment=ours) as first:
            with running_service(folders[1], *words, environment=ours) as second:
                urls = [f"{service.url}/v1/images/7.png" for service in (first, second)]
                assert len({httpx.get(url, timeout=30).content for url in urls}) == 1
            assert second.process.returncode == 143
            assert httpx.get(urls[0], timeout=30).status_code == 200, "the replicas outlive the other service"
    finally:
        os.killpg(head.pid, signal.SIGTERM)
        try:
            head.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(head.pid, signal.SIGKILL)
            head.wait()


def test_another_machines_bundle_must_be_the_same(tiny_bundle: Path, tmp_path: Path) -> None:
    other = make_tiny_bundle(tmp_path / "tiny", channels=1)
    with pytest.raises(ArtefactError, match="put the same bundle at the same path on every machine"):
        open_on_worker(EngineOptions(bundle=other), open_bundle(tiny_bundle).sha256)


def test_a_message_that_cannot_be_drawn_fails_alone(tiny_classes_bundle: Path) -> None:
    """The service checks labels before; here one slips through, like a failing engine."""
    replica = Replica.__new__(Replica)
    replica._sampler = open_sampler(tiny_classes_bundle)
    z = latents(range(6), LATENT)
    messages = [(z[:2], np.array([0, 1])), (z[2:3], np.array([99])), (z[3:], np.array([2, 0, 1]))]
    first, bad, last = replica._infer(messages)
    assert isinstance(bad, UsageError)
    with replica._sampler as sampler:
        assert np.array_equal(first, sampler.draw(z[:2], np.array([0, 1])))
        assert np.array_equal(last, sampler.draw(z[3:], np.array([2, 0, 1])))


@pytest.mark.parametrize(("rate", "size"), [(780.0, 39), (2515.5, 125), (1e6, 256), (3.0, 1), (None, 64)])
def test_a_batch_takes_a_twentieth_of_a_second(rate: float | None, size: int) -> None:
    speed = {} if rate is None else {"images_per_second": {"1": 9.0, "64": rate}}
    variant = Variant(name="v", runtime="onnxruntime", precision="fp32", files=("f",), parity={}, speed=speed)
    assert batch_size(variant) == size


def test_numbers_of_replicas() -> None:
    assert [parse_replicas(text) for text in ("2", "1-8")] == [range(2, 3), range(1, 9)]
    for text in ("0", "8-1", "many", "-2", "2-x"):
        with pytest.raises(UsageError, match="--replicas"):
            parse_replicas(text)


def test_without_the_extra_the_pip_line_is_named(tiny_bundle: Path, tmp_path: Path) -> None:
    code = "import sys; sys.modules['ray'] = None\nfrom gansample.cli.gan import main; main()"
    command = [sys.executable, "-c", code, "serve", "--ray", "--port", "0", str(tiny_bundle)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, "pip install 'gansample[ray]'" in done.stderr) == (4, True), done.stderr
