"""TensorRT's builder, cache and runner against the real bindings of one major version, on a GPU made of host memory.

Run by serve/test_tensorrt_bindings.py in a process per major version, which one process cannot mix:
TENSORRT_MAJOR=11 python -m pytest tests/support/contract_tensorrt.py; 1 is TensorRT for RTX.
"""

import json
import logging
import os
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from gansample.bundle.fidelity import GATES, compare
from gansample.bundle.open import Bundle, open_bundle
from gansample.cli import gan
from gansample.errors import ArtefactError, BackendUnavailable, ParityError
from gansample.latents import latents
from gansample.runtimes import cuda_device
from gansample.runtimes.open import open_runner
from gansample.runtimes.tensorrt.engine_cache import EngineCache
from gansample.runtimes.tensorrt.library import FLAVOURS
from gansample.sampling.engine_choice import open_chosen
from tests.support.fake_gpu import FakeCudaRuntime, FakeGpu, FakeTensorRT
from tests.support.real_bindings import Double, load_cuda_runtime, load_tensorrt
from tests.support.report_here import report_here

MAJOR = int(os.environ["TENSORRT_MAJOR"])
FOR_RTX = MAJOR == 1
MISSING = ("cuda", "tensorrt", "webgpu") if FOR_RTX else ("cuda", "tensorrt-rtx", "webgpu")
BACKEND, OTHER = ("tensorrt-rtx", "tensorrt") if FOR_RTX else ("tensorrt", "tensorrt-rtx")
LATENT = 6  # the tiny bundle's


class Saying(logging.Handler):
    """Hands every message that is logged to `hear`."""

    def __init__(self, hear: Callable[[str], None]) -> None:
        super().__init__()
        self._hear = hear

    def emit(self, record: logging.LogRecord) -> None:
        self._hear(record.getMessage())


