"""`gansample --ray OUT`: shards whose bytes depend on the job alone, not on workers, failures or where they are stored."""

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import fsspec
import numpy as np
import psutil
import pytest
from PIL import Image
from pyarrow import parquet

from gansample import open_sampler
from gansample.outputs.job import Job
from gansample.outputs.metadata import picture_metadata
from gansample.outputs.pipeline import draw_into
from gansample.ray.shards import ParquetShard
from gansample.ray.store import Store
from gansample.sampling.sampler import Engine
from gansample.sampling.selection import Seeds
from tests.support.processes import Command
from tests.support.run_service import free_port

pytestmark = pytest.mark.slow

JOB = ("--bundle", "fashion", "--backend", "onnxruntime")


def bulk(folder: Path, *words: object, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "gansample", *map(str, words), "--ray"]
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=200, check=False, env={**os.environ, **environment}
    )


def digests(folder: Path, pattern: str = "*-??????.*") -> dict[str, str]:
    files = [path for path in sorted(folder.glob(pattern)) if path.suffix != ".sha256"]
    return {path.name: sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """2,500 pictures in shards of 1,000, by two workers. Shared: do not change it."""
    folder = tmp_path_factory.mktemp("bulk")
    done = bulk(folder, *JOB, "--n", 2500, "--shard", 1000, "--workers", 2, "pictures.tar", "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert (report["n"], report["drawn"], report["workers"], report["variant"]) == (2500, 2500, 2, "onnx-fp32")
    return folder


def test_the_shards_are_those_of_one_process(drawn: Path, tmp_path: Path, gansample: Command) -> None:
    assert gansample(*JOB, "--n", 2500, "--shard", 1000, "pictures.tar", "--quiet").returncode == 0
    assert digests(drawn) == digests(tmp_path)
    assert len(digests(drawn)) == 3


def test_one_worker_writes_the_same(drawn: Path, tmp_path: Path) -> None:
    done = bulk(tmp_path, *JOB, "--n", 2500, "--shard", 1000, "--workers", 1, "--batch", 7, "pictures.tar", "--quiet")
    assert done.returncode == 0, done.stderr
    assert digests(drawn) == digests(tmp_path)
    assert (drawn / "pictures.json").read_bytes() == (tmp_path / "pictures.json").read_bytes()


def test_the_digests_are_sha256sums(drawn: Path) -> None:
    checked = subprocess.run("sha256sum --check *.sha256", shell=True, cwd=drawn, capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stdout.count(": OK")) == (0, 3)
    index = json.loads((drawn / "pictures.json").read_text())
    assert {entry["name"]: entry["sha256"] for entry in index["shards"]} == digests(drawn)
    assert (index["pictures"], index["shard"], index["identity"]["seeds"]) == (2500, 1000, "0-2499")
    assert {path.name for path in drawn.iterdir()} == {
        "pictures.json", *(f"pictures-00000{i}.tar{end}" for i in range(3) for end in ("", ".sha256")),
    }  # fmt: skip


def test_the_pictures_are_the_seeds(drawn: Path) -> None:
    with tarfile.open(drawn / "pictures-000002.tar") as shard, open_sampler("fashion", "onnxruntime") as sampler:
        names = [name for name in shard.getnames() if name.endswith(".png")]
        assert names == [f"seed{seed:07d}.png" for seed in range(2000, 2500)]
        for seed in (2000, 2257, 2499):
            file = shard.extractfile(f"seed{seed:07d}.png")
            assert file is not None
            image = np.asarray(Image.open(io.BytesIO(file.read())))
            assert np.array_equal(image, sampler.sample([seed])[0, :, :, 0])


def test_a_job_of_version_0_1_stays_as_it_was_begun(drawn: Path, tmp_path: Path) -> None:
    """Its pictures also say `why` their engine was chosen."""
    shutil.copytree(drawn, tmp_path, dirs_exist_ok=True)
    index = json.loads((tmp_path / "pictures.json").read_text())
    identity = {**index["identity"], "why": "it was asked for"}
    (tmp_path / "pictures.json").write_text(json.dumps({**index, "identity": identity}))
    (tmp_path / "pictures-000002.tar.sha256").unlink()
    done = bulk(tmp_path, *JOB, "--n", 2500, "--shard", 1000, "pictures.tar", "--resume", "--json")
    assert json.loads(done.stdout)["drawn"] == 500, done.stderr
    assert json.loads((tmp_path / "pictures.json").read_text())["identity"] == identity
    with tarfile.open(tmp_path / "pictures-000002.tar") as shard:
        assert json.loads(shard.pax_headers["comment"]) == identity


def test_a_parquet_shard_is_a_table_of_pictures(tmp_path: Path) -> None:
    job = (*JOB, "--n", 300, "--shard", 200, "--class", "bag,coat", "pictures.parquet")
    done = bulk(tmp_path, *job, "--workers", 2)
    assert done.returncode == 0, done.stderr
    table = parquet.read_table(tmp_path / "pictures-000001.parquet")
    assert table.column_names == ["seed", "label", "class", "image", "metadata"]
    assert table["seed"].to_pylist() == list(range(200, 300))
    assert table["class"].to_pylist()[:3] == ["Bag", "Coat", "Bag"]
    assert b'"_type": "Image"' in table.schema.metadata[b"huggingface"], "Hugging Face's data sets show it as pictures"
    row = table.slice(7, 1).to_pylist()[0]
    with open_sampler("fashion", "onnxruntime") as sampler:
        wanted = sampler.sample([207], labels=[row["label"]])[0, :, :, 0]
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(row["image"]["bytes"]))), wanted)
    assert json.loads(row["metadata"])["seeds"] == "207"
    about = json.loads((tmp_path / "pictures.json").read_text())["identity"]
    with open_sampler("fashion", "onnxruntime") as sampler:
        made = picture_metadata(sampler.bundle, Engine(about["backend"], about["variant"], why=""), {})
        space = sampler.spec.latent_space()
        here = ParquetShard(range(200))
        draw_into(here, Job(Seeds([range(300)], space), sampler.spec, (8, 4), 1, made), sampler, batch=33)
    assert (tmp_path / "pictures-000000.parquet").read_bytes() == here.data, "the same in one process, in batches of any size"


