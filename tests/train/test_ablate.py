"""Every arm differs from the textbook by one thing, sees as many pictures, and no result is lost."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from gansample.errors import UsageError
from tests.support.logs import logged
from tests.support.tiny_training import tiny_config, tiny_data, tiny_plan
from train import ablate as module
from train.ablate import ARMS, EVALUATIONS, ablate, arm_config, subset
from train.presets import config_for
from train.show.ablation import effect, markdown, plot_png, spread

FEW = tuple(arm for arm in ARMS if arm.name in ("classic", "noisy labels", "hinge loss"))


def test_each_arm_changes_one_thing_and_the_budget_is_everybodys() -> None:
    shared = config_for("classic")
    classic = asdict(arm_config(ARMS[0], 0, shared))
    for arm in ARMS[2:]:
        changed = {name for name, value in asdict(arm_config(arm, 0, shared)).items() if value != classic[name]}
        assert changed == set(arm.changes), arm.name
    assert {arm_config(arm, 3, shared).images for arm in ARMS} == {shared.images}
    assert {arm_config(arm, 3, shared).seed for arm in ARMS} == {3}
    assert {arm_config(arm, 3, shared).evaluations for arm in ARMS} == {EVALUATIONS}


def test_the_seven_tips_are_all_switched_off() -> None:
    assert len([arm for arm in ARMS if arm.group == "without"]) == 7


def test_an_interrupted_experiment_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = tiny_plan(tiny_config("classic", images=64))
    small = {"g_width": 8, "d_width": 8}
    monkeypatch.setattr(module, "arm_config", lambda arm, seed, shared: replace(arm_config(arm, seed, shared), **small))
    said: list[str] = []
    with logged(said):
        first = ablate(tiny_data(), plan, 1, tmp_path / "results.json", FEW[:2])
    assert [row["arm"] for row in first["rows"]] == ["classic", "noisy labels"]
    with logged(said):
        document = ablate(tiny_data(), plan, 1, tmp_path / "results.json", FEW)
    assert len(said) == 3, "what was done is not done again"
    assert document["rows"][:2] == first["rows"]
    assert json.loads((tmp_path / "results.json").read_text()) == document
    page = markdown(document)
    assert "| classic without | noisy labels |" in page
    assert "*real pictures*" in page
    assert plot_png([document, document]).startswith(b"\x89PNG")
    with pytest.raises(UsageError, match=r"results.json is from another experiment"):
        ablate(tiny_data(), tiny_plan(tiny_config("classic", images=96)), 1, tmp_path / "results.json", FEW)


def test_a_shortened_set_is_the_same_every_time() -> None:
    few, again = subset(tiny_data(), 100), subset(tiny_data(), 100)
    assert len(few.images) == 100
    assert few.images.equal(again.images)
    assert few.fingerprint == again.fingerprint != tiny_data().fingerprint


def test_spread_and_effect_are_honest_about_noise() -> None:
    assert spread([1.0, 2.0, 3.0], ".1f") == "2.0 ± 1.0"
    base = [{"frechet": value} for value in (10.0, 11.0, 12.0)]
    assert effect([{"frechet": value} for value in (11.0, 12.0, 13.0)], base) == "+9% (within noise)"
    assert effect([{"frechet": value} for value in (5.0, 5.1, 4.9)], base) == "**-55%**"
