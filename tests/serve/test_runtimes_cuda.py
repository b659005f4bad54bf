"""ONNX Runtime on CUDA: asked for is what runs, at fixed addresses, or it is one error with the pip line.

No GPU here: the session, the binding and the tensors are ONNX Runtime's own on the CPU, and only the device's name is a lie.
"""

from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import numpy as np
import onnxruntime
import pytest

from gansample.bundle.open import open_bundle
from gansample.bundle.spec import Spec
from gansample.cli.gansample import app
from gansample.errors import BackendUnavailable, ParityError
from gansample.latents import latents
from gansample.runtimes import cuda_device
from gansample.runtimes.cuda_graphs import max_batch, sizes
from gansample.runtimes.onnxruntime_cuda import PROVIDER_OPTIONS
from gansample.runtimes.open import open_runner
from gansample.types import MapsStyles, Runner
from tests.support.make_style_bundle import make_style_bundle
from tests.support.make_tiny_bundle import LATENT, make_tiny_bundle

# Spelled as in libonnxruntime_providers_cuda.so of onnxruntime-gpu 1.31.1, read with `strings`.
OPTIONS_OF_1_31 = {
    "device_id",
    "gpu_mem_limit",
    "arena_extend_strategy",
    "cudnn_conv_algo_search",
    "cudnn_conv_use_max_workspace",
    "do_copy_in_default_stream",
    "enable_cuda_graph",
    "use_tf32",
    "prefer_nhwc",
    "fuse_conv_bias",
    "use_ep_level_unified_stream",
    "enable_cudnn",
}
RealSession, RealOrtValue = onnxruntime.InferenceSession, onnxruntime.OrtValue


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """An ONNX Runtime that says it has CUDA."""
    seen = SimpleNamespace(sessions=0, graph_ids=[], tensors=[], providers=["CUDAExecutionProvider"], repeats=False)

    class Session(RealSession):
        def __init__(self, model: bytes, sess_options: Any, providers: Any, **keywords: Any) -> None:
            if providers == ["CPUExecutionProvider"]:  # a mapping, which is computed there
                super().__init__(model, sess_options, providers=providers)
                return
            assert keywords == {"enable_fallback": 0}
            assert providers == [("CUDAExecutionProvider", PROVIDER_OPTIONS)]
            assert sess_options.get_session_config_entry("session.disable_cpu_ep_fallback") == "1"
            super().__init__(model, providers=["CPUExecutionProvider"], enable_fallback=0)
            self.first: dict[int, Any] = {}
            seen.sessions += 1

        def get_providers(self) -> list[str]:
            return [*seen.providers, "CPUExecutionProvider"]

        def run_with_iobinding(self, iobinding: Any, run_options: Any = None) -> None:
            graph = int(run_options.get_run_config_entry("gpu_graph_id"))
            seen.graph_ids.append(graph)
            if not (seen.repeats and graph in self.first):
                super().run_with_iobinding(iobinding, run_options)
            self.first[graph] = True

    def tensor(shape: list[int], element_type: Any, device_type: str, device_id: int) -> Any:
        assert (device_type, device_id) == ("cuda", 0)
        value = RealOrtValue.ortvalue_from_shape_and_type(shape, element_type, "cpu", 0)
        seen.tensors.append(value)
        return value

    values = mock.create_autospec(RealOrtValue)
    values.ortvalue_from_shape_and_type = tensor
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CUDAExecutionProvider", "CPUExecutionProvider"])
    monkeypatch.setattr(onnxruntime, "preload_dlls", mock.create_autospec(onnxruntime.preload_dlls))
    monkeypatch.setattr(onnxruntime, "InferenceSession", Session)
    monkeypatch.setattr(onnxruntime, "OrtValue", values)
    monkeypatch.setattr(cuda_device, "missing_gpu", lambda: None)
    return seen


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_bundle(tmp_path_factory.mktemp("cuda") / "tiny")


def opened(folder: Path, backend: str) -> Runner:
    bundle = open_bundle(folder)
    return open_runner(bundle, backend, bundle.variant("onnx-fp32"))


def _reference(folder: Path, z: Any, label: Any = None) -> Any:
    session = RealSession((folder / "generator.onnx").read_bytes(), providers=["CPUExecutionProvider"])
    return session.run(["images"], {"z": z} if label is None else {"z": z, "label": label})[0]


@pytest.mark.parametrize("n", [0, 1, 3, 17, 64, 300])
def test_it_draws_the_reference_pictures_at_every_batch_size(cuda: SimpleNamespace, tiny: Path, n: int) -> None:
    z = latents(range(n), LATENT)
    with opened(tiny, "cuda") as runner:
        assert (runner.backend, runner.variant) == ("onnxruntime-cuda", "onnx-fp32")
        assert np.array_equal(runner.run(z, None), _reference(tiny, z))
        assert np.array_equal(runner.run(z[::-1], None), _reference(tiny, np.ascontiguousarray(z[::-1])))


def test_a_conditional_generator_takes_its_labels(cuda: SimpleNamespace, tmp_path: Path) -> None:
    folder = make_tiny_bundle(tmp_path / "named", classes=("a", "b", "c"))
    z, label = latents(range(5), LATENT), np.arange(5) % 3
    with opened(folder, "cuda") as runner:
        assert np.array_equal(runner.run(z, label), _reference(folder, z, label))


