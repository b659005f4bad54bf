"""What PyTorch draws: the reference in float64 that every variant is compared with, and the noise of float32 beside it."""

import time
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from export.export_model import ExportModel, Rendered, cycled_labels, render
from export.parity.distribution import DistributionTest
from export.parity.features import Features, random_features
from gansample.bundle.fidelity import Fidelity, compare, psnr_db
from gansample.bundle.spec import Spec
from gansample.errors import ArtefactError
from gansample.latents import latents

SEEDS = 1024
STRESSED = 32  # latents for each condition outside the plain seeds
NOISE = 256  # seeds that PyTorch float32 draws too: its noise floor settles long before a thousand
TAIL = 5.0  # a component of N(0, I) passes it once in two million draws
TRUNCATIONS = (0.1, 1.0)  # nearly the mean picture, and the strongest truncation people use


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """Latents and what PyTorch float64 draws for them. The plain seeds come first, then the stress conditions."""

    generator: ExportModel
    """In float64, for further pictures and for the layers in between."""
    seeds: range
    z: npt.NDArray[np.float32]
    label: npt.NDArray[np.int64] | None
    conditions: dict[str, slice]
    """Name -> rows of `z`: `seeds`, then tails and truncation extremes."""
    pictures: Rendered
    float32: Fidelity
    """PyTorch's own float32 against float64 on the first seeds: no export can be asked to be closer."""
    float32_psnr_db: float
    """The same before rounding to 8 bits."""
    float32_images_per_second: float
    distribution: DistributionTest

    def render(self, z: npt.NDArray[np.float32], label: npt.NDArray[np.int64] | None) -> Rendered:
        return render(self.generator, z, label)


def render_reference(generator: ExportModel, seeds: range = range(SEEDS), features: Features | None = None) -> Reference:
    """Draw the reference pictures; a conditional generator cycles through all its classes.

    features  what the distributions are compared in (default: the fixed random network of `export.parity.features`).

    Raises ArtefactError where the network does not draw in float64.
    """
    spec = generator.spec
    z, conditions = parity_latents(spec, seeds)
    label = cycled_labels(spec, len(z))
    generator64, generator32 = generator.in_precision(torch.float64), generator.in_precision(torch.float32)
    try:
        expected = render(generator64, z, label)
    except RuntimeError as error:  # what PyTorch raises where precisions meet
        reason = " ".join(str(error).split())[:120]
        raise ArtefactError(
            f"the generator does not draw in float64, which is the reference ({reason})", "create tensors with dtype=z.dtype"
        ) from error
    started = time.perf_counter()
    # The floor needs other latents, and float32 is the torch that people compare with.
    others = range(seeds.stop, seeds.stop + len(seeds))
    floor = render(generator32, spec.latents(others), cycled_labels(spec, len(others)))
    rate = len(others) / (time.perf_counter() - started)
    few = slice(0, min(NOISE, len(seeds)))
    float32 = render(generator32, z[few], label[few] if label is not None else None)
    features = features if features is not None else random_features(spec.channels)
    return Reference(
        generator=generator64,
        seeds=seeds,
        z=z,
        label=label,
        conditions=conditions,
        pictures=expected,
        float32=compare(float32.images, expected.images[few]),
        float32_psnr_db=unrounded_psnr_db(float32.unrounded, expected.unrounded[few]),
        float32_images_per_second=rate,
        distribution=DistributionTest.from_pictures(features, expected.images[: len(seeds)], floor.images),
    )


def parity_latents(spec: Spec, seeds: range) -> tuple[npt.NDArray[np.float32], dict[str, slice]]:
    """The latents of every condition, stacked, and which rows belong to which.

    seeds         what people draw.
    tails         normal latents stretched until their largest component is 3 … 5; corners of the cube for uniform ones.
    truncated t   every component within ±t; normal latents only.
    """
    plain = spec.latents(seeds)
    few = range(seeds.start, seeds.start + min(STRESSED, len(seeds)))
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


def unrounded_psnr_db(unrounded: npt.NDArray[np.generic], reference: npt.NDArray[np.float64]) -> float:
    return psnr_db(float(np.square(unrounded.astype(np.float64) - reference).mean()))
