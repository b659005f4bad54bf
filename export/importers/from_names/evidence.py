"""The file's own evidence about a reading: a BatchNorm's running statistics are those of its input while it was trained.

They come from a moving average that begins at mean 0 and variance 1 and takes a tenth of each batch (PyTorch's default), and
the file counts the batches: what a reading gives is brought to the same count before it is compared, so that statistics that
had hardly settled are no evidence against the right one.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from export.importers.from_names.chain import Layer

MOMENTUM = 0.1
GROUPS = 8  # of latents, each of which is left out once
TINY = 1e-12
ERRORS = 3.0  # the level of significance, in standard errors: one in 700 measurements of the same thing is farther off


def statistics_off(x: Tensor, layer: Layer) -> float:
    """How far a BatchNorm's running statistics are from those of `x` (N, C, …): 0 the same, above 1 nothing alike."""
    return float(_channels_off(*_moments(x), layer).abs().sum(0).mean())


@dataclass(frozen=True, slots=True)
class Evidence:
    """How far each channel of a BatchNorm is off, signed, float (2, C): the log variance ratio, and the difference of the means
    in standard deviations; `without_group` float (GROUPS, 2, C) is the same without one group of the latents.
    """

    channels: Tensor
    without_group: Tensor

    @property
    def off(self) -> float:
        """0 the same, above 1 nothing alike."""
        return float(self.channels.abs().sum(0).mean())

    @property
    def parts(self) -> tuple[float, float]:
        """The mean square over channels: of what is common to all of them, and of their scatter."""
        common, scatter = _parts(self.channels)
        return float(common), float(scatter)


@dataclass(frozen=True, slots=True)
class Noise:
    """What is known of a file's noise at one BatchNorm: what the best readings leave.

    It has two parts, both unknown: weights that still move shift all channels of a BatchNorm alike, which gives one observation
    each; batches differ, which scatters the channels.
    """

    independent: float
    """How many channels scatter independently."""
    elsewhere: tuple[tuple[float, float], ...]
    """What the best reading leaves at each other BatchNorm, common and scattered: one observation of each."""

    def errors_apart(self, best: Evidence, other: Evidence) -> float:
        """By how many standard errors `other` explains the file worse than `best`; 0 where it does not.

        Twice the log likelihood ratio of two fits with unknown noise is χ²-distributed: Σ N log(RSS₁ / RSS₀), N observations.
        It counts only as far as it does not depend on our latents (delete-a-group jackknife).
        """
        groups = self._apart(best.without_group, other.without_group)
        difference = float(self._apart(best.channels, other.channels))
        error = float(((len(groups) - 1) / len(groups) * torch.square(groups - groups.mean()).sum()).sqrt())
        return 0.0 if difference <= 0 else min(difference**0.5, difference / (error + TINY))

    def _apart(self, best: Tensor, other: Tensor) -> Tensor:
        """Twice the log likelihood ratio of (…, 2, C); less scatter makes up for no shift, nor the other way round."""
        pairs = zip(self._logs(best), self._logs(other), strict=True)
        return sum(((worse - least).clamp(min=0) for least, worse in pairs), torch.zeros(()))

    def _logs(self, channels: Tensor) -> tuple[Tensor, Tensor]:
        common, scatter = _parts(channels)
        others, free = len(self.elsewhere), max(self.independent - 1, 0.0)
        common = common + sum(entry[0] for entry in self.elsewhere) + TINY
        scatter = free * scatter + sum(entry[1] for entry in self.elsewhere) + TINY
        return (1 + others) * common.log(), (free + others) * scatter.log()


def evidence(x: Tensor, layer: Layer) -> Evidence:
    """What the BatchNorm `layer` says about a reading that gives it the input `x` (N, C, …), N at least GROUPS."""
    groups = x[: len(x) // GROUPS * GROUPS].reshape(GROUPS, -1, *x.shape[1:])
    means, variances = zip(*(_moments(group) for group in groups), strict=True)
    mean, square = torch.stack(means), torch.stack(variances) + torch.square(torch.stack(means))
    rest = [(total.sum(0) - total) / (GROUPS - 1) for total in (mean, square)]
    without = _channels_off(rest[0], rest[1] - torch.square(rest[0]), layer)
    return Evidence(_channels_off(mean.mean(0), square.mean(0) - torch.square(mean.mean(0)), layer), without.transpose(0, 1))


def _parts(channels: Tensor) -> tuple[Tensor, Tensor]:
    """(…, 2, C) -> (…) each: the mean square of what all channels have in common, and of the rest."""
    return torch.square(channels.mean(-1)).sum(-1), channels.var(-1, unbiased=False).sum(-1)


def _moments(x: Tensor) -> tuple[Tensor, Tensor]:
    dims = [0, *range(2, x.dim())]
    return x.mean(dims), x.var(dims, unbiased=False)


def _channels_off(mean: Tensor, variance: Tensor, layer: Layer) -> Tensor:
    """The log variance ratio and the difference of the means in standard deviations, stacked, each within −2..2."""
    file_mean, file_variance = layer.tensors["running_mean"], layer.tensors["running_var"]
    start = _share_of_start(layer)
    mean, variance = (1 - start) * mean, (1 - start) * variance + start
    floor = 1e-5 + 0.01 * float(file_variance.mean())  # dead channels have no ratio
    ratio = torch.log((variance + floor) / (file_variance + floor))
    return torch.stack([ratio, (mean - file_mean) / (file_variance + floor).sqrt()]).clamp(-2, 2)


def _share_of_start(layer: Layer) -> float:
    """How much of mean 0 and variance 1, where the moving average began, is still in the file's statistics."""
    counter = layer.tensors.get("num_batches_tracked")
    if counter is None:
        return 0.0
    untouched = not layer.tensors["running_mean"].any() and bool((layer.tensors["running_var"] == 1).all())
    return float((1 - MOMENTUM) ** int(counter)) if int(counter) or untouched else 0.0


def independent_channels(x: Tensor) -> float:
    """How many independent channels scatter as much as those of `x` (N, C, …), which share their inputs.

    The effective number of degrees of freedom: C² / Σ correlation² (Bretherton et al. 1999).
    """
    channels = x.transpose(0, 1).flatten(1)
    correlation = torch.corrcoef(channels).nan_to_num() if len(channels) > 1 else torch.ones(1, 1)
    return len(channels) ** 2 / max(float(torch.square(correlation).sum()), 1.0)
