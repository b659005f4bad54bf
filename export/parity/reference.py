"""The reference that every variant is compared with (PyTorch in float64, but for foreign graphs), and the noise of float32."""

import logging
import time
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from export.effort import Effort, fewer
from export.export_model import ExportModel, cycled_labels, render_batches
from export.mapping import SynthesisSpec
from export.parity.distribution import DistributionTest
from export.parity.features import Features, random_features
from gansample.bundle.fidelity import Fidelity, RunningFidelity, psnr_db
from gansample.bundle.spec import Spec
from gansample.latents import latents
from gansample.types import Images

logger = logging.getLogger(__name__)

SEEDS = 1024
STRESSED = 32  # latents for each condition outside the plain seeds
UNROUNDED = 256  # seeds compared before rounding, and drawn in float32 too: a figure in dB settles long before a thousand
TAIL = 5.0  # a component of N(0, I) passes it once in two million draws
TRUNCATIONS = (0.1, 1.0)  # nearly the mean picture, and the strongest truncation people use


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """Latents and what the reference draws for them. The plain seeds come first, then the stress conditions."""

    effort: Effort
    generator: ExportModel
    """In float64, for further pictures and for the layers in between."""
    seeds: range
    z: npt.NDArray[np.float32]
    label: npt.NDArray[np.int64] | None
    conditions: dict[str, slice]
    """Name -> rows of `z`: `seeds`, then tails and truncation extremes."""
    images: Images
    """(N, H, W, C) for every row of `z`."""
    unrounded: npt.NDArray[np.float64]
    """The same before rounding, in 8-bit steps, for the first few seeds."""
    finite: bool
    """Whether no picture holds NaN or infinity before rounding."""
    float32: Fidelity
    """PyTorch's own float32 against float64 on the first seeds: no export can be asked to be closer."""
    float32_psnr_db: float
    """The same before rounding to 8 bits."""
    float32_images_per_second: float
    distribution: DistributionTest

    def draw(self, z: npt.NDArray[np.float32], label: npt.NDArray[np.int64] | None) -> Images:
        """The reference pictures (N, H, W, C) of other latents."""
        return np.concatenate([part.images for part in render_batches(self.generator, z, label)])


def render_reference(
    generator: ExportModel, seeds: range = range(SEEDS), features: Features | None = None, effort: Effort = "full"
) -> Reference:
    """Draw the reference pictures; a conditional generator cycles through all its classes.

    features  what the distributions are compared in (default: the fixed random network of `export.parity.features`).
    effort    what the number of seeds was chosen by, for the verdict to say.

    A network that does not draw in float64 is its own reference in float32, and says so (`reference_name`).
    """
    spec = generator.spec
    z, conditions = parity_latents(spec, seeds)
    label = cycled_labels(spec, len(z))
    reference, generator32 = generator.reference_for(z, label), generator.in_precision(torch.float32)
    if reference.reference_name != generator.reference_name:
        logger.info(f"forward does not compute in float64: the reference is {reference.reference_name}")
    few = min(fewer(spec, UNROUNDED, least=8), len(seeds))
    images, unrounded, finite = _expected(reference, z, label, few)
    features = features if features is not None else random_features(spec.channels)
    # The floor needs other latents, and float32 is the torch that people compare with.
    others = range(seeds.stop, seeds.stop + len(seeds))
    floor, rate = _floor(generator32, spec.latents(others), features)
    float32, squares, done = RunningFidelity(), [], 0
    for part in render_batches(generator32, z[:few], label[:few] if label is not None else None):
        rows = slice(done, done := done + len(part.images))
        float32.add(part.images, images[rows])
        squares.append(mean_squares(part.unrounded, unrounded[rows]))
    return Reference(
        effort=effort,
        generator=reference,
        seeds=seeds,
        z=z,
        label=label,
        conditions=conditions,
        images=images,
        unrounded=unrounded,
        finite=finite,
        float32=float32.result(),
        float32_psnr_db=psnr_db(float(np.concatenate(squares).mean())),
        float32_images_per_second=rate,
        distribution=DistributionTest.fit(features, features.extract(images[: len(seeds)]), floor),
    )


def _expected(
    generator: ExportModel, z: npt.NDArray[np.float32], label: npt.NDArray[np.int64] | None, few: int
) -> tuple[Images, npt.NDArray[np.float64], bool]:
    """All pictures, the first `few` before rounding, and whether all are finite."""
    size = (generator.spec.height, generator.spec.width, generator.spec.channels)
    images, unrounded, finite, done = np.empty((len(z), *size), np.uint8), np.empty((few, *size)), True, 0
    for part in render_batches(generator, z, label):
        images[done : done + len(part.images)] = part.images
        unrounded[done : done + len(part.images)] = part.unrounded[: max(0, few - done)]
        finite &= bool(np.isfinite(part.unrounded).all())
        done += len(part.images)
    return images, unrounded, finite


def _floor(generator: ExportModel, z: npt.NDArray[np.float32], features: Features) -> tuple[npt.NDArray[np.float64], float]:
    """Features of what PyTorch float32 draws, and how many pictures it draws in a second."""
    parts: list[npt.NDArray[np.float64]] = []
    seconds, batches = 0.0, render_batches(generator, z, cycled_labels(generator.spec, len(z)))
    while True:
        started = time.perf_counter()
        part = next(batches, None)
        seconds += time.perf_counter() - started
        if part is None:
            return np.concatenate(parts), len(z) / seconds
        parts.append(features.extract(part.images))


def parity_latents(spec: Spec, seeds: range) -> tuple[npt.NDArray[np.float32], dict[str, slice]]:
    """The latents of every condition, stacked, and which rows belong to which.

    seeds         what people draw.
    tails         normal latents stretched until their largest component is 3 … 5; corners of the cube for uniform ones.
    truncated t   every component within ±t; normal latents only.

    Of a synthesis they are the styles of these latents.
    """
    if isinstance(spec, SynthesisSpec):
        z, rows = parity_latents(spec.whole, seeds)
        return spec.styles(z), rows
    plain = spec.latents(seeds)
    few = range(seeds.start, seeds.start + min(fewer(spec, STRESSED, least=8), len(seeds)))
    if spec.distribution == "normal":
        largest = np.abs(plain[: len(few)]).max(axis=1, keepdims=True)
        tails = plain[: len(few)] / largest * np.linspace(3, TAIL, len(few))[:, None]
    else:
        tails = np.sign(plain[: len(few)])
    groups = {"seeds": plain, "tails": tails.astype(np.float32)}
    if spec.distribution == "normal":
        groups |= {f"truncated {t:g}": latents(few, spec.latent_size, truncation=t) for t in TRUNCATIONS}
    ends = np.cumsum([len(group) for group in groups.values()])
    rows = {name: slice(int(end) - len(groups[name]), int(end)) for name, end in zip(groups, ends, strict=True)}
    return np.concatenate(list(groups.values())), rows


def mean_squares(unrounded: npt.NDArray[np.generic], reference: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Mean squared difference of every picture before rounding, (N,); of a batch, for both are as large as the pictures."""
    return np.asarray(np.square(unrounded.astype(np.float64) - reference).mean(axis=(1, 2, 3)))


def unrounded_psnr_db(unrounded: npt.NDArray[np.generic], reference: npt.NDArray[np.float64]) -> float:
    return psnr_db(float(mean_squares(unrounded, reference).mean()))
