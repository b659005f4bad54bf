"""What is wrong with a generator's pictures, measured: what makes a bundle pointless is refused, the rest is logged."""

from dataclasses import replace

import torch
from torch import Tensor

from export.importers.batch_statistics import batch_mode, batch_norms
from export.importers.call_signature import GeneratorAdapter, Layout
from export.importers.free_batch import free_batch
from export.importers.import_log import ImportLog
from export.importers.operations import operations_of
from export.importers.picture_layout import smoothness
from export.importers.value_range import BOUNDS
from gansample.bundle.fidelity import psnr_db
from gansample.bundle.spec import ValueRange
from gansample.errors import ArtefactError

STALE_DB = 18.0  # PSNR of eval against batch mode: healthy generators show 20 dB and more, foreign statistics below 15
NOISE = 0.2  # correlation of neighbouring pixels: white noise 0, an untrained ConvTranspose chain about 0.3
SATURATED = 0.98  # share of pixels at either end of the range; digits and drawings reach 0.9
ALIKE = 0.25  # standard deviation over latents, in 8-bit steps
RECALIBRATE = "export with --recalibrate-bn to measure them anew"


@torch.no_grad()
def refuse_random(adapter: GeneratorAdapter, z: Tensor, label: Tensor | None) -> None:
    """Raise ArtefactError where the same latent gives another picture each time."""
    with torch.random.fork_rng():
        again = adapter(z, label)
        once, seen = operations_of(lambda: adapter(z, label))
    if torch.equal(once, again):
        return
    cause = f" ({', '.join(sorted(seen.random))} in forward)" if seen.random else ""
    raise ArtefactError(
        f"the same latent gives another picture each time{cause}",
        "a picture must follow from its latent: pass --noise none, --noise fixed or --noise seeded",
    )


@torch.no_grad()
def batch_independent(adapter: GeneratorAdapter, z: Tensor, label: Tensor | None, log: ImportLog) -> GeneratorAdapter:
    """`adapter` such that a picture does not depend on the others of its batch, nor on the batch's size.

    Raises ArtefactError where pictures are mixed on purpose, or layers have no running statistics to use instead.
    """
    if adapter.signature.batch is not None:
        log.measured(f"forward takes batches of {adapter.signature.batch} only, its graph was freed of that number")
        return batch_independent(free_batch(adapter), z, label, log)
    few, some = 4, slice(0, 4)
    together = adapter(z, label)[some]
    apart = adapter(z[some], label[some] if label is not None else None)
    off = _steps(together - apart, together)
    if off > 0.5:
        bare = [layer for layer in batch_norms(adapter) if layer.running_mean is None]
        if bare:
            raise ArtefactError(
                f"{len(bare)} BatchNorm layers keep no running statistics, so a picture depends on the others of its batch",
                RECALIBRATE,
            )
        raise ArtefactError(
            f"a picture depends on the others of its batch (it moves by {off:.0f} steps among {few} instead of {len(z)})",
            "drop what mixes the batch (minibatch statistics, BatchNorm in training mode)",
        )
    try:
        alone = adapter(z[:1], label[:1] if label is not None else None)
        fits = _steps(alone - together[:1], together) <= 0.5
    except Exception:  # a squeeze that took the batch of one with it fails anywhere
        fits = False
    if not fits:
        log.measured("forward fails for a batch of one (a squeeze), its graph was freed of that")
        return free_batch(GeneratorAdapter(adapter.module, replace(adapter.signature, batch=None)))
    return adapter


@torch.no_grad()
def check_batch_statistics(
    adapter: GeneratorAdapter, z: Tensor, label: Tensor | None, value_range: ValueRange, log: ImportLog
) -> None:
    """Warn where BatchNorm's running statistics were never updated or do not fit the weights."""
    layers = [layer for layer in batch_norms(adapter) if layer.running_mean is not None]
    if not layers:
        return
    untouched = [layer for layer in layers if not layer.running_mean.any() and (layer.running_var == 1).all()]  # type: ignore[union-attr]
    with batch_mode(adapter):
        batch = adapter(z, label)
    low, high = BOUNDS[value_range]
    apart = (adapter(z, label).clamp(low, high) - batch.clamp(low, high)) * 255 / (high - low)
    apart_db = psnr_db(float(torch.square(apart).mean()))
    log.measured(f"eval mode against batch statistics: {apart_db:.1f} dB")
    if len(untouched) == len(layers) or apart_db < STALE_DB:
        log.fact("BatchNorm's statistics", "as in the file", "assumed", f"they do not fit the weights; {RECALIBRATE}")
    if len(untouched) == len(layers):
        log.warn(f"the running statistics of all {len(layers)} BatchNorm layers were never updated: {RECALIBRATE}")
    elif apart_db < STALE_DB:
        log.warn(
            f"BatchNorm's running statistics do not fit the weights (eval mode is {apart_db:.1f} dB from them): {RECALIBRATE}"
        )


def check_pictures(images: Tensor, value_range: ValueRange, log: ImportLog) -> None:
    """Refuse NaN and one picture for all latents; warn of nearly that, of saturation, and of noise.

    images  float (N, C, H, W) in `value_range`, N at least 16.
    """
    low, high = BOUNDS[value_range]
    steps = (images.clamp(low, high) - low) / (high - low) * 255
    if not torch.isfinite(images).all():
        share = float((~torch.isfinite(images)).double().mean())
        raise ArtefactError(f"the generator draws NaN or infinity ({share:.0%} of the pixels)", "use an earlier checkpoint")
    spread = float(steps.std(0).mean())
    if spread == 0:
        raise ArtefactError(
            "the generator draws the same picture for every latent", "it has collapsed, use an earlier checkpoint"
        )
    log.measured(f"pictures vary by {spread:.1f} of 255 steps from latent to latent")
    if spread < ALIKE:
        log.warn(f"nearly the same picture for every latent ({spread:.2f} of 255 steps): it has collapsed")
    edge = float(((steps < 1) | (steps > 254)).double().mean())
    if edge > SATURATED:
        log.warn(f"{edge:.1%} of the pixels are black or white: the output is saturated, or --range is wrong")
    smooth = smoothness(steps)
    log.measured(f"neighbouring pixels correlate by {smooth:.2f}")
    if smooth < NOISE:
        log.warn(f"the pictures look like noise (neighbouring pixels correlate by {smooth:.2f}): what was assumed may be wrong")


def check_order(images: Tensor, layout: Layout, log: ImportLog) -> None:
    """Warn where flat colour pictures (N, C, H, W) that were told to have their channels first look as if they came last."""
    n, channels, height, width = images.shape
    if layout != "flat CHW" or channels == 1:
        return
    last = images.reshape(n, height, width, channels).permute(0, 3, 1, 2)
    first_fits, last_fits = smoothness(images), smoothness(last)
    if last_fits > first_fits:
        log.warn(f"neighbouring pixels correlate by {last_fits:.2f} with the channels last, by {first_fits:.2f} as read")


def _steps(difference: Tensor, images: Tensor) -> float:
    """The largest difference in 8-bit steps of the pictures' own span."""
    span = float(images.max() - images.min()) or 1.0
    return float(difference.abs().max()) / span * 255
