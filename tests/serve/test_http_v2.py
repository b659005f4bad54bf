"""The Open Inference Protocol: Triton's own client draws from `gan serve`, as JSON and as binary."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from gansample import open_sampler
from gansample.latents import latents
from tests.support.make_tiny_bundle import LATENT
from tests.support.run_service import ENGINES, Service, code_of, running_service

grpc_free = pytest.importorskip("tritonclient.http", reason="NOT RUN: tritonclient[http] is not installed")


@pytest.fixture(scope="module", params=ENGINES)
def service(
    request: pytest.FixtureRequest, tiny_bundle: Path, tiny_classes_bundle: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    with running_service(tmp_path_factory.mktemp("serve"), tiny_classes_bundle, tiny_bundle, *request.param) as running:
        yield running


@pytest.fixture
def triton(service: Service) -> Iterator[Any]:
    client = grpc_free.InferenceServerClient(f"127.0.0.1:{service.port}")
    yield client
    client.close()


def tensor(name: str, values: np.ndarray, binary: bool) -> Any:
    made = grpc_free.InferInput(name, list(values.shape), "FP32" if values.dtype == np.float32 else "INT64")
    made.set_data_from_numpy(values, binary_data=binary)
    return made


def test_server_and_model_metadata(triton: Any) -> None:
    assert triton.is_server_live()
    assert triton.is_server_ready()
    assert triton.is_model_ready("tiny")
    assert triton.get_server_metadata()["extensions"] == ["binary_tensor_data"]
    assert [port["name"] for port in triton.get_model_metadata("pets")["inputs"]] == ["seed", "z", "label"]


@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("ask", [True, False])
def test_latents_and_labels(triton: Any, tiny_classes_bundle: Path, binary: bool, ask: bool) -> None:
    z, label = latents(range(5), LATENT), np.array([[2], [1], [0], [2], [2]], np.int64)
    outputs = [grpc_free.InferRequestedOutput("images", binary_data=ask)]
    answer = triton.infer("pets", [tensor("z", z, binary), tensor("label", label, binary)], outputs=outputs, request_id="7")
    with open_sampler(tiny_classes_bundle) as sampler:
        assert np.array_equal(answer.as_numpy("images"), sampler.draw(z, label.ravel()))
    assert answer.get_response()["id"] == "7"


def test_seeds(triton: Any, tiny_bundle: Path) -> None:
    seeds = np.array([[0], [42], [2**32 - 1]], np.int64)
    answer = triton.infer("tiny", [tensor("seed", seeds, True)])
    with open_sampler(tiny_bundle) as sampler:
        assert np.array_equal(answer.as_numpy("images"), sampler.sample(seeds.ravel().tolist()))


def one(name: str, kind: object, shape: object, data: object, **more: object) -> dict[str, object]:
    return {"inputs": [{"name": name, "datatype": kind, "shape": shape, "data": data, **more}]}


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 422),
        ([], 422),
        ({"inputs": []}, 422),
        ({"inputs": [1]}, 422),
        (one("seed", "INT64", [1, 1], [-1]), 422),
        (one("seed", "INT64", [1, 1], [2**32]), 422),
        (one("seed", "INT64", [1, 1], [2**80]), 422),
        (one("seed", "INT64", [1, 1], [1.5]), 422),
        (one("seed", "INT64", [2, 1], [1]), 422),
        (one("seed", "INT64", [-1, 1], [1]), 422),
        (one("seed", "INT64", [True, 1], [1]), 422),
        (one("seed", "FP32", [1, 1], [1.0]), 422),
        (one("seed", "INT64", [1, 1], [1], parameters={"binary_data_size": 8}), 422),
        (one("z", "FP32", [1, 5], [0.0] * 5), 422),
        (one("z", "FP32", [1, 6], [1e999] * 6), 422),
        (one("z", "FP32", [1, 6], ["a"] * 6), 422),
        (one("z", "FP64", [1, 6], [0.0] * 6), 422),
        (one("other", "FP32", [1, 6], [0.0] * 6), 422),
        ({**one("seed", "INT64", [1, 1], [1]), "outputs": [{"name": "pictures"}]}, 422),
        (one("seed", "INT64", [1000, 1], list(range(1000))), 413),
    ],
)
def test_errors(service: Service, body: object, status: int) -> None:
    data = json.dumps(body)
    answer = httpx.post(f"{service.url}/v2/models/tiny/infer", content=data, headers={"Content-Type": "application/json"})
    assert answer.status_code == status, answer.text
    assert code_of(answer) in ("invalid", "too_large")


@pytest.mark.parametrize(("length", "body"), [("999", b"{}"), ("x", b"{}"), ("1", b"{}"), ("-1", b"{}")])
def test_a_wrong_header_length(service: Service, length: str, body: bytes) -> None:
    headers = {"Inference-Header-Content-Length": length, "Content-Type": "application/octet-stream"}
    answer = httpx.post(f"{service.url}/v2/models/tiny/infer", content=body, headers=headers)
    assert (answer.status_code, code_of(answer)) == (400, "bad_request")
