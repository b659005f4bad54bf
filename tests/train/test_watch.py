"""Every fault that a run watches for is provoked, is named once, and is answered a bounded number of times."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.support.tiny_training import tiny_config, tiny_judge, tiny_session
from train import training_step as loop
from train.checkpoint import load_generator
from train.interruption import Interruption
from train.monitor import AUGMENT_PAUSE, AUGMENT_TIMES, FROZEN_STEPS, GOING_BACK, Watch
from train.scores.evaluator import Scores
from train.trainer import Session, TrainingDiverged
from train.training_step import Reading

CALM = Reading(loss_d=1.0, loss_g=0.5, value=-1.2, d_real=0.6, d_fake=0.4)


def warnings(session: Session) -> list[dict[str, Any]]:
    return [row for row in session._rows if row["event"] == "warning"]


def faults(session: Session) -> list[dict[str, Any]]:
    return [row for row in warnings(session) if row["kind"] == "not_finite"]


def poison(monkeypatch: pytest.MonkeyPatch, session: Session, player: str, bad: Any) -> None:
    """Make a player's loss NaN in the steps for which `bad(step)` holds; 1 is the first."""
    original = getattr(loop, f"{player}_loss")

    def loss(*arguments: Any) -> torch.Tensor:
        value: torch.Tensor = original(*arguments)
        return value * float("nan") if bad(session.state.step + 1) else value

    monkeypatch.setattr(loop, f"{player}_loss", loss)


def test_one_step_that_is_no_number_is_skipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    session = tiny_session(tmp_path / "run")
    poison(monkeypatch, session, "generator", lambda step: step == 13)
    session.play(Interruption())
    assert session.state.finished
    assert [row["message"] for row in faults(session)] == ["the generator's loss is nan at step 13; the step was skipped"]
    assert all(torch.isfinite(tensor).all() for tensor in load_generator(tmp_path / "run").generator.state_dict().values())


def test_three_in_a_row_go_back_to_good_weights_at_half_the_rate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    session = tiny_session(tmp_path / "run")
    poison(monkeypatch, session, "discriminator", lambda step: step in (12, 13, 14))
    session.play(Interruption())
    assert session.state.finished
    assert session.state.rate_factor == 0.5
    assert session.state.step == 20, "the counter goes on, and with it every plot"
    assert [row["step"] for row in faults(session)] == [12, 13, 14]
    assert "back to the last good weights at half the rate" in faults(session)[-1]["message"]


def test_it_does_not_go_back_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    session = tiny_session(tmp_path / "run")
    poison(monkeypatch, session, "generator", lambda step: step > 4)
    with pytest.raises(
        TrainingDiverged, match=r"nan at step 16, again after going back 3 times: .*keeps the generator of"
    ) as e:
        session.play(Interruption())
    assert e.value.exit_code == 7
    assert session.watch.gone_back == GOING_BACK
    assert load_generator(tmp_path / "run").info["images_seen"] == 0


def test_losses_that_stand_still_end_the_run() -> None:
    watch = Watch(tiny_config())
    found = [finding for step in range(1, 400) if (finding := watch.step(step, CALM, 0.0))]
    assert [(finding.kind, finding.action) for finding in found] == [("frozen", "stop")]
    moving = Watch(tiny_config())
    assert not [1 for step in range(1, 400) if moving.step(step, replace(CALM, loss_d=1 + step / 1000), 0.0)]


