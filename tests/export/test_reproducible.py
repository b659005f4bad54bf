"""The same checkpoint with the same lock gives the same files, and a bill of materials that the published schema accepts."""

import json
import os
import subprocess
import sys
from typing import Any

import onnx
import pytest
import torch
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from torch import nn

from export.bundle_writer.bom import BOM
from export.export_model import ExportModel
from export.graph.passes.measure import PASSES, optimise
from export.graph.to_onnx import export_graph
from export.variants import builders
from export.variants.timing_decisions import TimingDecisions
from gansample.bundle.open import Bundle, open_bundle
from gansample.bundle.seal import digest
from gansample.bundle.spec import Spec
from tests.support.repository import ROOT
from tests.support.tiny_training import tiny_run

GREY = Spec(name="grey", latent_size=12, height=8, width=8, channels=1)


@pytest.fixture(scope="module")
def twice(tmp_path_factory: pytest.TempPathFactory) -> tuple[Bundle, Bundle]:
    """One run exported by two processes that hash differently, have other folders and other numbers of threads."""
    folder = tmp_path_factory.mktemp("twice")
    run = tiny_run(folder / "runs" / "tiny")
    bundles = []
    for seed, name in ((1, "first"), (2, "second/deeper")):
        out = folder / name / "tiny"
        like = ("--like", folder / "first" / "tiny") if bundles else ()
        command = [sys.executable, "-m", "export", run, "--out", out, "--quiet", *like]
        environment = {**os.environ, "PYTHONHASHSEED": str(seed), "OMP_NUM_THREADS": str(seed), "PYTHONPATH": str(ROOT)}
        subprocess.run([str(word) for word in command], check=True, cwd=folder, env=environment, timeout=300)
        bundles.append(open_bundle(out))
    return bundles[0], bundles[1]


@pytest.mark.slow
def test_every_file_that_draws_is_the_same_to_the_byte(twice: tuple[Bundle, Bundle]) -> None:
    first, second = twice
    assert first.sha256 == second.sha256
    quote_speeds = {"README.md", "report.html"}
    ours = {name: entry.sha256 for name, entry in first.files.items() if name not in quote_speeds}
    theirs = {name: entry.sha256 for name, entry in second.files.items() if name not in quote_speeds}
    assert ours == theirs
    assert {BOM, "generator.onnx", "golden.npz", "variants/openvino-int8.xml", "variants/onnx-fp16.onnx"} <= ours.keys()


@pytest.fixture(scope="module")
def document(twice: tuple[Bundle, Bundle]) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(twice[0].read(BOM))
    return loaded


@pytest.mark.slow
def test_the_published_schema_accepts_the_bill(twice: tuple[Bundle, Bundle], document: dict[str, Any]) -> None:
    validator = JsonStrictValidator(SchemaVersion.V1_6)
    assert validator.validate_str(twice[0].read(BOM).decode()) is None
    document = json.loads(json.dumps(document))
    document["metadata"]["component"]["type"] = "picture"
    assert validator.validate_str(json.dumps(document)) is not None, "the validator does look"


@pytest.mark.slow
def test_the_bill_names_model_data_files_and_tools(twice: tuple[Bundle, Bundle], document: dict[str, Any]) -> None:
    bundle = twice[0]
    model = document["metadata"]["component"]
    assert (model["type"], model["name"]) == ("machine-learning-model", bundle.spec.name)
    assert model["hashes"] == [{"alg": "SHA-256", "content": bundle.sha256}]
    data, *files = document["components"]
    assert (data["type"], data["name"]) == ("data", bundle.spec.provenance["data"]["name"])
    assert model["modelCard"]["modelParameters"]["datasets"] == [{"ref": data["bom-ref"]}]
    for entry in files:
        assert entry["hashes"][0]["content"] == digest(bundle.read(entry["name"]))
    assert {name for variant in bundle.variants for name in variant.files} < {entry["name"] for entry in files}
    purls = {tool["purl"] for tool in document["metadata"]["tools"]["components"] if "purl" in tool}
    assert "pkg:pypi/torch@2.13.0" in purls
    properties = {entry["name"]: entry["value"] for entry in model["properties"]}
    assert properties["gansample:checkpoint.sha256"] == bundle.spec.provenance["checkpoint_sha256"]


@pytest.mark.slow
def test_decisions_are_read_from_the_bundle_they_made(twice: tuple[Bundle, Bundle]) -> None:
    decisions = TimingDecisions.from_bundle(twice[0])
    assert decisions == TimingDecisions.from_bundle(twice[1])
    assert decisions.variants == tuple(variant.name for variant in twice[0].variants)
    assert decisions.float_layers is not None
    assert set(builders(decisions)) == set(decisions.variants)
    assert set(builders(TimingDecisions(variants=("onnx-fp32",)))) == {"onnx-fp32"}


@pytest.mark.parametrize("kept", [True, False])
def test_a_pass_is_kept_as_it_was_decided_whatever_the_stopwatch_says(kept: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    first = nn.Sequential(nn.Unflatten(1, (12, 1, 1)), nn.ConvTranspose2d(12, 8, 4), nn.ReLU())  # a matrix product, really
    graph = export_graph(ExportModel(nn.Sequential(first, nn.ConvTranspose2d(8, 1, 4, 2, 1), nn.Tanh()), GREY))
    monkeypatch.setattr("export.graph.passes.measure.speedup", lambda *_: 0.1 if kept else 9.0)
    decisions = dict.fromkeys(PASSES, kept)
    optimal, reports = optimise(graph, GREY, decisions=decisions)
    assert {report.name: report.kept for report in reports} == {report.name: kept for report in reports}
    assert reports, "one of the passes applies to this generator"
    assert (optimal.model != graph.model) == kept
    onnx.checker.check_model(onnx.load_from_string(optimal.model))
