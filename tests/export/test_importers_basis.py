"""What an export assumed is a fact of the bundle: told, measured or assumed, and its PASS says so everywhere."""

import json
from pathlib import Path

import pytest
import torch
from torch import nn

from export.importers.import_log import ImportLog
from export.importers.load_generator import load_generator
from export.importers.request import ImportRequest
from export.importers.value_range import find_range
from gansample.bundle.basis import Basis, Fact, format_basis, grade
from gansample.bundle.spec import Spec
from gansample.errors import ArtefactError
from tests.support.import_case import SOURCE, import_case
from tests.support.synthetic_generators import trained_case

TOLD = Fact(name="range", value="tanh", known="told", how="--range")
ASSUMED = Fact(name="latent distribution", value="normal", known="assumed", how="--latent uniform says otherwise")


@pytest.mark.parametrize(
    ("basis", "verdict", "expected"),
    [
        (None, "PASS", "PASS"),
        (Basis(facts=(TOLD,)), "PASS", "PASS"),
        (Basis(facts=(TOLD, ASSUMED)), "PASS", "PASS, AS ASSUMED"),
        (Basis(facts=(TOLD, ASSUMED)), "FAIL", "FAIL"),
        (Basis(facts=(TOLD, ASSUMED)), "NOT RUN", "NOT RUN"),
    ],
)
def test_only_a_pass_that_rests_on_an_assumption_is_graded_down(basis: Basis | None, verdict: str, expected: str) -> None:
    assert grade(verdict, basis) == expected


def test_a_basis_survives_the_manifest_and_older_manifests_have_none() -> None:
    spec = Spec(name="x", latent_size=3, height=8, width=8, channels=1, basis=Basis(facts=(TOLD, ASSUMED), compared=8))
    assert Spec.from_json(json.dumps(spec.to_dict()), "x").basis == spec.basis
    older = {key: value for key, value in spec.to_dict().items() if key != "basis"}
    assert Spec.from_dict(older, "x").basis is None
    assert "not recorded" in format_basis(None)[0]
    with pytest.raises(ArtefactError, match="basis cannot be read"):
        Spec.from_dict({**older, "basis": {"facts": [{"name": "x", "value": "y", "known": "guessed"}]}}, "x")


def known(name: str, folder: Path) -> dict[str, str]:
    return {fact.name: fact.known for fact in import_case(name, folder).log.basis.facts}


def test_a_class_tells_layers_and_range_but_not_what_latents_are_drawn_from(tmp_path: Path) -> None:
    facts = known("dcgan32", tmp_path)
    assert (facts["layers"], facts["range"], facts["picture"], facts["weights"]) == ("told", "told", "told", "told")
    assert "latent distribution" in facts


@pytest.mark.parametrize(
    ("name", "fact"), [("unbounded", "range"), ("flat-rgb-last", "order of values"), ("label-joined", "label")]
)
def test_what_no_file_tells_is_assumed(name: str, fact: str, tmp_path: Path) -> None:
    assert known(name, tmp_path)[fact] == "assumed"


def test_what_the_user_says_is_told(tmp_path: Path) -> None:
    torch.save(trained_case("unbounded").state_dict(), tmp_path / "gen.pth")
    request = ImportRequest(
        weights=tmp_path / "gen.pth", generator=f"{SOURCE}:Unbounded", value_range="tanh", latent="normal", image=(3, 16, 16)
    )
    assert load_generator(request).log.basis.assumptions == ()


def test_a_recognised_network_is_assumed(tmp_path: Path) -> None:
    torch.save(trained_case("dcgan32").state_dict(), tmp_path / "gen.pth")
    log = load_generator(ImportRequest(weights=tmp_path / "gen.pth")).log
    assert {"layers", "range"} <= {fact.name for fact in log.basis.assumptions}


def test_the_choice_between_averaged_and_raw_weights_is_assumed_unless_told(tmp_path: Path) -> None:
    state = trained_case("dcgan32").state_dict()
    torch.save({"g_ema": state, "g": state}, tmp_path / "gen.pth")
    source = f"{SOURCE}:Dcgan"
    for key, expected in ((None, "assumed"), ("g", "told")):
        log = load_generator(ImportRequest(weights=tmp_path / "gen.pth", generator=source, key=key)).log
        assert log.facts["weights"].known == expected


@pytest.mark.parametrize(
    ("low", "high", "last", "expected"),
    [
        (-0.3, 0.4, "convolution", ("tanh", "assumed")),  # values that reach no bound show none
        (-1.0, 1.0, "mul", ("tanh", "measured")),
        (0.0, 1.0, "div", ("sigmoid", "measured")),
        (0.2, 0.6, "tanh", ("tanh", "told")),  # a tanh whose values all happen to be positive
        (-1.2, 1.1, "convolution", ("tanh", "assumed")),
    ],
)
def test_a_range_is_measured_only_where_values_show_it(low: float, high: float, last: str, expected: tuple[str, str]) -> None:
    log = ImportLog()
    images = torch.linspace(low, high, 64 * 64).reshape(64, 1, 8, 8)
    assert (find_range(images, log, last=last), log.facts["range"].known) == expected


def test_batch_norm_statistics_that_fit_nothing_are_an_assumption(tmp_path: Path) -> None:
    module = trained_case("dcgan32")
    for layer in module.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.reset_running_stats()
    torch.save(module.state_dict(), tmp_path / "gen.pth")
    log = load_generator(ImportRequest(weights=tmp_path / "gen.pth", generator=f"{SOURCE}:Dcgan")).log
    assert log.facts["BatchNorm's statistics"].known == "assumed"


def test_what_image_says_of_the_order_wins_over_what_is_measured_which_only_warns(tmp_path: Path) -> None:
    torch.save(trained_case("flat-rgb-last").state_dict(), tmp_path / "gen.pth")
    imported = load_generator(ImportRequest(weights=tmp_path / "gen.pth", generator=f"{SOURCE}:FlatRgb", image=(3, 20, 20)))
    assert imported.generator.network.signature.layout == "flat CHW"
    assert "with the channels last" in "\n".join(imported.log.texts("warning"))
