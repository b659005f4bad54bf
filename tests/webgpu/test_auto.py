"""`--backend auto` with a software adapter that is allowed: tried once, apart, and chosen only where it is faster."""

import json
import logging
import subprocess
import sys
from pathlib import Path

import pytest

from demo.bundle_store import BundleStore
from gansample.bundle.open import EMBEDDED, Bundle, open_bundle
from gansample.errors import BackendUnavailable
from gansample.http.models import load_in_process
from gansample.http.settings import Settings
from gansample.sampling.engine_choice import MANY, SOFTWARE, open_chosen, pictures_of_a_service
from gansample.sampling.options import EngineOptions
from gansample.sampling.speed_cache import Speed, SpeedCache

LARGE = 20_000  # pictures that ONNX Runtime draws in more than five seconds


@pytest.fixture
def fashion(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> Bundle:
    """A bundle whose one exact variant runs on ONNX Runtime and on WebGPU, and a cache with nothing in it."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    caplog.set_level(logging.INFO, "gansample")
    return open_bundle(EMBEDDED / "fashion")


def chosen(bundle: Bundle, pictures: int) -> tuple[str, str]:
    runner, why = open_chosen(bundle, pictures=pictures)
    with runner:
        return runner.backend, why


def figures(bundle: Bundle, onnxruntime: Speed, webgpu: Speed) -> None:
    """As if this machine had measured them."""
    cache = SpeedCache(bundle.sha256, None)
    cache.put("onnx-fp32", "onnxruntime", onnxruntime)
    cache.put("onnx-fp32", "webgpu", webgpu)


def test_it_is_measured_once_and_loses_against_the_processor(
    fashion: Bundle, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert chosen(fashion, LARGE) == ("onnxruntime-cpu", "done first as measured on this machine")
    (line,) = (line for line in caplog.messages if " draws: " in line)
    assert line == "onnx-fp32 on onnxruntime draws: done first as measured on this machine"
    kept = json.loads((tmp_path / "gansample" / "speeds.json").read_text())
    speeds = {key.split("/")[-2]: entry for key, entry in kept.items()}
    assert speeds["webgpu"]["images_per_second"] < speeds["onnxruntime"]["images_per_second"]
    assert speeds["webgpu"]["open_seconds"] > 0.2, "a process that loads the plugin and its driver"
    caplog.clear()
    assert chosen(fashion, LARGE)[0] == "onnxruntime-cpu"
    assert caplog.messages == [line], "one line, and nothing measured again"


def test_measured_faster_it_draws_and_the_start_counts(fashion: Bundle, caplog: pytest.LogCaptureFixture) -> None:
    figures(fashion, Speed(1_000, 0.1), Speed(10_000, 5.0))
    assert chosen(fashion, 8_000) == ("onnxruntime-webgpu", "done first as measured on this machine")
    assert caplog.messages == [
        "onnx-fp32 on webgpu (a software adapter on the CPU) draws: done first as measured on this machine"
    ]
    assert chosen(fashion, 5_200)[0] == "onnxruntime-cpu", "5.3 seconds, and webgpu would start in 5"


def test_what_no_longer_opens_is_left_out_and_the_next_one_draws(
    fashion: Bundle, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    figures(fashion, Speed(1_000, 0.1), Speed(10_000, 1.0))

    def gone() -> None:
        raise BackendUnavailable("no GPU on this machine can be used by WebGPU", "see the driver")

    monkeypatch.setattr("gansample.runtimes.webgpu.runner.load_webgpu", gone)
    assert chosen(fashion, LARGE)[0] == "onnxruntime-cpu"
    assert "onnx-fp32 on webgpu is left out (no GPU on this machine can be used by WebGPU: see the driver)" in caplog.messages


def test_what_would_start_after_the_job_is_done_is_not_measured(fashion: Bundle, tmp_path: Path) -> None:
    SpeedCache(fashion.sha256, None).put("onnx-fp32", "onnxruntime", Speed(1e6, 0.1))
    runner, _ = open_chosen(fashion, pictures=LARGE)
    runner.close()
    assert "webgpu" not in (tmp_path / "gansample" / "speeds.json").read_text()


def test_a_service_counts_on_many_pictures_where_a_gpu_might_draw_them(
    fashion: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert pictures_of_a_service(fashion, EngineOptions()) == MANY
    assert pictures_of_a_service(fashion, EngineOptions(backend="onnxruntime")) is None


def test_not_allowed_it_is_not_even_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a machine without a GPU, in a process that the variable never reached."""
    if any(next(Path("/dev").glob(name), None) for name in ("dri/renderD*", "nvidia0", "dxg")):
        pytest.skip("NOT RUN: this machine has a GPU")
    monkeypatch.delenv(SOFTWARE)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    fashion = open_bundle(EMBEDDED / "fashion")
    assert pictures_of_a_service(fashion, EngineOptions()) is None
    command = [sys.executable, "-m", "gansample", "--bundle", "fashion", "--n", str(LARGE), str(tmp_path / "out.npy")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0
    assert "webgpu" not in done.stderr
    assert not (tmp_path / "gansample" / "speeds.json").exists(), "one candidate: nothing to measure"


def test_service_and_demo_get_the_same_choice(fashion: Bundle) -> None:
    figures(fashion, Speed(1_000, 0.1), Speed(10_000, 5.0))
    model = load_in_process("fashion", fashion.path, Settings())
    model.close()
    assert (model.engine.backend, model.engine.why) == ("onnxruntime-webgpu", "done first as measured on this machine")
    store = BundleStore([fashion])
    assert store.sampler("fashion").engine.backend == "onnxruntime-webgpu"
    store.close()
