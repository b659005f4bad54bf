"""Activations that the file tells apart are measured; those that it cannot tell are the textbook's, or are left to the user."""

import pytest
import torch
from torch import nn

from export.importers.from_names.layers import layers_of
from export.importers.from_names.measure import Measured, measure, weigh
from export.importers.from_names.segments import DISTRIBUTIONS


def network(activation: nn.Module, updates: int = 60) -> nn.Sequential:
    """A small DCGAN whose BatchNorm statistics are those of its own pictures."""
    torch.manual_seed(0)
    module = nn.Sequential(
        nn.ConvTranspose2d(24, 64, 4, bias=False), nn.BatchNorm2d(64), activation,
        nn.ConvTranspose2d(64, 64, 4, 2, 1, bias=False), nn.BatchNorm2d(64), activation, nn.ConvTranspose2d(64, 1, 4, 2, 1),
    )  # fmt: skip
    for _ in range(updates):
        module(torch.randn(64, 24, 1, 1))
    return module.eval()


def chain(first: str, last: str) -> tuple[str, ...]:
    return ("z", "convt4s1p0", "bn", first, "convt4s2p1", "bn", last, "convt4s2p1", "tanh")


def read(state: dict[str, torch.Tensor], first: str, last: str) -> Measured:
    layers = layers_of(state)
    return measure(chain(first, last), layers, weigh(chain(first, last), layers, DISTRIBUTIONS))


def known(found: Measured) -> dict[str, str]:
    return {fact.name: fact.known for fact in found.facts}


@pytest.mark.parametrize(("activation", "token"), [(nn.LeakyReLU(0.2), "lrelu0.2"), (nn.ELU(), "elu")])
def test_what_settled_statistics_tell_apart_is_kept_and_taken_where_nothing_tells(activation: nn.Module, token: str) -> None:
    found = read(network(activation).state_dict(), token, "relu")
    assert found.tokens == chain(token, token)
    assert known(found)["activation, hidden 2"] == "assumed"
    assert found.distribution == "normal"
    assert found.distribution_margin is not None


def test_behind_the_last_batch_norm_nothing_tells_and_the_textbook_is_taken() -> None:
    found = read(network(nn.ReLU()).state_dict(), "relu", "lrelu0.1")
    assert found.tokens == chain("relu", "relu")
    assert "no BatchNorm follows" in next(fact.how for fact in found.facts if fact.name == "activation, hidden 2")


def test_within_the_noise_of_the_statistics_the_textbook_is_taken() -> None:
    state = network(nn.ReLU()).state_dict()
    noise = torch.Generator().manual_seed(1)
    for name in ("4.running_mean", "4.running_var"):
        state[name] = state[name] * torch.exp(0.8 * torch.randn(64, generator=noise))
    found = read(state, "lrelu0.01", "lrelu0.01")
    assert found.tokens == chain("relu", "relu")
    assert known(found)["activation, hidden 1"] == "assumed"


@pytest.mark.parametrize("updates", [0, 1, 3])
def test_statistics_that_had_hardly_settled_are_no_evidence_against_the_right_reading(updates: int) -> None:
    found = read(network(nn.ReLU(), updates).state_dict(), "elu", "elu")
    assert found.tokens == chain("relu", "relu")
    assert max(found.mismatches) < 0.25
