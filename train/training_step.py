"""The training step of the two-player game, D ascending V(D, G) and G descending it, and the loop over steps."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from train.data.dataset import DataSet
from train.model.augment import augment
from train.model.losses import discriminator_loss, generator_loss, value
from train.model.penalties import gradient_penalty, zero_centred
from train.model.pixels import from_bytes
from train.state import TrainingState


@dataclass(frozen=True, slots=True, kw_only=True)
class StepMetrics:
    """What one step showed, in terms of the value function, whatever loss is trained."""

    loss_d: float
    loss_g: float
    value: float
    """V(D, G), −∞..0."""
    d_real: float
    """Mean D(x), 0..1."""
    d_fake: float
    """Mean D(G(z)), 0..1."""


class NotFinite(ArithmeticError):
    """A loss or a gradient is not finite. The weights are still those from before the step."""


def train(
    state: TrainingState,
    data: DataSet,
    observe: Callable[[StepMetrics | NotFinite], None],
    stop: Callable[[], bool],
) -> None:
    """Train until every image of the budget was seen, or `stop()` is true; `observe` is called after every step."""
    while not state.finished and not stop():
        try:
            metrics = step(state, *next_batch(state, data))
        except NotFinite as error:
            state.advance()
            observe(error)
        else:
            state.advance()
            observe(metrics)


def next_batch(state: TrainingState, data: DataSet) -> tuple[Tensor, Tensor | None]:
    """This process's part of the next batch: pictures in the generator's range, and their labels where they matter."""
    indices = state.group.shard(state.order.take(state.config.batch))
    pixels = data.images[indices].to(state.device)
    if state.config.x_flip:
        flipped = torch.rand(len(pixels), 1, 1, 1, device=state.device) < 0.5
        pixels = torch.where(flipped, pixels.flip(3), pixels)
    labels = data.labels[indices].to(state.device) if state.config.conditional and data.labels is not None else None
    return from_bytes(pixels, state.config.output), labels


def step(state: TrainingState, real: Tensor, labels: Tensor | None) -> StepMetrics:
    """One step of each player. Raises NotFinite, before the player it concerns has moved."""
    fake = generate_batch(state, labels)
    loss_d, of_real, of_fake = discriminator_step(state, real, fake.detach(), labels)
    loss_g = generator_step(state, fake, labels, real)
    figures = [
        value(of_real, of_fake),
        of_real.sigmoid().mean(),
        of_fake.sigmoid().mean(),
        of_real.sign().mean(),
        loss_d,
        loss_g,
    ]
    together = torch.stack(figures)
    state.group.all_reduce_mean([together])
    v, d_real, d_fake, mean_sign, d, g = together.tolist()
    state.augmentation.observe(mean_sign, state.config.batch)
    return StepMetrics(loss_d=d, loss_g=g, value=v, d_real=d_real, d_fake=d_fake)


def generate_batch(state: TrainingState, labels: Tensor | None = None) -> Tensor:
    """One batch G(z), float32 (N, C, H, W), with its graph. Both steps use it: generating another would cost a tenth of a step.

    A conditional generator gets the classes of the real batch, so both sides have the same share of each.
    """
    with _precision(state):
        fake: Tensor = state.generator(state.sample_latents(), labels)
    return fake.float()


def discriminator_step(
    state: TrainingState, real: Tensor, fake: Tensor, labels: Tensor | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """One step of D up V(D, G), or down its own loss. Returns the loss and the logits of real and generated pictures (N,)."""
    config = state.config

    def logits(images: Tensor, of: Tensor | None = labels) -> Tensor:
        with _precision(state):
            logits: Tensor = state.discriminator(images, of)
        return logits.float()

    shown_real, shown_fake = augmented(state, real), augmented(state, fake)
    if config.d_norm == "batch":  # each batch keeps its own statistics: mixed ones would give the answer away
        of_real, of_fake = logits(shown_real), logits(shown_fake)
    else:
        both = torch.cat([labels, labels]) if labels is not None else None
        of_real, of_fake = logits(torch.cat([shown_real, shown_fake]), both).chunk(2)
    loss = discriminator_loss(config.loss, of_real, of_fake, config.label_noise)
    if config.loss == "wgan_gp":
        loss = loss + config.gradient_penalty * gradient_penalty(logits, shown_real, shown_fake)
    if config.r1:
        loss = loss + config.r1 * zero_centred(logits, shown_real)
    if config.r2:
        loss = loss + config.r2 * zero_centred(logits, shown_fake)
    _descend(state, loss, state.discriminator, state.adam_d, "discriminator")
    return loss.detach(), of_real.detach(), of_fake.detach()


def generator_step(state: TrainingState, fake: Tensor, labels: Tensor | None = None, real: Tensor | None = None) -> Tensor:
    """One step of G, which generated `fake`, down its loss against a frozen D. Returns the loss."""
    state.discriminator.requires_grad_(False)
    try:
        of_real = None
        with _precision(state):
            of_fake = state.discriminator(augmented(state, fake), labels).float()
            if state.config.loss == "relativistic" and real is not None:
                of_real = state.discriminator(augmented(state, real), labels).float()
        loss = generator_loss(state.config.loss, of_fake, of_real)
        _descend(state, loss, state.generator, state.adam_g, "generator")
    finally:
        state.discriminator.requires_grad_(True)
    return loss.detach()


def augmented(state: TrainingState, images: Tensor) -> Tensor:
    """What D is shown instead of `images`."""
    config = state.config
    return augment(
        images,
        state.augmentation.probability,
        translate=config.augment_translate,
        color=config.augment_color,
        cutout=config.augment_cutout,
    )


def _descend(state: TrainingState, loss: Tensor, player: torch.nn.Module, adam: torch.optim.Adam, name: str) -> None:
    adam.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    gradients = [parameter.grad for parameter in player.parameters() if parameter.grad is not None]
    seen = loss.detach().clone()
    state.group.all_reduce_mean([*gradients, seen])  # the loss too, so that every process finds the same fault in the same step
    size = total_norm(gradients)
    if not (torch.isfinite(size) and torch.isfinite(seen)):
        what = f"loss is {seen.item()}" if not torch.isfinite(seen) else f"gradient is {size.item()}"
        raise NotFinite(f"the {name}'s {what} at step {state.step + 1}")
    adam.step()


def total_norm(tensors: Iterable[Tensor]) -> Tensor:
    """The Euclidean norm of all of them together, one number."""
    norm: Tensor = torch.nn.utils.get_total_norm(tensors)
    return norm


def _precision(state: TrainingState) -> torch.autocast:
    return torch.autocast(state.device.type, torch.bfloat16, enabled=state.config.precision == "bf16")
