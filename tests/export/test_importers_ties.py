"""Activations that the file tells apart are measured; those that it cannot tell are the textbook's."""

import pytest
import torch
from torch import nn

from export.importers.from_names.layers import layers_of
from export.importers.from_names.ties import settled


def network(activation: nn.Module) -> nn.Sequential:
    """A small DCGAN whose BatchNorm statistics are those of its own pictures."""
    torch.manual_seed(0)
    module = nn.Sequential(
        nn.ConvTranspose2d(24, 64, 4, bias=False), nn.BatchNorm2d(64), activation,
        nn.ConvTranspose2d(64, 64, 4, 2, 1, bias=False), nn.BatchNorm2d(64), activation, nn.ConvTranspose2d(64, 1, 4, 2, 1),
    )  # fmt: skip
    for _ in range(60):
        module(torch.randn(64, 24, 1, 1))
    return module.eval()


def chain(first: str, last: str = "relu") -> tuple[str, ...]:
    return ("z", "convt4s1p0", "bn", first, "convt4s2p1", "bn", last, "convt4s2p1", "tanh")


@pytest.mark.parametrize(("activation", "token"), [(nn.LeakyReLU(0.2), "lrelu0.2"), (nn.ELU(), "elu")])
def test_what_settled_statistics_tell_apart_is_kept(activation: nn.Module, token: str) -> None:
    found, notes = settled(chain(token, token), layers_of(network(activation).state_dict()), "normal")
    assert (found, notes) == (chain(token, token), [])


def test_behind_the_last_batch_norm_nothing_tells_and_the_textbook_is_taken() -> None:
    found, notes = settled(chain("relu", "lrelu0.1"), layers_of(network(nn.ReLU()).state_dict()), "normal")
    assert found == chain("relu", "relu")
    assert "cannot tell lrelu0.1 from relu" in notes[0]


def test_within_the_noise_of_the_statistics_the_textbook_is_taken() -> None:
    state = network(nn.ReLU()).state_dict()
    noise = torch.Generator().manual_seed(1)
    for name in ("4.running_mean", "4.running_var"):
        state[name] = state[name] * torch.exp(0.8 * torch.randn(64, generator=noise))
    assert settled(chain("lrelu0.01"), layers_of(state), "normal")[0] == chain("relu")
