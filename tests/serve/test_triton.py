"""`gan export-triton`: NVIDIA's own server loads what it writes, and the replayed goldens give a verdict.

The configuration is parsed by the official schema and by the real server; the Python backend's model is served by it. The
onnxruntime and TensorRT backends are NOT RUN: no package index has them.
"""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

from benchmarks.triton import command
from gansample import open_sampler
from gansample.bundle.open import open_bundle
from gansample.bundle.seal import digest
from gansample.errors import ArtefactError, OutputError
from gansample.triton.repository import export_triton
from tests.support.make_style_bundle import make_style_bundle
from tests.support.make_tiny_bundle import reseal_bundle
from tests.support.repository import ROOT
from tests.support.run_service import free_port, running_service
from tests.support.triton_server import Triton, need_triton, running_triton

grpc = pytest.importorskip("tritonclient.grpc", reason="NOT RUN: tritonclient[grpc] is not installed")
MODELS = {"onnx": "pets_onnx", "tensorrt": "pets_tensorrt", "seeds": "pets"}


@pytest.fixture(scope="module")
def exported(tiny_classes_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("triton") / "out"
    names = export_triton(open_bundle(tiny_classes_bundle), out, max_batch=8)
    assert names == list(MODELS.values())
    return out


def parsed(exported: Path, repository: str) -> Any:
    """config.pbtxt as the official schema reads it."""
    from google.protobuf import text_format
    from tritonclient.grpc import model_config_pb2

    text = (exported / repository / MODELS[repository] / "config.pbtxt").read_text()
    return text_format.Parse(text, model_config_pb2.ModelConfig())


@pytest.mark.parametrize("repository", MODELS)
def test_the_configuration_is_the_golden_one(exported: Path, repository: str) -> None:
    name = f"triton_{repository}.pbtxt"
    assert (exported / repository / MODELS[repository] / "config.pbtxt").read_text() == (
        ROOT / "tests" / "support" / name
    ).read_text()


@pytest.mark.parametrize("repository", MODELS)
def test_the_official_schema_reads_it(exported: Path, repository: str) -> None:
    config = parsed(exported, repository)
    assert (config.name, config.max_batch_size) == (MODELS[repository], 8)
    assert [(output.name, list(output.dims)) for output in config.output] == [("images", [8, 8, 3])]
    assert config.dynamic_batching.default_queue_policy.max_queue_size > 0
    assert [warmup.batch_size for warmup in config.model_warmup] == [1, 8]
    folder = exported / repository / MODELS[repository] / "warmup"
    for name, entry in config.model_warmup[0].inputs.items():
        wanted = np.prod(entry.dims) * (4 if name == "z" else 8)
        assert (folder / entry.input_data_file).stat().st_size == wanted, "one picture's tensor, raw"


def test_each_repository_asks_for_its_backend_and_device(exported: Path) -> None:
    from tritonclient.grpc.model_config_pb2 import ModelInstanceGroup

    found = {name: parsed(exported, name) for name in MODELS}
    assert [found[name].backend for name in MODELS] == ["onnxruntime", "", "python"]
    assert found["tensorrt"].platform == "tensorrt_plan"
    kinds = [ModelInstanceGroup.Kind.Name(config.instance_group[0].kind) for config in found.values()]
    assert kinds == ["KIND_AUTO", "KIND_GPU", "KIND_CPU"]


def test_the_graph_takes_what_the_configuration_says(exported: Path) -> None:
    """Names, types and shapes as ONNX Runtime knows them: what its Triton backend compares too."""
    session = onnxruntime.InferenceSession(exported / "onnx" / "pets_onnx" / "1" / "model.onnx")
    config = parsed(exported, "onnx")
    types = {"tensor(float)": "TYPE_FP32", "tensor(int64)": "TYPE_INT64", "tensor(uint8)": "TYPE_UINT8"}
    from tritonclient.grpc.model_config_pb2 import DataType

    for port, entry in zip([*session.get_inputs(), *session.get_outputs()], [*config.input, *config.output], strict=True):
        after_batch = list(entry.reshape.shape) if entry.HasField("reshape") else list(entry.dims)
        assert (port.name, types[port.type], port.shape[1:]) == (entry.name, DataType.Name(entry.data_type), after_batch)


def test_the_plan_is_built_where_it_runs(exported: Path) -> None:
    script = exported / "build_plan.sh"
    assert subprocess.run(["sh", "-n", script], check=False).returncode == 0
    text = script.read_text()
    assert "--minShapes=z:1x6,label:1 --optShapes=z:8x6,label:8 --maxShapes=z:8x6,label:8" in text
    assert "--stronglyTyped --noTF32" in text
    assert list((exported / "tensorrt" / "pets_tensorrt" / "1").iterdir()) == [], "no plan leaves this machine"


def test_the_bundle_inside_is_the_bundle(exported: Path, tiny_classes_bundle: Path) -> None:
    inside = open_bundle(exported / "seeds" / "pets" / "1" / "bundle")
    assert inside.files == open_bundle(tiny_classes_bundle).files
    assert digest((exported / "onnx" / "pets_onnx" / "1" / "model.onnx").read_bytes()) == inside.sha256


@pytest.fixture(scope="module")
def triton(exported: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Triton]:
    need_triton()
    folder = tmp_path_factory.mktemp("server")
    with running_triton(folder, free_port(), free_port(), exported / "seeds") as running:
        yield running


def replay(exported: Path, *words: str) -> tuple[int, dict[str, str], str]:
    """Exit code, verdict by model and protocol, and everything that was said."""
    done = subprocess.run(
        [sys.executable, exported / "replay.py", "--json", *words], capture_output=True, text=True, timeout=120, check=False
    )
    answer = json.loads(done.stdout)
    return done.returncode, {f"{row['model']} {row['protocol']}": row["verdict"] for row in answer["rows"]}, done.stdout


@pytest.mark.slow
def test_the_real_server_draws_the_goldens_through_both_protocols(exported: Path, triton: Triton) -> None:
    code, verdicts, said = replay(exported, "--http", triton.http, "--grpc", triton.grpc)
    assert (code, verdicts["pets http"], verdicts["pets grpc"]) == (0, "PASS", "PASS")
    assert {verdicts[f"pets_{kind} {way}"] for kind in ("onnx", "tensorrt") for way in ("http", "grpc")} == {"NOT RUN"}
    assert "has no model pets_onnx that is ready" in said


@pytest.mark.slow
@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_the_real_server_draws_the_command_lines_pictures(triton: Triton, tiny_classes_bundle: Path, protocol: str) -> None:
    library = pytest.importorskip(f"tritonclient.{protocol}")
    client = library.InferenceServerClient(getattr(triton, protocol))
    seeds = np.array([[0], [7], [2**32 - 1]], np.int64)
    seed = library.InferInput("seed", [3, 1], "INT64")
    seed.set_data_from_numpy(seeds)
    with open_sampler(tiny_classes_bundle) as sampler:
        assert np.array_equal(client.infer("pets", [seed]).as_numpy("images"), sampler.sample(seeds.ravel().tolist()))
        label = library.InferInput("label", [3, 1], "INT64")
        label.set_data_from_numpy(np.full((3, 1), 2, np.int64))
        drawn = client.infer("pets", [seed, label]).as_numpy("images")
        assert np.array_equal(drawn, sampler.sample(seeds.ravel().tolist(), labels=[2, 2, 2]))
    client.close()


@pytest.mark.slow
@pytest.mark.parametrize(("seed", "label"), [(-1, 0), (2**32, 0), (3, 3), (3, -1)])
def test_the_real_server_refuses_what_has_no_picture(triton: Triton, seed: int, label: int) -> None:
    client = grpc.InferenceServerClient(triton.grpc)
    tensors = []
    for name, value in (("seed", seed), ("label", label)):
        tensor = grpc.InferInput(name, [1, 1], "INT64")
        tensor.set_data_from_numpy(np.array([[value]], np.int64))
        tensors.append(tensor)
    with pytest.raises(grpc.InferenceServerException, match=r"is in 0\.\."):
        client.infer("pets", tensors)
    client.close()


@pytest.mark.slow
@pytest.mark.parametrize(("repository", "missing"), [("onnx", "onnxruntime"), ("tensorrt", "tensorrt")])
def test_the_real_server_refuses_the_other_models_for_their_backend_alone(
    exported: Path, tmp_path: Path, repository: str, missing: str
) -> None:
    """It reads the configuration first: with a field that does not exist, that is what it says instead."""
    need_triton()
    copy = Path(shutil.copytree(exported / repository, tmp_path / "models"))
    words, environment = command(tmp_path, copy)
    words += ["--allow-http=false", "--allow-grpc=false"]
    done = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert f"unable to find backend library for backend '{missing}'" in done.stderr + done.stdout
    config = copy / MODELS[repository] / "config.pbtxt"
    config.write_text(config.read_text().replace("dynamic_batching", "dynamic_bathing"))
    done = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert 'has no field named "dynamic_bathing"' in done.stderr + done.stdout


@pytest.mark.slow
def test_a_damaged_bundle_does_not_become_ready(exported: Path, tmp_path: Path) -> None:
    need_triton()
    copy = Path(shutil.copytree(exported / "seeds", tmp_path / "models"))
    golden = copy / "pets" / "1" / "bundle" / "golden.npz"
    data = bytearray(golden.read_bytes())
    data[60] ^= 1
    golden.write_bytes(data)
    words, environment = command(tmp_path, copy)
    words += ["--allow-http=false", "--allow-grpc=false"]
    done = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert "golden.npz has sha256" in done.stderr + done.stdout


def test_the_same_script_checks_gan_serve(exported: Path, tiny_classes_bundle: Path, tmp_path: Path) -> None:
    """A client moves to Triton and back by changing the address."""
    with running_service(tmp_path, tiny_classes_bundle) as service:
        code, verdicts, said = replay(exported, "--http", f"127.0.0.1:{service.port}", "--grpc", "", "--model", "pets")
    assert (code, verdicts) == (0, {"pets http": "PASS", "pets grpc": "NOT RUN"})
    assert "no address was given" in said


def test_other_pictures_fail_and_no_server_is_not_run(exported: Path, tiny_classes_bundle: Path, tmp_path: Path) -> None:
    images = np.load(exported / "golden.npz")["images"]
    other = Path(shutil.copytree(exported, tmp_path / "other"))
    arrays = dict(np.load(other / "golden.npz"))
    np.savez(other / "golden.npz", **{**arrays, "images": images[::-1]})
    with running_service(tmp_path, tiny_classes_bundle) as service:
        code, verdicts, _ = replay(other, "--http", f"127.0.0.1:{service.port}", "--grpc", "", "--model", "pets")
    assert (code, verdicts["pets http"]) == (6, "FAIL")
    code, verdicts, said = replay(exported, "--http", f"127.0.0.1:{free_port()}", "--grpc", f"127.0.0.1:{free_port()}")
    assert (code, set(verdicts.values())) == (4, {"NOT RUN"})
    assert "no server answers" in said


def test_only_its_own_folder_is_replaced(exported: Path, tiny_classes_bundle: Path, tmp_path: Path) -> None:
    bundle = open_bundle(tiny_classes_bundle)
    with pytest.raises(OutputError, match="--force"):
        export_triton(bundle, exported)
    export_triton(bundle, Path(shutil.copytree(exported, tmp_path / "out")), force=True)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "novel.txt").write_text("chapter one")
    with pytest.raises(OutputError, match="nothing was touched"):
        export_triton(bundle, tmp_path / "mine", force=True)
    assert (tmp_path / "mine" / "novel.txt").read_text() == "chapter one"


