"""An imported generator is exported and draws what its author's PyTorch draws: every verdict is PASS."""

import warnings
from pathlib import Path

import pytest
import torch

from export.graph.to_onnx import export_graph
from export.importers.load_generator import Imported, load_generator
from export.importers.request import ImportRequest
from export.parity.reference import render_reference
from export.parity.verdict import check_parity
from export.variants.onnx_fp32 import open_unrounded
from gansample.runtimes.onnxruntime_cpu import OnnxRuntimeRunner
from tests.support.import_case import import_case
from tests.support.synthetic_generators import CASES, example, trained_case

QUICK = ("label-embedding", "squeezer", "fixed-batch", "flat-rgb-last")
BATCHES = {1: 4, 2: 8, 3: 9, 17: 64}  # the distribution is judged over all 64


def verdict(imported: Imported) -> str:
    generator = imported.generator
    graph, reference = export_graph(generator), render_reference(generator, range(64))
    with OnnxRuntimeRunner(graph.model, generator.spec) as runner:
        report = check_parity(
            runner.run,
            lambda: open_unrounded(graph.debug_graph, generator.spec),
            reference,
            variant="onnx-fp32",
            precision="fp32",
            batches=BATCHES,
        )
    return report.verdict if not report.failures else "; ".join(report.failures)


@pytest.mark.parametrize("name", QUICK)
def test_it_passes(name: str, tmp_path: Path) -> None:
    assert verdict(import_case(name, tmp_path)) == "PASS"


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in CASES if name not in QUICK])
def test_every_other_one_passes(name: str, tmp_path: Path) -> None:
    assert verdict(import_case(name, tmp_path)) == "PASS"


@pytest.mark.parametrize("name", ["dcgan32", "label-embedding"])
def test_a_torchscript_program_passes(name: str, tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tracing is deprecated; programs that were traced are not gone
        torch.jit.trace(trained_case(name), example(CASES[name], 4)).save(tmp_path / "gan.pt")
    assert verdict(load_generator(ImportRequest(torchscript=tmp_path / "gan.pt"))) == "PASS"


@pytest.mark.parametrize("name", ["upsample-eps", "attention", "conditional-onnx"])
def test_a_foreign_onnx_graph_passes(name: str, tmp_path: Path) -> None:
    name = "label-times" if name == "conditional-onnx" else name
    inputs = example(CASES[name], 4)
    names = ["latent", "classes"][: len(inputs)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the older exporter, which most graphs out there come from
        axes = {key: {0: "batch"} for key in names}
        torch.onnx.export(
            trained_case(name),
            inputs,
            tmp_path / "gan.onnx",
            dynamo=False,
            opset_version=17,
            input_names=names,
            dynamic_axes=axes,
        )
    assert verdict(load_generator(ImportRequest(onnx=tmp_path / "gan.onnx"))) == "PASS"