def test_a_generator_with_a_mapping_takes_psi(cuda: SimpleNamespace, tmp_path: Path) -> None:
    folder = make_style_bundle(tmp_path / "styles", classes=("a", "b", "c"))
    z, label = latents(range(5), LATENT), np.arange(5) % 3
    with opened(folder, "cuda") as runner:
        assert isinstance(runner, MapsStyles)
        session = RealSession((folder / "generator.onnx").read_bytes(), providers=["CPUExecutionProvider"])
        drawn = {}
        for psi in (1, 0.7, 0):
            w = runner.styles(z, label, np.full(5, psi, np.float32))
            drawn[psi] = runner.run(w, None)
            assert np.array_equal(drawn[psi], session.run(["images"], {"w": w})[0])
        assert np.array_equal(drawn[1], runner.run(z, label))
        assert (drawn[0] == drawn[0][0]).all()


def test_every_batch_size_has_its_own_graph_and_its_tensors_stay(cuda: SimpleNamespace, tiny: Path) -> None:
    with opened(tiny, "cuda") as runner:
        for n in (1, 2, 4, 3, 4, 1):
            runner.run(latents(range(n), LATENT), None)
    assert set(cuda.graph_ids) == {1, 2, 4}
    assert len(cuda.tensors) == 3 * 2, "z and images, allocated once for each batch size"


def test_without_copies_what_lies_on_the_device_is_drawn_again(cuda: SimpleNamespace, tiny: Path) -> None:
    z = latents(range(4), LATENT)
    with opened(tiny, "cuda") as runner:
        draw = runner.on_device(z, None)
        assert draw is not None
        z_there, images_there = cuda.tensors
        z_there.update_inplace(np.ascontiguousarray(z[::-1]))
        draw()
        assert np.array_equal(images_there.numpy(), _reference(tiny, np.ascontiguousarray(z[::-1])))
        with pytest.raises(BackendUnavailable, match="draws 300 pictures in parts"):
            runner.on_device(latents(range(300), LATENT), None)


@pytest.mark.parametrize(
    ("n", "largest", "runs"),
    [
        (0, 1024, []),
        (1, 1024, [1]),
        (3, 1024, [4]),
        (17, 1024, [32]),
        (64, 1024, [64]),
        (65, 1024, [64, 1]),
        (100, 1024, [128]),
        (300, 1024, [256, 64]),
        (1500, 1024, [1024, 512]),
        (9, 4, [4, 4, 1]),
    ],
)
def test_a_request_is_cut_where_padding_would_cost_time(n: int, largest: int, runs: list[int]) -> None:
    assert list(sizes(n, largest)) == runs


@pytest.mark.parametrize(("side", "most"), [(8, 1024), (28, 1024), (64, 1024), (100, 256), (128, 256), (1024, 4), (4096, 1)])
def test_large_pictures_are_drawn_fewer_at_once(side: int, most: int) -> None:
    assert max_batch(Spec(name="x", latent_size=4, height=side, width=side, channels=3)) == most


def test_the_options_exist_and_are_the_honest_ones() -> None:
    assert set(PROVIDER_OPTIONS) <= OPTIONS_OF_1_31
    assert PROVIDER_OPTIONS["use_tf32"] == "0"
    assert PROVIDER_OPTIONS["cudnn_conv_algo_search"] == "HEURISTIC"


def test_a_graph_that_repeats_its_first_picture_is_caught(cuda: SimpleNamespace, tiny: Path) -> None:
    cuda.repeats = True
    with opened(tiny, "cuda") as runner, pytest.raises(ParityError, match="same pictures for different"):
        runner.run(latents([1], LATENT), None)


def test_another_provider_than_asked_for_is_an_error(cuda: SimpleNamespace, tiny: Path) -> None:
    cuda.providers = []
    with pytest.raises(BackendUnavailable, match="on CPUExecutionProvider instead of CUDA: pip install --force-reinstall"):
        opened(tiny, "cuda")


def test_a_library_that_does_not_load_is_one_line(cuda: SimpleNamespace, tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError("[ONNXRuntimeError] : 1 : FAIL : nodes are assigned to the default CPU EP, but fallback is disabled")

    monkeypatch.setattr(onnxruntime, "InferenceSession", fail)
    with pytest.raises(BackendUnavailable, match=r"cannot run .*tiny on CUDA \(.*fallback is disabled\): pip install"):
        opened(tiny, "cuda")


def test_the_cpu_wheel_is_named_with_the_command_that_replaces_it(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuda_device, "missing_gpu", lambda: None)
    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("onnxruntime-gpu is installed here")
    with pytest.raises(BackendUnavailable, match=r"CUDA: pip uninstall -y onnxruntime && pip install 'gansample\[gpu\]'"):
        opened(tiny, "cuda")


@pytest.mark.parametrize("backend", ["cuda", "tensorrt"])
def test_without_a_gpu_both_backends_say_so_and_exit_4(backend: str, tiny: Path, tmp_path: Path) -> None:
    """The real probe of the real driver library."""
    if cuda_device.missing_gpu() is None:
        pytest.skip("this machine has a GPU")
    with pytest.raises(BackendUnavailable, match=r"NVIDIA .*: use --backend auto, or a machine with an NVIDIA GPU") as caught:
        app(["--bundle", str(tiny), "--backend", backend, str(tmp_path / "out.png")], standalone_mode=False)
    assert caught.value.exit_code == 4
    assert not (tmp_path / "out.png").exists()


def test_tensorrt_absent_is_named_with_its_pip_line(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuda_device, "missing_gpu", lambda: None)
    with (
        mock.patch.dict("sys.modules", {"tensorrt": None}),
        pytest.raises(BackendUnavailable, match=r"TensorRT is not installed: pip install 'gansample\[trt\]'"),
    ):
        opened(tiny, "tensorrt")