def test_what_cannot_be_checked_is_not_exported(tiny_bundle: Path, tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match="goldens are missing"):
        export_triton(open_bundle(tiny_bundle / "generator.onnx"), tmp_path / "out")
    damaged = reseal_bundle(tiny_bundle, tmp_path / "damaged", variants=list(open_bundle(tiny_bundle).variants))
    (damaged / "golden.npz").write_bytes(b"0" * (damaged / "golden.npz").stat().st_size)
    with pytest.raises(ArtefactError, match=r"golden\.npz"):
        export_triton(open_bundle(damaged), tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.fixture(scope="module")
def styled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A bundle with a mapping, and what is exported of it."""
    folder = tmp_path_factory.mktemp("triton-styles")
    bundle = make_style_bundle(folder / "styles", classes=("ant", "bee", "cat"))
    assert export_triton(open_bundle(bundle), folder / "out", max_batch=8) == ["styles_onnx", "styles_tensorrt", "styles"]
    return bundle, folder / "out"


def test_a_mapping_is_a_model_of_its_own(styled: tuple[Path, Path]) -> None:
    from google.protobuf import text_format
    from tritonclient.grpc import model_config_pb2

    bundle, out = styled
    inputs = {}
    for name, repository in (
        ("styles_mapping", "onnx"),
        ("styles_onnx", "onnx"),
        ("styles_tensorrt", "tensorrt"),
        ("styles", "seeds"),
    ):
        config = text_format.Parse((out / repository / name / "config.pbtxt").read_text(), model_config_pb2.ModelConfig())
        inputs[name] = [port.name for port in config.input]
        for port in config.input:
            assert (out / repository / name / "warmup" / port.name).exists()
    assert inputs == {
        "styles_mapping": ["z", "psi", "label"],
        "styles_onnx": ["w"],
        "styles_tensorrt": ["w"],
        "styles": ["seed", "label", "psi"],
    }
    assert (out / "onnx" / "styles_mapping" / "1" / "model.onnx").read_bytes() == (bundle / "mapping.onnx").read_bytes()
    assert "--minShapes=w:1x4x5 " in (out / "build_plan.sh").read_text()
    goldens = np.load(out / "golden.npz")
    session = onnxruntime.InferenceSession((out / "onnx" / "styles_onnx" / "1" / "model.onnx").read_bytes())
    assert np.abs(session.run(None, {"w": goldens["w"]})[0].astype(int) - goldens["images"]).max() <= 1


def test_the_script_checks_psi_at_gan_serve(styled: tuple[Path, Path], tmp_path: Path) -> None:
    bundle, out = styled
    with running_service(tmp_path, bundle) as service:
        code, verdicts, _ = replay(out, "--http", f"127.0.0.1:{service.port}", "--grpc", "", "--model", "styles")
    assert (code, verdicts["styles http"]) == (0, "PASS")


@pytest.mark.slow
def test_the_real_server_takes_psi(styled: tuple[Path, Path], tmp_path: Path) -> None:
    need_triton()
    bundle, out = styled
    with running_triton(tmp_path, free_port(), free_port(), out / "seeds") as running:
        code, verdicts, _ = replay(out, "--http", running.http, "--grpc", running.grpc, "--model", "styles")
        assert (code, set(verdicts.values())) == (0, {"PASS"})
        client = grpc.InferenceServerClient(running.grpc)
        seed = grpc.InferInput("seed", [2, 1], "INT64")
        seed.set_data_from_numpy(np.array([[3], [4]], np.int64))
        psi = grpc.InferInput("psi", [2, 1], "FP32")
        with open_sampler(bundle) as sampler:
            assert np.array_equal(client.infer("styles", [seed]).as_numpy("images"), sampler.sample([3, 4]))
            psi.set_data_from_numpy(np.full((2, 1), 0.5, np.float32))
            assert np.array_equal(client.infer("styles", [seed, psi]).as_numpy("images"), sampler.sample([3, 4], psi=0.5))
        psi.set_data_from_numpy(np.full((2, 1), 5, np.float32))
        with pytest.raises(grpc.InferenceServerException, match=r"psi is in -2\.\.2"):
            client.infer("styles", [seed, psi])
        client.close()


def test_a_generator_without_classes_has_no_label(tiny_bundle: Path, tmp_path: Path) -> None:
    export_triton(open_bundle(tiny_bundle), tmp_path / "out")
    for config in (tmp_path / "out").glob("*/*/config.pbtxt"):
        assert "label" not in config.read_text()
    assert "label" not in np.load(tmp_path / "out" / "golden.npz")