def test_a_stopped_run_says_so_and_keeps_its_best(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("train.monitor.FROZEN_STEPS", 5)
    session = tiny_session(tmp_path / "run", tiny_config(lr_g=0.0, lr_d=0.0))
    session.progress.step = lambda *shown: setattr(session.watch, "last_losses", (1.0, 1.0))  # type: ignore[method-assign]
    monkeypatch.setattr("train.monitor.round", lambda value, digits: 1.0, raising=False)
    session.play(Interruption())
    assert session.stopped is not None
    assert session.state.step == 6
    assert load_generator(tmp_path / "run").info["finished"] is False


def test_an_overfitted_discriminator_is_shown_changed_pictures_a_bounded_number_of_times(tmp_path: Path) -> None:
    watch = Watch(tiny_config())
    moving = (replace(CALM, loss_d=1 + step / 1000) for step in range(1, 20 * AUGMENT_PAUSE))
    found = [finding for step, reading in enumerate(moving, 1) if (finding := watch.step(step, reading, 0.95))]
    assert [finding.action for finding in found] == ["augment"] * AUGMENT_TIMES
    assert "D takes 98% of the training pictures for real" in found[0].message
    session = tiny_session(tmp_path / "run")
    before = session.state.augmentation.probability
    session._act(found[0])
    assert session.state.augmentation.probability == pytest.approx(before + 0.1)


def scores(**changes: Any) -> Scores:
    return replace(tiny_judge().floor, **{"kernel": 1.0, "kernel_sd": 0.1, "coverage": 0.5, "class_distance": 0.1, **changes})


@pytest.mark.parametrize(
    ("look", "spread", "message"),
    [
        (scores(), 0.3, "the pictures differ 30% as much as real ones do"),
        (scores(class_distance=0.6), 1.0, "60% of the pictures would have to change class"),
        (scores(coverage=0.2), 1.0, "coverage fell from 0.50 to 0.20"),
    ],
)
def test_a_collapse_is_named_once(look: Scores, spread: float, message: str) -> None:
    watch = Watch(tiny_config())
    assert watch.look(scores(), 1.0, 1.0, 0.3) == []
    (finding,) = watch.look(look, spread, 1.0, 0.55)
    assert (finding.kind, finding.message, finding.action) == ("collapse", message, "warn")
    assert watch.look(look, spread, 1.0, 0.6) == [], "it was said"
    assert watch.look(scores(), 1.0, 1.0, 0.7) == []
    assert len(watch.look(look, spread, 1.0, 0.8)) == 1, "it is back"


def test_an_untrained_generator_has_not_collapsed() -> None:
    assert Watch(tiny_config()).look(scores(class_distance=0.9, coverage=0.0), 0.1, 1.0, 0.05) == []


def test_a_real_collapse_is_seen(tmp_path: Path) -> None:
    """A generator that draws one picture for every latent, through the real judge."""
    session = tiny_session(tmp_path / "run")
    with torch.no_grad():
        session.state.average.generator.layers[0].weight.zero_()
    session.state.step, session.state.images_seen = 15, 480
    session._look()
    messages = [row["message"] for row in warnings(session)]
    assert any("differ" in message for message in messages)
    assert any("change class" in message for message in messages)


@pytest.mark.parametrize(("intervene", "action"), [(True, "stop"), (False, "warn")])
def test_a_run_that_gets_worse_and_worse_stops(intervene: bool, action: str) -> None:
    watch = Watch(tiny_config(intervene=intervene))
    looks = [10.0, 5.0, 1.0, 2.0, 3.0, 1.5, 2.9, 3.0, 4.0]
    found = [[finding.action for finding in watch.look(scores(kernel=kernel), 1.0, 1.0, 0.5)] for kernel in looks]
    assert found == [[]] * 8 + [[action]], "three in a row, and no sooner"
    young = Watch(tiny_config(intervene=intervene))
    assert not [1 for kernel in looks if young.look(scores(kernel=kernel), 1.0, 1.0, 0.2)], "early distances jump about"


def test_its_memory_is_saved() -> None:
    watch, other = Watch(tiny_config()), Watch(tiny_config())
    watch.look(scores(), 1.0, 1.0, 0.3)
    for step in range(1, FROZEN_STEPS + 1):
        watch.step(step, CALM, 0.0)
    other.load_state_dict(watch.state_dict())
    finding = other.step(FROZEN_STEPS + 2, CALM, 0.0)
    assert finding is not None
    assert finding.kind == "frozen"
