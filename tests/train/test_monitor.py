"""Every fault that a run watches for is provoked, is named once, and is answered a bounded number of times."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.support.tiny_training import tiny_config, tiny_evaluator, tiny_trainer
from train import training_step as loop
from train.checkpoint import load_generator
from train.interruption import Interruption
from train.monitor import AUGMENT_PAUSE, AUGMENT_TIMES, FROZEN_STEPS, MAX_ROLLBACKS, Monitor
from train.scores.evaluator import Scores
from train.trainer import Trainer, TrainingDiverged
from train.training_step import StepMetrics

CALM = StepMetrics(loss_d=1.0, loss_g=0.5, value=-1.2, d_real=0.6, d_fake=0.4)


def warnings(trainer: Trainer) -> list[dict[str, Any]]:
    return [row for row in trainer.rows if row["event"] == "warning"]


def faults(trainer: Trainer) -> list[dict[str, Any]]:
    return [row for row in warnings(trainer) if row["kind"] == "not_finite"]


def poison(monkeypatch: pytest.MonkeyPatch, trainer: Trainer, player: str, bad: Any) -> None:
    """Make a player's loss NaN in the steps for which `bad(step)` holds; 1 is the first."""
    original = getattr(loop, f"{player}_loss")

    def loss(*arguments: Any) -> torch.Tensor:
        value: torch.Tensor = original(*arguments)
        return value * float("nan") if bad(trainer.state.step + 1) else value

    monkeypatch.setattr(loop, f"{player}_loss", loss)


def test_one_step_that_is_no_number_is_skipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = tiny_trainer(tmp_path / "run")
    poison(monkeypatch, trainer, "generator", lambda step: step == 13)
    trainer.fit(Interruption())
    assert trainer.state.finished
    assert [row["message"] for row in faults(trainer)] == ["the generator's loss is nan at step 13; the step was skipped"]
    assert all(torch.isfinite(tensor).all() for tensor in load_generator(tmp_path / "run").generator.state_dict().values())


def test_three_in_a_row_go_back_to_good_weights_at_half_the_rate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = tiny_trainer(tmp_path / "run")
    poison(monkeypatch, trainer, "discriminator", lambda step: step in (12, 13, 14))
    trainer.fit(Interruption())
    assert trainer.state.finished
    assert trainer.state.rate_factor == 0.5
    assert trainer.state.step == 20, "the counter goes on, and with it every plot"
    assert [row["step"] for row in faults(trainer)] == [12, 13, 14]
    assert "rolled back to the last good weights at half the learning rate" in faults(trainer)[-1]["message"]


def test_it_does_not_go_back_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = tiny_trainer(tmp_path / "run")
    poison(monkeypatch, trainer, "generator", lambda step: step > 4)
    with pytest.raises(
        TrainingDiverged, match=r"nan at step 16, again after rolling back 3 times: .*keeps the generator of"
    ) as e:
        trainer.fit(Interruption())
    assert e.value.exit_code == 7
    assert trainer.monitor.rollbacks == MAX_ROLLBACKS
    assert load_generator(tmp_path / "run").info["images_seen"] == 0


def test_losses_that_stand_still_end_the_run() -> None:
    monitor = Monitor(tiny_config())
    found = [incident for step in range(1, 400) if (incident := monitor.after_step(step, CALM, 0.0))]
    assert [(incident.kind, incident.action) for incident in found] == [("frozen", "stop")]
    moving = Monitor(tiny_config())
    assert not [1 for step in range(1, 400) if moving.after_step(step, replace(CALM, loss_d=1 + step / 1000), 0.0)]