@pytest.fixture(scope="session")
def real(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return load_tensorrt(MAJOR, tmp_path_factory.mktemp("stubs"))


@pytest.fixture(scope="session")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made by the test that starts this process, which has PyTorch in memory already; by ourselves otherwise."""
    if made := os.environ.get("CONTRACT_BUNDLES"):
        return Path(made)
    from tests.support.tiny_half_bundle import make_contract_bundles

    return make_contract_bundles(tmp_path_factory.mktemp("bundles"))


@pytest.fixture
def machine(
    real: Any, bundles: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> SimpleNamespace:
    """A machine with a GPU, CUDA and TensorRT, an empty cache, and a bundle."""
    gpu = FakeGpu()
    trt = FakeTensorRT(real, gpu)
    runtime = FakeCudaRuntime(load_cuda_runtime(), gpu)
    import cuda.bindings

    monkeypatch.setattr(cuda.bindings, "runtime", runtime)
    monkeypatch.setitem(sys.modules, FLAVOURS[BACKEND].module, trt)
    for other in (FLAVOURS[OTHER].module, "onnxruntime_ep_webgpu"):
        monkeypatch.setitem(sys.modules, other, None)
    monkeypatch.setattr(cuda_device, "missing_gpu", lambda: None)
    monkeypatch.setattr(cuda_device, "_DRIVER_VERSION", tmp_path / "no-such-file")
    monkeypatch.setenv("GANSAMPLE_ENGINES", str(tmp_path / "engines"))
    said: list[str] = []
    monkeypatch.setattr(logging.getLogger("gansample"), "handlers", [Saying(said.append)])
    caplog.set_level(logging.INFO, "gansample")
    return SimpleNamespace(gpu=gpu, trt=trt, said=said, cache=tmp_path / "engines", bundle=open_bundle(bundles / "tiny"))


def reference_of(bundle: Bundle) -> Any:
    return open_runner(bundle, "onnxruntime", bundle.variant("onnx-fp32"))


def opened(machine: SimpleNamespace, bundle: Bundle | None = None) -> Any:
    machine.said.clear()
    runner, _ = open_chosen(bundle or machine.bundle, backend=BACKEND, precision="fast")
    return runner


def test_the_bindings_are_those_of_the_version_that_was_asked_for(real: Any) -> None:
    assert real.__version__.split(".")[0] == str(MAJOR)
    assert hasattr(real.BuilderFlag, "FP16") == (MAJOR == 10)


@pytest.mark.parametrize("n", [1, 2, 3, 17, 64, 300])
def test_it_draws_the_reference_pictures_at_every_batch_size(machine: SimpleNamespace, n: int) -> None:
    z = latents(range(n), LATENT)
    with opened(machine) as runner, reference_of(machine.bundle) as reference:
        assert (runner.backend, runner.variant) == (f"{BACKEND}-gpu", "onnx-fp32")
        assert np.array_equal(runner.run(z, None), reference.run(z, None))
        assert np.array_equal(runner.run(z[::-1], None), reference.run(z[::-1], None))  # the recording, with other latents
    assert machine.gpu.launches >= 2


def test_a_conditional_generator_takes_its_labels(machine: SimpleNamespace, bundles: Path) -> None:
    bundle = open_bundle(bundles / "named")
    z, label = latents(range(7), LATENT), np.arange(7) % 3
    with opened(machine, bundle) as runner, reference_of(bundle) as reference:
        assert np.array_equal(runner.run(z, label), reference.run(z, label))
    assert machine.trt.config["shapes"]["label"] == ((1,), (64,), (1024,))


def test_a_generator_with_a_mapping_takes_psi(machine: SimpleNamespace, bundles: Path) -> None:
    bundle = open_bundle(bundles / "styles")
    z, label = latents(range(7), LATENT), np.arange(7) % 3
    with opened(machine, bundle) as runner, reference_of(bundle) as reference:
        assert np.array_equal(runner.run(z, label), reference.run(z, label))
        for psi in (1, 0.7, 0):
            w = runner.styles(z, label, np.full(7, psi, np.float32))
            assert np.array_equal(w, reference.styles(z, label, np.full(7, psi, np.float32)))
            assert np.array_equal(runner.run(w, None), reference.run(w, None))
        assert (runner.run(w, None) == runner.run(w[:1], None)).all(), "psi 0 is one picture"
    assert machine.trt.config["shapes"] == {"w": ((1, 4, 5), (64, 4, 5), (1024, 4, 5))}


def test_the_network_is_strongly_typed_without_tf32_and_tuned_for_64(machine: SimpleNamespace, real: Any) -> None:
    opened(machine).close()
    config = machine.trt.config
    strongly = 1 << int(real.NetworkDefinitionCreationFlag.STRONGLY_TYPED) if MAJOR < 11 else 0
    assert config["network_flags"] == strongly
    assert config["cleared"] == {real.BuilderFlag.TF32}
    assert config["verbosity"] == real.ProfilingVerbosity.DETAILED
    assert config["shapes"] == {"z": ((1, LATENT), (64, LATENT), (1024, LATENT))}
    assert config["profiles"] == 1


def test_the_second_opening_takes_the_kept_engine(machine: SimpleNamespace) -> None:
    opened(machine).close()
    assert re.match(r"building an engine with TensorRT .*, once for this GPU \(no engine was built", machine.said[0])
    assert "TensorRT: Building Engine, step 1 of 2" in machine.said
    with opened(machine) as runner:
        assert runner.run(latents([5], LATENT), None).shape == (1, 8, 8, 3)
    assert (machine.trt.builds, machine.said) == (1, [])


@pytest.fixture
def half_bundle(bundles: Path) -> Bundle:
    return open_bundle(bundles / "half")


def test_the_fp16_variant_is_taken_and_its_layers_are_counted(machine: SimpleNamespace, half_bundle: Bundle) -> None:
    z = latents(range(5), LATENT)
    with opened(machine, half_bundle) as runner, reference_of(half_bundle) as reference:
        assert runner.variant == "onnx-fp16"
        assert not GATES["fp16"].failures(compare(runner.run(z, None), reference.run(z, None)))
    receipt = json.loads(next(machine.cache.glob("*-fp16-*.json")).read_text())["receipt"]
    assert receipt["verdict"] == "PASS"
    assert receipt["layers"]["half"] >= 2
    assert machine.said[-1] == f"engine ready: {receipt['layers']['half']} of {receipt['layers']['layers']} layers " + (
        "in half precision, goldens within the fp16 gate"
    )


def test_fp32_can_be_asked_for(machine: SimpleNamespace, half_bundle: Bundle) -> None:
    with open_runner(half_bundle, BACKEND, half_bundle.variant("onnx-fp32")) as runner:
        assert runner.variant == "onnx-fp32"
    assert json.loads(next(machine.cache.glob("*-fp32-*.json")).read_text())["receipt"]["layers"]["half"] == 0


def test_an_engine_built_in_float32_by_accident_is_refused(machine: SimpleNamespace, half_bundle: Bundle) -> None:
    machine.trt.build_float32_by_accident = True
    with pytest.raises(ParityError, match=r"TensorRT built 0 of \d+ layers in half precision although fp16 was asked for"):
        opened(machine, half_bundle)
    assert not list(machine.cache.glob("*.plan"))
    assert not machine.gpu.memory


def _other_gpu(machine: SimpleNamespace) -> None:
    machine.gpu.name = b"NVIDIA Other"


def _other_driver(machine: SimpleNamespace) -> None:
    machine.gpu.driver = 13010


def _damage(machine: SimpleNamespace) -> None:
    plan = next(machine.cache.glob("*.plan"))
    data = bytearray(plan.read_bytes())
    data[len(data) // 2] ^= 1
    plan.write_bytes(data)


def _edit(machine: SimpleNamespace) -> None:
    receipt = next(machine.cache.glob("*.json"))
    receipt.write_text(receipt.read_text().replace("CUDA 13.0", "CUDA 13.1"))


def _lose(machine: SimpleNamespace) -> None:
    next(machine.cache.glob("*.plan")).unlink()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (_other_gpu, "no engine was built for this model and GPU yet"),
        (_other_driver, "driver was 'CUDA 13.0', is 'CUDA 13.1'"),
        (_damage, "the cached engine is damaged"),
        (_edit, "the cached engine's description is damaged"),
        (_lose, "no engine was built for this model and GPU yet"),
    ],
)
def test_whatever_changed_the_engine_is_built_again_and_the_reason_told(
    machine: SimpleNamespace, change: Any, reason: str
) -> None:
    opened(machine).close()
    change(machine)
    opened(machine).close()
    assert machine.trt.builds == 2
    assert machine.said[0].endswith(f", once for this GPU ({reason})")
    opened(machine).close()
    assert machine.trt.builds == 2


def test_a_plan_that_tensorrt_returns_nothing_for_is_built_again(machine: SimpleNamespace, monkeypatch: Any) -> None:
    opened(machine).close()
    machine.trt.refuse_plan = True
    machine.trt.during_build = lambda: setattr(machine.trt, "refuse_plan", False)
    opened(machine).close()
    assert machine.trt.builds == 2
    assert "not compatible with this version" in machine.said[0]


def test_an_engine_that_does_not_draw_the_goldens_is_never_kept(machine: SimpleNamespace) -> None:
    machine.trt.wrong_pictures = True
    with pytest.raises(ParityError, match=rf"{BACKEND}-gpu does not draw this bundle's pictures \(max \d+ steps"):
        opened(machine)
    assert not list(machine.cache.glob("*.plan"))
    assert not machine.gpu.memory


def test_a_bundle_without_goldens_is_refused_before_the_build(machine: SimpleNamespace) -> None:
    with pytest.raises(ArtefactError, match="no goldens to check a runtime with: pass the whole bundle folder"):
        opened(machine, open_bundle(machine.bundle.path / "generator.onnx"))
    assert machine.trt.builds == 0


def test_a_recording_that_repeats_its_first_picture_is_caught(machine: SimpleNamespace) -> None:
    machine.gpu.replay_does_nothing = True
    with pytest.raises(ParityError, match=f"the CUDA graph of {BACKEND}-gpu for batches of 16 repeats other pictures"):
        opened(machine)
    assert not machine.gpu.memory


def test_without_copies_the_pictures_of_the_latents_on_the_device_are_drawn_there(machine: SimpleNamespace) -> None:
    first, second = latents(range(4), LATENT), latents(range(4, 8), LATENT)
    with opened(machine) as runner, reference_of(machine.bundle) as reference:
        draw = runner.on_device(first, None)
        buffers = runner._batch_of(4)._buffers
        buffers["z"].host[...], buffers["images"].host[...] = second, 0
        before = machine.gpu.launches
        draw()
        assert machine.gpu.launches == before + 1
        assert not buffers["images"].host.any(), "copied nevertheless"
        buffers["images"].download(runner._stream)
        assert np.array_equal(buffers["images"].host, reference.run(first, None))
        with pytest.raises(BackendUnavailable, match=r"draws 5 pictures in parts: use a power of two up to 1024"):
            runner.on_device(latents(range(5), LATENT), None)
    assert not machine.gpu.memory
    assert not machine.gpu.graphs


def test_the_batches_share_one_block_of_memory_to_compute_in(machine: SimpleNamespace) -> None:
    with opened(machine) as runner:
        before = len(machine.gpu.memory)
        runner.run(latents(range(3), LATENT), None)
        assert len(machine.gpu.memory) == before + 4, "z and images, on the host and on the device"


@pytest.mark.parametrize("allocations", [0, 1])
def test_a_full_gpu_is_one_line_and_frees_what_it_took(machine: SimpleNamespace, allocations: int) -> None:
    machine.gpu.refuse_malloc_after = allocations
    with pytest.raises(BackendUnavailable, match=r"CUDA refuses cudaMalloc \(cudaErrorMemoryAllocation\): ask for smaller"):
        opened(machine)
    assert not machine.gpu.memory
    assert not machine.gpu.streams


def test_closing_gives_everything_back(machine: SimpleNamespace) -> None:
    runner = opened(machine)
    runner.run(latents(range(5), LATENT), None)
    assert machine.gpu.memory
    assert machine.gpu.streams
    runner.close()
    assert not machine.gpu.memory
    assert not machine.gpu.streams
    assert not machine.gpu.graphs
    runner.close()


def test_a_refused_graph_names_the_operator(machine: SimpleNamespace) -> None:
    machine.trt.refuse_parse = "no importer registered for op"
    with pytest.raises(ArtefactError, match=r"TensorRT .* refuses the graph \(Col2Im node_7: no importer registered for op\)"):
        opened(machine)


def test_a_failed_build_gives_the_logged_reason(machine: SimpleNamespace) -> None:
    machine.trt.refuse_build = True
    with pytest.raises(BackendUnavailable, match=r"cannot build an engine \(Could not find any implementation for node conv"):
        opened(machine)


def test_ctrl_c_stops_a_build(machine: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(message: str) -> None:
        if message.startswith("TensorRT: "):
            raise KeyboardInterrupt

    monkeypatch.setattr(logging.getLogger("gansample"), "handlers", [Saying(interrupt)])
    with pytest.raises(KeyboardInterrupt):
        opened(machine)
    assert machine.trt.builds == 0


def test_timings_are_kept_and_those_of_another_device_are_dropped(machine: SimpleNamespace) -> None:
    opened(machine).close()
    cache = EngineCache()
    assert machine.trt.config["timings"] == b""
    for plan in machine.cache.glob("*.plan"):
        plan.unlink()
    opened(machine).close()
    assert machine.trt.config["timings"] == b"+measured"
    key = SimpleNamespace(timing_slot=next(machine.cache.glob("*.timing")).stem)
    cache.store_timings(key, b"of another device")  # type: ignore[arg-type]
    for plan in machine.cache.glob("*.plan"):
        plan.unlink()
    opened(machine).close()
    assert machine.trt.config["timings"] == b""


def test_compiled_kernels_are_kept_beside_the_engine(machine: SimpleNamespace) -> None:
    opened(machine).close()
    assert len(list(machine.cache.glob("*.kernels"))) == FOR_RTX
    assert machine.trt.config.get("kernels", []) == []
    opened(machine).close()
    assert machine.trt.config.get("kernels", []) == [b"compiled"] * FOR_RTX


def test_the_cache_is_the_owners_alone(machine: SimpleNamespace) -> None:
    opened(machine).close()
    assert machine.cache.stat().st_mode & 0o777 == 0o700
    machine.cache.chmod(0o770)
    with pytest.raises(ArtefactError, match=r"is open to others \(mode 770\)"):
        opened(machine)


def test_a_plan_that_lies_in_the_bundle_is_never_used(machine: SimpleNamespace, tmp_path: Path) -> None:
    opened(machine).close()
    folder = shutil.copytree(machine.bundle.path, tmp_path / "downloaded")
    for part in list(machine.cache.iterdir()):
        shutil.move(part, folder / part.name)
    opened(machine, open_bundle(folder)).close()
    assert machine.trt.builds == 2


def test_the_report_says_what_ran_on_the_gpu_and_what_did_not(
    machine: SimpleNamespace, half_bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report_here(monkeypatch)
    out = tmp_path / "docs" / "gpu-report.md"
    command = ["verify", str(half_bundle.path), "--report", str(out)]
    missing = ", ".join(f"onnx-{precision} on {backend}" for backend in MISSING for precision in ("fp32", "fp16"))
    with pytest.raises(BackendUnavailable, match=f"^{missing} did not run on this machine: see: "):
        gan.app(command, standalone_mode=False)
    report = out.read_text()
    assert "- GPU: NVIDIA Fake 9000\n" in report
    assert "| cuda | onnx-fp32 | NOT RUN | – | – |" in report
    assert f"| {BACKEND} | onnx-fp32 | PASS | identical | identical |" in report
    assert f"| {BACKEND} | onnx-fp16 | PASS |" in report
    assert "- cuda onnx-fp32, onnx-fp16, NOT RUN: the onnxruntime" in report
    for copies in ("with", "without"):
        (speed,) = re.findall(rf"\| {BACKEND} \| onnx-fp32 \| {copies} \|(.*)\|", report)
        assert all(float(cell.replace(",", "")) > 0 for cell in speed.split("|")), "every batch size up to 1,024"
    assert re.search(rf"\| {BACKEND} \| onnx-fp32 \| [\d.]+ \| [\d.]+ \| [\d,]+ \| 0 \|", report), "device memory, of a fake"
    machine.trt.wrong_pictures = True
    shutil.rmtree(machine.cache)
    with pytest.raises(ParityError, match="onnx-fp32, onnx-fp16 does not draw the pictures of PyTorch float64 here"):
        gan.app(command, standalone_mode=False)
    assert f"| {BACKEND} | onnx-fp32 | FAIL | – |" in out.read_text()


def test_the_doubles_refuse_what_the_real_bindings_have_not(machine: SimpleNamespace, real: Any) -> None:
    """Or none of the tests above would notice an invented name."""
    builder = machine.trt.Builder(real.Logger())
    profile = builder.create_optimization_profile()
    config = builder.create_builder_config()
    refused = [
        lambda: builder.create_networks(),
        lambda: builder.create_network(explicit_batch=True),
        lambda: profile.set_shape("z", minimum=(1, 6), opt=(1, 6), max=(1, 6)),
        lambda: config.clear_flag("TF32"),
        lambda: setattr(config, "max_workspace_size", 1),
        lambda: machine.trt.OnnxParser(real.Logger()),
        lambda: machine.trt.NoSuchClass,
        lambda: real.BuilderFlag.NO_SUCH_FLAG,
        lambda: Double(real, real.Runtime, deserialize=None),
    ]
    for call in refused:
        with pytest.raises((AttributeError, TypeError)):
            call()
    if MAJOR == 11:
        with pytest.raises(AttributeError):
            builder.platform_has_fast_fp16  # noqa: B018
