"""The game as it is played: D climbs V(D, G), G descends, and now and then somebody looks."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from train.augment import translate
from train.data.dataset import DataSet
from train.losses import discriminator_loss, generator_loss, value
from train.pixels import from_bytes
from train.state import TrainingState


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What one step showed, in the words of the value function, whatever loss is trained."""

    loss_d: float
    loss_g: float
    value: float
    """V(D, G), −∞..0."""
    d_real: float
    """Mean D(x), 0..1."""
    d_fake: float
    """Mean D(G(z)), 0..1."""


class NotFinite(ArithmeticError):
    """A loss is no number any more. The weights are still those from before the step."""


def train(
    state: TrainingState,
    data: DataSet,
    observe: Callable[[Reading], None],
    stop: Callable[[], bool],
) -> None:
    """Play until every image of the budget was seen, or `stop()` says so; `observe` is told of every step."""
    while not state.finished and not stop():
        real = from_bytes(data.images[state.order.take(state.config.batch)], state.config.output)
        fake = generate(state)
        loss_d, d_of_real, d_of_fake = discriminator_step(state, real, fake.detach())
        loss_g = generator_step(state, fake)
        state.advance()
        observe(
            Reading(
                loss_d=loss_d,
                loss_g=loss_g,
                value=value(d_of_real, d_of_fake).item(),
                d_real=d_of_real.sigmoid().mean().item(),
                d_fake=d_of_fake.sigmoid().mean().item(),
            )
        )


def generate(state: TrainingState) -> Tensor:
    """One batch G(z), float32 (N, C, H, W), with its graph. Both steps use it: drawing another would cost a tenth of one."""
    with _precision(state):
        fake: Tensor = state.generator(state.draw_latents())
    return fake.float()


def discriminator_step(state: TrainingState, real: Tensor, fake: Tensor) -> tuple[float, Tensor, Tensor]:
    """One step of D up V(D, G), or down its hinge. Returns the loss and the logits of real and generated pictures (N,)."""
    config = state.config
    with _precision(state):
        if config.d_norm == "batch":  # each batch keeps its own statistics: mixed ones would give the answer away
            of_real = state.discriminator(_augment(state, real)).float()
            of_fake = state.discriminator(_augment(state, fake)).float()
        else:
            both = state.discriminator(_augment(state, torch.cat([real, fake]))).float()
            of_real, of_fake = both.chunk(2)
    loss = discriminator_loss(config.loss, of_real, of_fake, config.label_noise)
    _descend(loss, state.adam_d, "discriminator", state.step)
    return loss.item(), of_real.detach(), of_fake.detach()


def generator_step(state: TrainingState, fake: Tensor) -> float:
    """One step of G, which drew `fake`, down its loss against a D that holds still. Returns the loss."""
    state.discriminator.requires_grad_(False)
    with _precision(state):
        of_fake = state.discriminator(_augment(state, fake)).float()
    loss = generator_loss(state.config.loss, of_fake)
    _descend(loss, state.adam_g, "generator", state.step)
    state.discriminator.requires_grad_(True)
    return loss.item()


def _descend(loss: Tensor, adam: torch.optim.Adam, player: str, step: int) -> None:
    if not math.isfinite(loss.item()):
        raise NotFinite(f"the {player}'s loss is {loss.item()} at step {step + 1}")
    adam.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    adam.step()


def _augment(state: TrainingState, images: Tensor) -> Tensor:
    return translate(images, state.config.translate_probability, state.config.translate_pixels)


def _precision(state: TrainingState) -> torch.autocast:
    return torch.autocast("cpu", torch.bfloat16, enabled=state.config.precision == "bf16")
