"""The service draws a generator with a mapping at any psi, as the command line does, and refuses psi of every other."""

import base64
import io
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from gansample.latents import latents
from gansample.outputs.metadata import read_metadata
from gansample.sampling.sampler import Sampler, open_sampler
from tests.support.make_style_bundle import LATENT, LAYERS, SIZE, make_style_bundle
from tests.support.run_service import ENGINES, Service, code_of, running_service

CLASSES = ("ant", "bee", "cat")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_style_bundle(tmp_path_factory.mktemp("bundles") / "styles", classes=CLASSES)


@pytest.fixture(scope="module", params=ENGINES)
def service(
    request: pytest.FixtureRequest, folder: Path, tiny_bundle: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    with running_service(tmp_path_factory.mktemp("serve"), folder, tiny_bundle, *request.param) as running:
        yield running


@pytest.fixture
def client(service: Service) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=service.url, timeout=30) as client:
        yield client


@pytest.fixture(scope="module")
def sampler(folder: Path) -> Iterator[Sampler]:
    with open_sampler(folder, "onnxruntime") as sampler:
        yield sampler


def decoded(data: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(data)) as image:
        return np.array(image)


def infer(client: httpx.Client, model: str, **tensors: np.ndarray) -> httpx.Response:
    inputs = [
        {
            "name": name,
            "datatype": "INT64" if values.dtype.kind == "i" else "FP32",
            "shape": list(values.shape),
            "data": values.ravel().tolist(),
        }
        for name, values in tensors.items()
    ]
    return client.post(f"/v2/models/{model}/infer", json={"inputs": inputs})


def images(answer: httpx.Response) -> np.ndarray:
    assert answer.status_code == 200, answer.text
    output: Any = answer.json()["outputs"][0]
    return np.array(output["data"], np.uint8).reshape(output["shape"])


def test_psi_of_one_picture(client: httpx.Client, sampler: Sampler) -> None:
    plain, one, other = (client.get(f"/v1/images/4.png{query}") for query in ("", "?psi=1", "?psi=0.7"))
    assert np.array_equal(decoded(plain.content), sampler.sample([4])[0])
    assert np.array_equal(decoded(one.content), sampler.sample([4])[0])
    assert np.array_equal(decoded(other.content), sampler.sample([4], psi=0.7)[0])
    assert len({answer.headers["etag"] for answer in (plain, one, other)}) == 3
    found = read_metadata(other.content)
    assert (found["psi"], found["class"]) == (0.7, "bee")


def test_psi_in_the_images_api(client: httpx.Client, sampler: Sampler) -> None:
    answer = client.post("/v1/images/generations", json={"seeds": [3, 8], "psi": 0.5})
    drawn = [decoded(base64.b64decode(entry["b64_json"])) for entry in answer.json()["data"]]
    assert np.array_equal(np.stack(drawn), sampler.sample([3, 8], psi=0.5))


def test_requests_of_any_psi_share_batches(client: httpx.Client, sampler: Sampler) -> None:
    def ask(psi: float) -> np.ndarray:
        return decoded(client.get(f"/v1/images/7.png?psi={psi}").content)

    every = [round(0.1 * k, 1) for k in range(-20, 21)]
    with ThreadPoolExecutor(16) as pool:
        for psi, drawn in zip(every, pool.map(ask, every), strict=True):
            assert np.array_equal(drawn, sampler.sample([7], psi=psi)[0]), psi


def test_psi_and_styles_in_the_open_inference_protocol(client: httpx.Client, sampler: Sampler) -> None:
    names = [port["name"] for port in client.get("/v2/models/styles").json()["inputs"]]
    assert names == ["seed", "z", "label", "psi", "w"]
    seeds, label = np.array([[1], [2]]), np.array([[0], [2]])
    psi = np.array([[0.7], [0.2]], np.float32)
    z = latents([1, 2], LATENT)
    w = sampler.styles(z, label.ravel(), psi.ravel())
    wanted = sampler.draw_styles(w)
    assert np.array_equal(images(infer(client, "styles", seed=seeds, label=label, psi=psi)), wanted)
    assert np.array_equal(images(infer(client, "styles", z=z, label=label, psi=psi)), wanted)
    assert np.array_equal(images(infer(client, "styles", w=w)), wanted)
    assert np.array_equal(images(infer(client, "styles", seed=seeds)), sampler.sample([1, 2]))


def test_what_is_no_psi_is_refused(client: httpx.Client) -> None:
    for query in ("psi=3", "psi=nan", "psi=x", "psi=1&psi=0"):
        answer = client.get(f"/v1/images/4.png?{query}")
        assert answer.status_code == 422, query
        assert answer.json()["error"]["param"] == "psi"
    seed, z = np.array([[1]]), latents([1], LATENT)
    for tensors, param in (
        ({"seed": seed, "psi": np.array([[3.0]], np.float32)}, "psi"),
        ({"seed": seed, "psi": np.array([[1.0], [1.0]], np.float32)}, "psi"),
        ({"seed": seed, "psi": np.array([[1]])}, "psi"),
        ({"w": np.zeros((1, LAYERS, SIZE + 1), np.float32)}, "w"),
        ({"w": np.zeros((1, LAYERS, SIZE), np.float32), "psi": np.array([[1.0]], np.float32)}, "psi"),
        ({"w": np.zeros((1, LAYERS, SIZE), np.float32), "z": z}, "inputs"),
    ):
        answer = infer(client, "styles", **tensors)
        assert (answer.status_code, answer.json()["error"]["param"]) == (422, param)


def test_a_model_without_a_mapping_refuses_psi_by_name(client: httpx.Client) -> None:
    for answer in (
        client.get("/v1/images/4.png?model=tiny&psi=0.7"),
        client.get("/v1/images?model=tiny&psi=0.7"),
        client.post("/v1/images/generations", json={"model": "tiny", "psi": 0.7}),
        infer(client, "tiny", seed=np.array([[1]]), psi=np.array([[0.7]], np.float32)),
        infer(client, "tiny", w=np.zeros((1, LAYERS, SIZE), np.float32)),
    ):
        assert answer.status_code == 422
        assert code_of(answer)
        assert "tiny has none" in answer.json()["error"]["message"]


def test_the_list_of_models_says_which_has_a_mapping(client: httpx.Client) -> None:
    found = {model["id"]: model.get("mapping") for model in client.get("/v1/models").json()["data"]}
    assert found == {"styles": {"layers": LAYERS, "size": SIZE}, "tiny": None}
