"""One seed gives one set of weights, whether the run was interrupted or not, and both players move the right way."""

import io
from typing import Any

import pytest
import torch

from tests.support.tiny_training import tiny_config, tiny_data
from train import training_step as loop
from train.config import Config
from train.model.losses import value
from train.model.pixels import from_bytes
from train.state import TrainingState
from train.training_step import NotFinite, StepMetrics, discriminator_step, generate_batch, generator_step, train


def trained(config: Config, steps: int, state: TrainingState | None = None) -> TrainingState:
    state = state or TrainingState(config, tiny_data())
    end = state.step + steps
    train(state, tiny_data(), refuse_faults, lambda: state.step == end)
    return state


def refuse_faults(seen: StepMetrics | NotFinite) -> None:
    if isinstance(seen, NotFinite):
        raise seen


def weights(state: TrainingState) -> dict[str, torch.Tensor]:
    parts = {"g": state.generator, "d": state.discriminator, "average": state.average.generator}
    return {f"{part}.{name}": tensor for part, module in parts.items() for name, tensor in module.state_dict().items()}


def assert_equal(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> None:
    assert a.keys() == b.keys()
    assert not [name for name in a if not torch.equal(a[name], b[name])]


@pytest.mark.parametrize("preset", ["modern", "classic"])
def test_the_same_seed_gives_the_same_weights_bit_for_bit(preset: str) -> None:
    config = tiny_config(preset)
    first = weights(trained(config, 12))
    torch.rand(7)  # whatever happened to the global stream before a run does not matter
    assert_equal(first, weights(trained(config, 12)))
    other = weights(trained(tiny_config(preset, seed=1), 12))
    assert any(not torch.equal(first[name], other[name]) for name in first)


EVERYTHING: list[dict[str, Any]] = [
    {"preset": "modern"},
    {"preset": "classic"},
    {"conditional": True, "x_flip": True, "augment_target": 0.6, "augment_color": 0.5, "augment_probability": 0.3},
    {"precision": "bf16", "augment_cutout": 0.3, "augment_probability": 0.5},
    {"loss": "wgan_gp", "d_norm": "none"},
    {"loss": "relativistic", "d_norm": "none", "r1": 0.1, "r2": 0.1},
    {"loss": "least_squares", "label_noise": 0.1},
]


@pytest.mark.parametrize("changes", EVERYTHING, ids=lambda changes: " ".join(map(str, changes.values())))
def test_saved_and_loaded_it_goes_on_bit_for_bit(changes: dict[str, Any]) -> None:
    config = tiny_config(**changes)
    straight = weights(trained(config, 20))
    half = trained(config, 10)
    file = io.BytesIO()
    torch.save(half.state_dict(), file)
    file.seek(0)
    other = TrainingState(config, tiny_data())
    other.load_state_dict(torch.load(file, weights_only=True))
    assert_equal(straight, weights(trained(config, 10, other)))


@pytest.mark.parametrize("loss", ["saturating", "non_saturating"])
def test_the_discriminator_climbs_the_value_and_the_generator_descends_it(loss: Any) -> None:
    """On one fixed batch, with nothing random in D: each player's own steps move V(D, G) its own way."""
    config = tiny_config("classic", loss=loss, label_noise=0.0, d_dropout=0.0, d_norm="none", lr_d=1e-3, lr_g=1e-3)
    state = trained(config, 5)
    real = from_bytes(tiny_data().images[:32], config.output)
    z = state.sample_latents()

    def value_now() -> float:
        with torch.no_grad():
            return value(state.discriminator(real), state.discriminator(state.generator(z))).item()

    before = value_now()
    for _ in range(10):
        discriminator_step(state, real, generate_batch(state).detach())
    climbed = value_now()
    assert climbed > before
    for _ in range(10):
        generator_step(state, generate_batch(state))
    assert value_now() < climbed


def test_each_step_moves_its_own_player_only() -> None:
    state = trained(tiny_config(), 2)
    before = {name: tensor.clone() for name, tensor in weights(state).items()}
    generator_step(state, generate_batch(state))
    after = weights(state)
    changed = {name for name in after if not torch.equal(before[name], after[name])}
    parameters = {f"d.{name}" for name, _ in state.discriminator.named_parameters()}
    assert not changed & parameters
    assert {f"g.{name}" for name, _ in state.generator.named_parameters()} <= changed


def test_every_loss_is_read_in_the_words_of_the_value_function() -> None:
    for preset in ("modern", "classic"):
        all_metrics: list[StepMetrics | NotFinite] = []
        state = TrainingState(tiny_config(preset), tiny_data())
        train(state, tiny_data(), all_metrics.append, lambda state=state: state.step == 3)
        assert len(all_metrics) == 3
        for metrics in all_metrics:
            assert isinstance(metrics, StepMetrics)
            assert metrics.value < 0
            assert 0 < metrics.d_real < 1
            assert 0 < metrics.d_fake < 1


@pytest.mark.parametrize("player", ["discriminator", "generator"])
def test_a_loss_that_is_no_number_stops_before_the_weights_are_touched(player: str, monkeypatch: pytest.MonkeyPatch) -> None:
    state = trained(tiny_config(), 2)
    before = {name: tensor.clone() for name, tensor in weights(state).items() if name.startswith(player[0])}
    original = getattr(loop, f"{player}_loss")
    monkeypatch.setattr(loop, f"{player}_loss", lambda *arguments: original(*arguments) * float("nan"))
    with pytest.raises(NotFinite, match=f"the {player}'s loss is nan at step 3"):
        trained(state.config, 1, state)
    after = weights(state)
    parameters = {f"{player[0]}.{name}" for name, _ in getattr(state, player).named_parameters()}
    assert not [name for name in parameters if not torch.equal(before[name], after[name])]


def test_the_rates_fall_to_zero_over_the_last_part_of_the_run() -> None:
    state = TrainingState(tiny_config(lr_decay=0.5, lr_g=1.0, lr_d=0.5), tiny_data())
    seen = []
    while not state.finished:
        state.advance()
        seen.append((state.adam_g.param_groups[0]["lr"], state.adam_d.param_groups[0]["lr"]))
    assert seen[9] == (1.0, 0.5)
    assert seen[14] == pytest.approx((0.5, 0.25))
    assert seen[-1] == (0.0, 0.0)


def test_bf16_trains_too_and_keeps_float32_weights() -> None:
    state = trained(tiny_config(precision="bf16"), 3)
    assert all(torch.isfinite(tensor.float()).all() for tensor in weights(state).values())
    assert {tensor.dtype for tensor in state.generator.parameters()} == {torch.float32}
