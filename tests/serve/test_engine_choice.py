"""Which engine draws: the quick one for few, the fast one for many, by figures that are measured once and kept."""

import json
import logging
from pathlib import Path

import pytest

from gansample import open_sampler
from gansample.bundle.open import Bundle, open_bundle
from gansample.errors import BackendUnavailable, UsageError
from gansample.sampling.engine_choice import open_chosen
from gansample.sampling.speed_cache import Speed, SpeedCache
from tests.support.repository import ROOT

pytest.importorskip("openvino", reason="NOT RUN: openvino is not installed")


@pytest.fixture
def signs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bundle:
    """A bundle with engines to choose from, and a cache with nothing in it."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return open_bundle(ROOT / "models" / "signs")


def chosen(bundle: Bundle, **wishes: object) -> tuple[str, str]:
    runner, why = open_chosen(bundle, threads=1, **wishes)  # type: ignore[arg-type]
    with runner:
        return runner.variant, why


def figures(bundle: Bundle, **rates: float) -> None:
    """As if this machine had drawn so many pictures a second."""
    for name, rate in rates.items():
        variant = bundle.variant(name.replace("_", "-"))
        SpeedCache(bundle.sha256, 1).put(variant.name, variant.runtime, Speed(rate, 0.1 if "onnx" in name else 0.5))


def test_few_pictures_are_drawn_by_what_opens_fastest(signs: Bundle) -> None:
    figures(signs, onnx_fp32=500, openvino_int8=3000)
    assert chosen(signs, pictures=64) == ("onnx-fp32", "the bundle's only exact variant that runs here")
    assert chosen(signs, pictures=64, precision="fast") == ("onnx-fp32", "less than a second of work: it opens fastest")


def test_many_pictures_are_drawn_by_what_is_done_first(signs: Bundle) -> None:
    figures(signs, onnx_fp32=500, openvino_int8=3000)
    assert chosen(signs, pictures=100_000, precision="fast") == ("openvino-int8", "done first as measured on this machine")
    figures(signs, onnx_fp32=4000)
    assert chosen(signs, pictures=100_000, precision="fast")[0] == "onnx-fp32", "whichever this machine says"


def test_exact_never_takes_a_rounded_engine(signs: Bundle) -> None:
    figures(signs, onnx_fp32=1, openvino_int8=3000)
    variant, _ = chosen(signs, pictures=100_000)
    assert signs.variant(variant).precision == "fp32"


def test_it_is_measured_once_a_machine(signs: Bundle, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "gansample")
    first, _ = chosen(signs, pictures=1_000_000, precision="fast")
    assert sum("measuring" in line for line in caplog.messages) == 1
    kept = json.loads((tmp_path / "gansample" / "speeds.json").read_text())
    assert len(kept) == sum(variant.precision != "fp16" or variant.runtime == "onnxruntime" for variant in signs.variants)
    assert all(entry["images_per_second"] > 0 and entry["open_seconds"] >= 0 for entry in kept.values())
    caplog.clear()
    assert chosen(signs, pictures=1_000_000, precision="fast")[0] == first
    assert caplog.messages == []


@pytest.mark.parametrize("damage", ["", "[]", "no json", '{"x": 1}'])
def test_a_damaged_cache_is_an_empty_one(damage: str, signs: Bundle, tmp_path: Path) -> None:
    (tmp_path / "gansample").mkdir()
    (tmp_path / "gansample" / "speeds.json").write_text(damage)
    assert SpeedCache(signs.sha256, 1).get("onnx-fp32", "onnxruntime") is None
    figures(signs, onnx_fp32=500)
    assert SpeedCache(signs.sha256, 1).get("onnx-fp32", "onnxruntime") == Speed(500, 0.1)


def test_what_is_asked_for_runs_or_is_refused(signs: Bundle) -> None:
    assert chosen(signs, backend="openvino", precision="fast")[0] == "openvino-int8"
    assert chosen(signs, variant="openvino-int8") == ("openvino-int8", "it was asked for")
    with pytest.raises(BackendUnavailable, match="did you mean openvino"):
        chosen(signs, backend="openvno")
    with pytest.raises(UsageError, match="choose exact or fast"):
        chosen(signs, precision="quick")
    with pytest.raises(BackendUnavailable, match=r"no exact variant for openvino.*add --precision fast"):
        chosen(signs, backend="openvino")


def test_the_library_says_what_runs_and_why(signs: Bundle) -> None:
    with open_sampler(signs, threads=1) as sampler:
        assert (sampler.runner.variant, sampler.why) == ("onnx-fp32", "the bundle's only exact variant that runs here")
    with open_sampler(signs, "onnxruntime", threads=1) as sampler:
        assert sampler.why == "it was asked for"
