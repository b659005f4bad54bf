"""Every variant is built from real layers and judged; only PASS enters the bundle, the rest is left out with its reason."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from export.build import ExportResult, build_bundle
from export.export_model import ExportModel
from export.graph.to_onnx import ExportedGraph
from export.variants import BUILDERS, Builder, BuiltVariant, VariantUnavailable, onnx_fp32, openvino_fp32, openvino_int8
from gansample.bundle.open import open_bundle
from gansample.bundle.spec import Spec
from gansample.errors import ParityError
from gansample.runtimes.open import open_runner

# Third parties warn about each other's deprecations while they are imported or traced.
pytestmark = [pytest.mark.filterwarnings("ignore::DeprecationWarning"), pytest.mark.filterwarnings("ignore::FutureWarning")]


def small_generator() -> ExportModel:
    """A DCGAN of 16×16 pictures, width 16, with settled BatchNorm statistics and tails like a trained one's."""
    torch.manual_seed(0)
    layers: list[nn.Module] = []
    for before, after, stride, pad in ((12, 64, 1, 0), (64, 32, 2, 1), (32, 16, 2, 1)):
        layers += [nn.ConvTranspose2d(before, after, 4, stride, pad, bias=False), nn.BatchNorm2d(after), nn.ReLU()]
    layers += [nn.ConvTranspose2d(16, 3, 3, 1, 1), nn.Tanh()]
    network = nn.Sequential(nn.Unflatten(1, (12, 1, 1)), *layers)
    with torch.no_grad():
        for _ in range(30):
            network.train()(torch.randn(64, 12))
    return ExportModel(network, Spec(name="small", latent_size=12, height=16, width=16, channels=3))


@pytest.fixture(scope="module")
def generator() -> ExportModel:
    return small_generator()


@pytest.fixture(scope="module")
def built(generator: ExportModel, tmp_path_factory: pytest.TempPathFactory) -> tuple[ExportResult, Path]:
    out = tmp_path_factory.mktemp("bundle") / "small"
    return build_bundle(generator, out), out


def test_every_variant_is_in_the_bundle_or_left_out_with_a_reason(built: tuple[ExportResult, Path]) -> None:
    outcome, out = built
    names = [report.variant for report in outcome.reports]
    assert names[0] == "onnx-fp32"
    assert {*names, *(entry.name for entry in outcome.left_out)} == set(BUILDERS)
    assert all(report.verdict == "PASS" for report in outcome.reports)
    assert all(entry.reasons for entry in outcome.left_out)
    assert [variant.name for variant in open_bundle(out).variants] == names


def test_int8_is_int8_and_says_what_each_step_brought(built: tuple[ExportResult, Path]) -> None:
    variant = open_bundle(built[1]).variant("openvino-int8")
    names = [step["step"] for step in variant.notes["steps"]]
    assert names == ["nncf", "no idle quantisers", "equalise", "keep float", "ranges", "round weights"]
    first, *_, last = (step["psnr_db"] for step in variant.notes["steps"])
    assert last > first
    data = open_bundle(built[1]).read(variant.files[0])
    assert b'element_type="i8"' in data
    assert b"FakeQuantize" in data


def test_every_variant_opens_from_the_bundle_and_draws_the_goldens(built: tuple[ExportResult, Path]) -> None:
    bundle = open_bundle(built[1])
    from gansample.latents import latents

    z = latents(range(64), 12)
    expected = np.load(built[1] / "golden.npz")["images"].astype(int)
    for variant in bundle.variants:
        with open_runner(bundle, variant.runtime, variant) as runner:
            assert runner.variant == variant.name
            assert np.abs(runner.run(z, None) - expected).mean() < (2.0 if variant.precision == "int8" else 0.5)


def build_with(generator: ExportModel, out: Path, builders: Mapping[str, Builder]) -> tuple[ExportResult, dict[str, Any]]:
    outcome = build_bundle(generator, out, builders)
    return outcome, json.loads((out / "bundle.json").read_text())


def test_not_run_and_fail_are_left_out_and_recorded(generator: ExportModel, tmp_path: Path) -> None:
    def absent(generator: ExportModel, graph: ExportedGraph) -> BuiltVariant:
        raise VariantUnavailable("no such hardware")

    def broken(generator: ExportModel, graph: ExportedGraph) -> BuiltVariant:
        other = small_generator()
        with torch.no_grad():
            other.network[1].weight.mul_(1.1)  # type: ignore[index, operator, union-attr]
        from export.graph.to_onnx import export_graph

        return openvino_fp32.build(other, export_graph(other))

    outcome, document = build_with(generator, tmp_path / "b", {"onnx-fp32": onnx_fp32.build, "gone": absent, "wrong": broken})
    assert [(entry.name, entry.verdict) for entry in outcome.left_out] == [("gone", "NOT RUN"), ("wrong", "FAIL")]
    assert document["left_out"][0]["reasons"] == ["no such hardware"]
    assert [row["name"] for row in document["variants"]] == ["onnx-fp32"]


def test_a_reference_that_fails_writes_nothing(generator: ExportModel, tmp_path: Path) -> None:
    def wrong(generator: ExportModel, graph: ExportedGraph) -> BuiltVariant:
        other = ExportModel(nn.Sequential(generator.network, nn.Threshold(0.0, 0.0)), generator.spec)
        from export.graph.to_onnx import export_graph

        return onnx_fp32.build(other, export_graph(other))

    with pytest.raises(ParityError, match="does not draw the pictures of PyTorch float64"):
        build_bundle(generator, tmp_path / "b", {"onnx-fp32": wrong})
    assert not (tmp_path / "b").exists()


def test_without_nncf_int8_is_not_run(generator: ExportModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "nncf", None)
    with pytest.raises(VariantUnavailable, match="nncf is not installed"):
        openvino_int8.build(generator, ExportedGraph(b"", b""))


def test_a_builder_that_breaks_is_left_out_and_the_others_go_on(generator: ExportModel, tmp_path: Path) -> None:
    def breaks(*_: Any) -> BuiltVariant:
        raise RuntimeError("Exception from src/core.cpp:105:\n\n  no kernel for Pad\n")

    builders = {onnx_fp32.NAME: onnx_fp32.build, "broken": breaks, openvino_fp32.NAME: openvino_fp32.build}
    outcome = build_bundle(generator, tmp_path / "b", builders)
    assert [report.variant for report in outcome.reports] == [onnx_fp32.NAME, openvino_fp32.NAME]
    assert [(entry.name, entry.verdict, entry.reasons) for entry in outcome.left_out] == [
        ("broken", "NOT RUN", ("RuntimeError: no kernel for Pad",))
    ]


def test_a_reference_that_cannot_be_built_is_no_bundle(generator: ExportModel, tmp_path: Path) -> None:
    def breaks(*_: Any) -> BuiltVariant:
        raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        build_bundle(generator, tmp_path / "b", {onnx_fp32.NAME: breaks})
    assert not (tmp_path / "b").exists()
