"""The deployed file earns a score of its own, drawn by gansample, and says what it depends on."""

import warnings
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from export.build import BUILDERS, build_bundle
from export.importers.from_run import generator_from_run
from gansample.errors import ArtefactError, UsageError
from tests.support.make_tiny_bundle import make_tiny_bundle
from tests.support.tiny_training import tiny_data, tiny_evaluator, tiny_run
from train.evaluate_bundle import evaluate
from train.scores.inception import Inception
from train.scores.metrics import frechet_distance
from train.show.summary import summary


@pytest.fixture(scope="module")
def digits_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A generator of digits that was trained for a second and exported as `make export` does it, by its plain graph."""
    folder = tmp_path_factory.mktemp("evaluate")
    run = tiny_run(folder / "run")
    build_bundle(generator_from_run(run), folder / "bundle", {"onnx-fp32": BUILDERS["onnx-fp32"]})
    return folder / "bundle"


def test_the_exported_bundle_scores_as_its_checkpoint_did(digits_bundle: Path) -> None:
    result = evaluate(digits_bundle, tiny_data(), tiny_evaluator())
    assert result["scores"]["images"] == tiny_evaluator().images_wanted_final
    assert result["real"] == tiny_evaluator().floor.to_dict()
    assert result["trained"] is not None
    assert result["scores"]["frechet"] == pytest.approx(result["trained"]["frechet"], rel=0.01)
    assert result["scores"]["coverage"] == pytest.approx(result["trained"]["coverage"], abs=0.01)
    assert result["classifier"]["sha256"] == tiny_evaluator().sha256
    assert result["data"]["fingerprint"] == result["trained_on"] == tiny_data().fingerprint
    text = summary(result)
    for part in ("generated", "training", "real", "Fréchet distance", "recall", "nearest-neighbour ratio", "random features"):
        assert part in text
    for sha256 in (result["model"]["sha256"], tiny_evaluator().sha256, tiny_data().fingerprint):
        assert sha256[:12] in text
    assert "class accuracy" not in text
    assert "other data" not in text


def test_a_conditional_bundle_is_asked_for_the_data_s_classes(tmp_path: Path) -> None:
    data = tiny_data()
    names = ("one", "two", "three")
    assert data.labels is not None
    assert data.held_out_labels is not None
    three = replace(
        data,
        images=data.images.expand(-1, 3, -1, -1),
        held_out_images=data.held_out_images.expand(-1, 3, -1, -1),
        labels=data.labels % 3,
        held_out_labels=data.held_out_labels % 3,
        class_names=names,
    )
    evaluator = type(tiny_evaluator())(three)
    bundle = make_tiny_bundle(tmp_path / "pets", classes=("three", "one", "two"))
    result = evaluate(bundle, three, evaluator, n=2 * evaluator.sample_size + 7)
    assert result["scores"]["images"] == 2 * evaluator.sample_size
    assert 0 <= result["scores"]["obedience"] <= 1
    assert result["trained"] is None
    assert "class accuracy" in summary(result)
    with pytest.raises(UsageError, match="tiny has the classes ant, bee, cat, digits has one, two, three"):
        evaluate(make_tiny_bundle(tmp_path / "other", classes=("ant", "bee", "cat")), three, evaluator)


def test_what_cannot_be_compared_is_refused(digits_bundle: Path, tiny_bundle: Path) -> None:
    with pytest.raises(UsageError, match="tiny draws 8×8 pixels with 3 channels, digits holds 8×8 pixels with 1 channel"):
        evaluate(tiny_bundle, tiny_data(), tiny_evaluator())
    with pytest.raises(UsageError, match="7 pictures are too few to score: draw at least 360"):
        evaluate(digits_bundle, tiny_data(), tiny_evaluator(), n=7)


def test_other_data_than_it_was_trained_on_are_mentioned(digits_bundle: Path) -> None:
    result = evaluate(digits_bundle, replace(tiny_data(), fingerprint="f" * 64), tiny_evaluator(), n=360)
    assert "trained on other data" in summary(result)


class TinyInception(nn.Module):
    """The published file's face with a few fixed features."""

    def forward(self, images: Tensor, return_features: bool = False) -> Tensor:
        assert images.dtype == torch.uint8
        assert images.shape[1] == 3
        assert return_features
        scaled = images.float() / 255
        return torch.cat([scaled.mean((2, 3)), scaled.amax((2, 3)), scaled.flatten(1)[:, ::97]], 1)


@pytest.fixture(scope="module")
def inception_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("inception") / "inception.pt"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.jit.script(TinyInception()).save(path)
    return path


def test_fid_is_the_frechet_distance_in_the_given_network_s_features(digits_bundle: Path, inception_file: Path) -> None:
    """With a stand-in of the same face. With the real weights, which cannot be had here: NOT RUN."""
    inception = Inception(inception_file)
    result = evaluate(digits_bundle, tiny_data(), tiny_evaluator(), n=360, inception=inception)
    fid = result["inception_fid"]
    assert (fid["images"], fid["real_images"]) == (360, len(tiny_data().images))
    assert fid["weights_sha256"] == inception.sha256
    assert f"weights {inception.sha256[:12]}" in summary(result)
    images = tiny_data().held_out_images
    by_hand = [TinyInception()(part.expand(-1, 3, -1, -1), True).double().numpy() for part in (images, tiny_data().images)]
    assert inception.distance(images, tiny_data().images)["value"] == pytest.approx(frechet_distance(*by_hand), abs=1e-4)


def test_a_file_that_is_no_inception_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match="missing"):
        Inception(tmp_path / "missing.pt")
    (tmp_path / "noise.pt").write_bytes(b"noise")
    with pytest.raises(ArtefactError, match="cannot be loaded as TorchScript"):
        Inception(tmp_path / "noise.pt")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.jit.script(nn.ReLU()).save(tmp_path / "relu.pt")
    with pytest.raises(ArtefactError, match=r"does not answer model\(images, return_features=True\)"):
        Inception(tmp_path / "relu.pt").features(tiny_data().images[:2])
