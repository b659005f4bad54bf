"""OpenVINO draws the bundle's pictures whatever the batch, and what it cannot run is one clear error."""

import sys
from pathlib import Path

import numpy as np
import pytest

from gansample import open_sampler
from gansample.bundle.open import Bundle, open_bundle
from gansample.errors import ArtefactError, BackendUnavailable, UsageError
from gansample.latents import latents
from gansample.runtimes.open import open_runner
from gansample.runtimes.openvino_cpu import BLOCK, OpenVinoRunner
from tests.support.make_tiny_bundle import LATENT, make_tiny_bundle


def opened(bundle: Bundle, precision: str = "fp32") -> OpenVinoRunner:
    return OpenVinoRunner(bundle.read("generator.onnx"), None, bundle.spec, precision=precision, variant="v", threads=1)  # type: ignore[arg-type]


@pytest.mark.parametrize("classes", [None, ("a", "b", "c")])
def test_the_batch_never_changes_a_picture(tmp_path: Path, classes: tuple[str, ...] | None) -> None:
    bundle = open_bundle(make_tiny_bundle(tmp_path / "b", classes=classes))
    n = 2 * BLOCK + 3
    z, label = latents(range(n), LATENT), np.arange(n) % 3 if classes else None
    with opened(bundle) as runner, open_runner(bundle, "onnxruntime", bundle.variants[0]) as reference:
        together = runner.run(z, label)
        single = [runner.run(z[i : i + 1], label[i : i + 1] if label is not None else None) for i in range(n)]
        assert np.array_equal(together, np.concatenate(single))
        assert np.abs(together.astype(int) - reference.run(z, label)).max() <= 1
        assert runner.run(z[:0], label[:0] if label is not None else None).shape == (0, 8, 8, 3)


def test_a_graph_that_does_not_match_its_spec_is_refused(tmp_path: Path) -> None:
    bundle = open_bundle(make_tiny_bundle(tmp_path / "b", channels=1))
    other = open_bundle(make_tiny_bundle(tmp_path / "c"))
    with pytest.raises(ArtefactError, match="does not match its spec: images"):
        OpenVinoRunner(other.read("generator.onnx"), None, bundle.spec, precision="fp32", variant="v")


@pytest.mark.parametrize(
    ("damage", "weights", "message"),
    [
        (b"", None, "no valid ONNX file"),
        (b"no model", None, "no valid ONNX file"),
        (b"<net", None, "no valid ONNX file"),
        (b"<net", b"\0", "no OpenVINO model"),
        (b"\x3a\x00", None, "OpenVINO refuses"),  # a graph, with nothing in it
        (b"<net/>", b"\0", "OpenVINO refuses"),
    ],
)
def test_what_openvino_cannot_read_is_an_artefact_error(
    tmp_path: Path, damage: bytes, weights: bytes | None, message: str
) -> None:
    bundle = open_bundle(make_tiny_bundle(tmp_path / "b"))
    with pytest.raises(ArtefactError, match=message):
        OpenVinoRunner(damage, weights, bundle.spec, precision="fp32", variant="v")


def test_without_openvino_the_pip_line_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = open_bundle(make_tiny_bundle(tmp_path / "b"))
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(BackendUnavailable, match=r"pip install 'gansample\[openvino\]'"):
        opened(bundle)


def test_a_precision_that_would_not_run_is_refused(tmp_path: Path) -> None:
    bundle = open_bundle(make_tiny_bundle(tmp_path / "b"))
    with pytest.raises(BackendUnavailable, match="does not run fp16"):
        opened(bundle, "fp16")


def test_nothing_falls_back(tmp_path: Path) -> None:
    bundle = open_bundle(make_tiny_bundle(tmp_path / "b"))
    with pytest.raises(BackendUnavailable, match="no exact variant for openvino"):
        open_sampler(bundle, "openvino")
    with pytest.raises(BackendUnavailable, match="onnx-fp32 runs on onnxruntime, not on openvino"):
        open_sampler(bundle, "openvino", variant="onnx-fp32")
    with pytest.raises(ArtefactError, match="no variant 'openvino-int8'"):
        open_sampler(bundle, variant="openvino-int8")
    with pytest.raises((BackendUnavailable, UsageError), match="unknown backend"):
        open_sampler(bundle, "magic")
    with pytest.raises(BackendUnavailable, match="onnx-fp32 runs on onnxruntime, not on magic"):
        open_runner(bundle, "magic", bundle.variants[0])