def workers_of(process: subprocess.Popen[str]) -> list[psutil.Process]:
    try:
        family = psutil.Process(process.pid).children(recursive=True)
        return [child for child in family if "MapWorker" in " ".join(child.cmdline())]
    except psutil.Error:
        return []


def start(folder: Path, *words: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "gansample", *map(str, words), "--ray"]
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def shards_there(folder: Path) -> int:
    return len(list(folder.glob("*.sha256")))


def wait_for_shards(folder: Path, process: subprocess.Popen[str], count: int) -> None:
    end = time.monotonic() + 150
    while shards_there(folder) < count:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.01)


MANY = (*JOB, "--n", 8_000, "--shard", 500, "--workers", 2, "pictures.tar")


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The digests of MANY's shards, from one process that nothing happened to."""
    folder = tmp_path_factory.mktemp("many")
    words = [word for word in map(str, MANY) if word not in ("--workers", "2")]
    subprocess.run([sys.executable, "-m", "gansample", *words, "--quiet"], cwd=folder, check=True, timeout=200)
    return digests(folder)


def test_a_killed_worker_is_replaced_and_nothing_is_missing(tmp_path: Path, many: dict[str, str]) -> None:
    process = start(tmp_path, *MANY)
    wait_for_shards(tmp_path, process, 2)
    workers_of(process)[0].kill()
    wait_for_shards(tmp_path, process, 6)
    workers_of(process)[0].kill()
    _, err = process.communicate(timeout=200)
    assert process.returncode == 0, err
    assert digests(tmp_path) == many
    assert not list(tmp_path.glob(".*")), "temporary files of killed workers are gone"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_driver_leaves_what_is_done_and_resume_draws_the_rest(
    tmp_path: Path, many: dict[str, str], number: signal.Signals
) -> None:
    process = start(tmp_path, *MANY)
    wait_for_shards(tmp_path, process, 3)
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    if number == signal.SIGTERM:
        assert process.returncode == 143
        assert "pictures are kept" in err
        return
    kept = shards_there(tmp_path)
    assert kept < 16
    refused = bulk(tmp_path, *MANY)
    assert (refused.returncode, "--resume" in refused.stderr) == (5, True)
    other = bulk(tmp_path, *MANY, "--seed", 5, "--resume")
    assert (other.returncode, "another seeds" in other.stderr) == (5, True), other.stderr
    done = bulk(tmp_path, *MANY, "--resume", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["drawn"] <= 8_000 - 500 * kept
    assert digests(tmp_path) == many


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A real S3 server on loopback: moto's, from the package index. Gives the environment of its clients."""
    port = free_port()
    log = (tmp_path_factory.mktemp("s3") / "log").open("w")
    server = subprocess.Popen([sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)], stdout=log, stderr=log)
    environment = {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    create = [sys.executable, "-c", "import boto3; boto3.client('s3').create_bucket(Bucket='pictures')"]
    end = time.monotonic() + 60
    try:
        while (made := subprocess.run(create, env={**os.environ, **environment}, capture_output=True, check=False)).returncode:
            assert server.poll() is None, Path(log.name).read_text(encoding="utf-8")
            assert time.monotonic() < end, made.stderr
        yield environment
    finally:
        server.terminate()
        server.wait(20)
        log.close()


def test_to_s3_and_on_after_a_kill(s3: dict[str, str], drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job = (*JOB, "--n", 2500, "--shard", 1000, "--workers", 2)
    address = "s3://pictures/a/pictures.tar"
    done = bulk(tmp_path, *job, address, **s3)
    assert done.returncode == 0, done.stderr
    for name, value in s3.items():
        monkeypatch.setenv(name, value)
    bucket = fsspec.filesystem("s3", skip_instance_cache=True)
    found = {path.rpartition("/")[2]: bucket.cat_file(path) for path in bucket.find("pictures/a")}
    assert {name: sha256(found[name]).hexdigest() for name in digests(drawn)} == digests(drawn)
    assert found["pictures.json"] == (drawn / "pictures.json").read_bytes()
    bucket.rm_file("pictures/a/pictures-000001.tar.sha256")  # as if the driver had died before it
    assert bulk(tmp_path, *job, address, **s3).returncode == 5
    again = bulk(tmp_path, *job, address, "--resume", "--json", **s3)
    assert json.loads(again.stdout)["drawn"] == 1000, again.stderr
    assert list(tmp_path.iterdir()) == [], "nothing fell beside it"


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("out.png",), 2, "is no .tar and no .parquet"),
        (("nowhere/out.tar",), 5, "create the folder first"),
        (("--bundle", "absent", "out.tar"), 3, "absent"),
        (("--seeds", "1,1", "out.tar"), 2, "twice"),
        (("gopher://x/out.tar",), 4, "gopher"),
    ],
)
def test_impossible_requests_are_one_line(tmp_path: Path, words: tuple[object, ...], code: int, said: str) -> None:
    done = bulk(tmp_path, "--backend", "onnxruntime", *(("--n", 10) if "--seeds" not in words else ()), *words)
    assert (done.returncode, said in done.stderr) == (code, True), done.stderr
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_workers_belong_to_ray(gansample: Command) -> None:
    done = gansample("--n", 4, "--workers", 2, "out.tar")
    assert (done.returncode, b"--ray" in done.stderr) == (2, True)


def test_a_store_never_shows_half_a_shard(tmp_path: Path) -> None:
    """A reader looks all the while: whatever has a digest beside it is whole."""
    store, stop, wrong = Store(str(tmp_path / "p.tar")), threading.Event(), []

    def look() -> None:
        while not stop.is_set():
            for number, wanted in store.digests(range(4)).items():
                if sha256(Path(store.path(number)).read_bytes()).hexdigest() != wanted:
                    wrong.append(number)

    looking = threading.Thread(target=look)
    looking.start()
    for number in range(4):
        store.put(number, os.urandom(5_000_000))
    stop.set()
    looking.join()
    assert wrong == []
    assert sorted(store.digests(range(9))) == [0, 1, 2, 3]
