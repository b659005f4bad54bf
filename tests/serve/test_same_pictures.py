"""One promise through every path: the pictures of these seeds, to the byte, whoever draws them and however they are asked."""

import io
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image
from pyarrow import parquet

from gansample import open_sampler
from gansample.bundle.open import open_bundle
from gansample.triton.repository import export_triton
from tests.support.run_service import free_port, running_service
from tests.support.triton_server import need_triton, running_triton

pytestmark = pytest.mark.slow

SEEDS = range(40, 64)


@pytest.fixture(scope="module")
def wanted(tiny_classes_bundle: Path) -> np.ndarray:
    """From Python, in this process: uint8 (24, 8, 8, 3)."""
    with open_sampler(tiny_classes_bundle, "onnxruntime") as sampler:
        return sampler.sample(SEEDS)


def decoded(files: Iterator[bytes] | list[bytes]) -> np.ndarray:
    return np.stack([np.asarray(Image.open(io.BytesIO(file))) for file in files])


def test_the_command_line(tiny_classes_bundle: Path, tmp_path: Path, wanted: np.ndarray) -> None:
    job = ["--bundle", tiny_classes_bundle, "--backend", "onnxruntime", "--seed", SEEDS.start, "--n", len(SEEDS)]
    for out in ("folder", "arrays.npz"):
        subprocess.run([sys.executable, "-m", "gansample", *map(str, job), out], cwd=tmp_path, check=True, timeout=60)
    files = sorted((tmp_path / "folder").glob("*.png"))
    assert np.array_equal(decoded([file.read_bytes() for file in files]), wanted)
    assert np.array_equal(np.load(tmp_path / "arrays.npz")["images"], wanted)


@pytest.mark.parametrize("engines", [(), ("--ray", "--replicas", "2")], ids=["gan serve", "Ray Serve"])
def test_the_service_and_its_protocol(
    tiny_classes_bundle: Path, tmp_path: Path, wanted: np.ndarray, engines: tuple[str, ...]
) -> None:
    from tritonclient import http

    with running_service(tmp_path, tiny_classes_bundle, "--backend", "onnxruntime", *engines) as service:
        one_by_one = [httpx.get(f"{service.url}/v1/images/{seed}.png", timeout=30).content for seed in SEEDS]
        together = httpx.post(
            f"{service.url}/v1/images/generations", json={"seed": SEEDS.start, "n": len(SEEDS), "format": "npz"}, timeout=30
        )
        with http.InferenceServerClient(f"127.0.0.1:{service.port}") as client:
            seed = http.InferInput("seed", [len(SEEDS), 1], "INT64")
            seed.set_data_from_numpy(np.array(SEEDS, np.int64).reshape(-1, 1))
            protocol = client.infer("pets", [seed]).as_numpy("images")
    assert np.array_equal(decoded(one_by_one), wanted)
    assert np.array_equal(np.load(io.BytesIO(together.content))["images"], wanted)
    assert np.array_equal(protocol, wanted)


def test_triton(tiny_classes_bundle: Path, tmp_path: Path, wanted: np.ndarray) -> None:
    need_triton()
    from tritonclient import grpc

    export_triton(open_bundle(tiny_classes_bundle), tmp_path / "triton")
    (tmp_path / "server").mkdir()
    with running_triton(tmp_path / "server", free_port(), free_port(), tmp_path / "triton" / "seeds") as triton:
        client = grpc.InferenceServerClient(triton.grpc)
        seed = grpc.InferInput("seed", [len(SEEDS), 1], "INT64")
        seed.set_data_from_numpy(np.array(SEEDS, np.int64).reshape(-1, 1))
        drawn = client.infer("pets", [seed]).as_numpy("images")
        client.close()
    assert np.array_equal(drawn, wanted)


def test_ray_data(tiny_classes_bundle: Path, tmp_path: Path, wanted: np.ndarray) -> None:
    job = ["--bundle", tiny_classes_bundle, "--backend", "onnxruntime", "--seed", SEEDS.start, "--n", len(SEEDS)]
    words = [*job, "--shard", 10, "--ray", "--workers", 2, "--json", "out.parquet"]
    done = subprocess.run(
        [sys.executable, "-m", "gansample", *map(str, words)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=200,
        check=True,
    )
    assert json.loads(done.stdout)["drawn"] == len(SEEDS)
    rows = [row for path in sorted(tmp_path.glob("*.parquet")) for row in parquet.read_table(path).to_pylist()]
    assert [row["seed"] for row in rows] == list(SEEDS)
    assert np.array_equal(decoded([row["image"]["bytes"] for row in rows]), wanted)
