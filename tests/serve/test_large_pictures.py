"""Large pictures: fewer of them are compared, and no more are drawn at once than memory holds."""

from pathlib import Path

import numpy as np
import pytest

from gansample.bundle.open import EMBEDDED, open_bundle
from gansample.bundle.spec import Spec, format_rate, recorded_rate
from gansample.runtimes import onnxruntime_cpu
from gansample.runtimes.onnxruntime_cpu import OnnxRuntimeRunner
from gansample.sampling.report.measure import compared_latents
from tests.support.repository import ROOT


def test_a_large_request_is_drawn_in_parts(tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = open_bundle(tiny_bundle)
    model, z, runs = bundle.read("generator.onnx"), bundle.spec.latents(range(7)), []
    with OnnxRuntimeRunner(model, bundle.spec) as runner:
        together = runner.run(z, None)
    monkeypatch.setattr(onnxruntime_cpu, "PIXELS", 3 * 8 * 8)
    with OnnxRuntimeRunner(model, bundle.spec) as runner:
        drawn_at_once = runner._run
        monkeypatch.setattr(runner, "_run", lambda z, label: (runs.append(len(z)), drawn_at_once(z, label))[1])
        assert np.array_equal(runner.run(z, None), together)
    assert runs == [3, 3, 1]


@pytest.mark.parametrize(("side", "latents"), [(64, 1024), (128, 1024), (256, 256), (1024, 32)])
def test_the_report_compares_fewer_large_pictures(side: int, latents: int) -> None:
    assert compared_latents(Spec(name="large", latent_size=4, height=side, width=side, channels=3)) == latents


def test_the_largest_batch_tells_the_speed() -> None:
    assert recorded_rate({"images_per_second": {"1": 5.0, "16": 40.0, "4": 20.0}}) == 40
    assert recorded_rate({}) is None
    assert recorded_rate({"images_per_second": {"64": None}}) is None
    assert [format_rate(rate) for rate in (1234.5, 12.3, 0.8123)] == ["1,234", "12", "0.81"]


@pytest.mark.parametrize(
    "folder", [*EMBEDDED.iterdir(), ROOT / "models" / "clothing", ROOT / "models" / "signs"], ids=lambda p: p.name
)
def test_every_bundle_that_ships_was_compared_over_a_thousand_latents(folder: Path) -> None:
    for variant in open_bundle(folder).variants:
        assert max(row["images"] for row in variant.parity["rows"]) >= 1000, variant.name
        assert variant.parity.get("effort", "full") == "full"