def test_a_stopped_run_says_so_and_keeps_its_best(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("train.monitor.FROZEN_STEPS", 5)
    trainer = tiny_trainer(tmp_path / "run", tiny_config(lr_g=0.0, lr_d=0.0))
    trainer.progress.step = lambda *shown: setattr(trainer.monitor, "last_losses", (1.0, 1.0))  # type: ignore[method-assign]
    monkeypatch.setattr("train.monitor.round", lambda value, digits: 1.0, raising=False)
    trainer.fit(Interruption())
    assert trainer.stopped is not None
    assert trainer.state.step == 6
    assert load_generator(tmp_path / "run").info["finished"] is False


def test_an_overfitted_discriminator_is_shown_changed_pictures_a_bounded_number_of_times(tmp_path: Path) -> None:
    monitor = Monitor(tiny_config())
    moving = (replace(CALM, loss_d=1 + step / 1000) for step in range(1, 20 * AUGMENT_PAUSE))
    found = [incident for step, metrics in enumerate(moving, 1) if (incident := monitor.after_step(step, metrics, 0.95))]
    assert [incident.action for incident in found] == ["augment"] * AUGMENT_TIMES
    assert "D takes 98% of the training pictures for real" in found[0].message
    trainer = tiny_trainer(tmp_path / "run")
    before = trainer.state.augmentation.probability
    trainer._handle(found[0])
    assert trainer.state.augmentation.probability == pytest.approx(before + 0.1)


def scores(**changes: Any) -> Scores:
    usual = {"kernel": 1.0, "kernel_sd": 0.1, "coverage": 0.5, "class_distance": 0.1}
    return replace(tiny_evaluator().floor, **{**usual, **changes})


@pytest.mark.parametrize(
    ("bad", "spread", "message"),
    [
        (scores(), 0.3, "the pictures differ 30% as much as real ones do"),
        (scores(class_distance=0.6), 1.0, "60% of the pictures would have to change class"),
        (scores(coverage=0.2), 1.0, "coverage fell from 0.50 to 0.20"),
    ],
)
def test_a_collapse_is_named_once(bad: Scores, spread: float, message: str) -> None:
    monitor = Monitor(tiny_config())
    assert monitor.after_evaluation(scores(), 1.0, 1.0, 0.3) == []
    (incident,) = monitor.after_evaluation(bad, spread, 1.0, 0.55)
    assert (incident.kind, incident.message, incident.action) == ("collapse", message, "warn")
    assert monitor.after_evaluation(bad, spread, 1.0, 0.6) == [], "it was said"
    assert monitor.after_evaluation(scores(), 1.0, 1.0, 0.7) == []
    assert len(monitor.after_evaluation(bad, spread, 1.0, 0.8)) == 1, "it is back"


def test_an_untrained_generator_has_not_collapsed() -> None:
    assert Monitor(tiny_config()).after_evaluation(scores(class_distance=0.9, coverage=0.0), 0.1, 1.0, 0.05) == []


def test_a_real_collapse_is_seen(tmp_path: Path) -> None:
    """A generator that draws one picture for every latent, through the real evaluator."""
    trainer = tiny_trainer(tmp_path / "run")
    with torch.no_grad():
        trainer.state.average.generator.layers[0].weight.zero_()
    trainer.state.step, trainer.state.images_seen = 15, 480
    trainer._evaluate()
    messages = [row["message"] for row in warnings(trainer)]
    assert any("differ" in message for message in messages)
    assert any("change class" in message for message in messages)


@pytest.mark.parametrize(("intervene", "action"), [(True, "stop"), (False, "warn")])
def test_a_run_that_gets_worse_and_worse_stops(intervene: bool, action: str) -> None:
    monitor = Monitor(tiny_config(intervene=intervene))
    kernels = [10.0, 5.0, 1.0, 2.0, 3.0, 1.5, 2.9, 3.0, 4.0]
    found = [monitor.after_evaluation(scores(kernel=kernel), 1.0, 1.0, 0.5) for kernel in kernels]
    actions = [[incident.action for incident in incidents] for incidents in found]
    assert actions == [[]] * 8 + [[action]], "three in a row, and no sooner"
    young = Monitor(tiny_config(intervene=intervene))
    early = [incident for kernel in kernels for incident in young.after_evaluation(scores(kernel=kernel), 1.0, 1.0, 0.2)]
    assert not early, "early distances jump about"


def test_its_memory_is_saved() -> None:
    monitor, other = Monitor(tiny_config()), Monitor(tiny_config())
    monitor.after_evaluation(scores(), 1.0, 1.0, 0.3)
    for step in range(1, FROZEN_STEPS + 1):
        monitor.after_step(step, CALM, 0.0)
    other.load_state_dict(monitor.state_dict())
    incident = other.after_step(FROZEN_STEPS + 2, CALM, 0.0)
    assert incident is not None
    assert incident.kind == "frozen"
