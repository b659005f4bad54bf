"""The goldens of a bundle: pictures that the reference draws for a few seeds, to check any runtime on any machine."""

import io
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gansample.bundle.fidelity import GATES, Fidelity, compare
from gansample.bundle.open import GOLDENS, Bundle
from gansample.errors import ArtefactError, ParityError
from gansample.types import Images, Labels, Latents, Runner


@dataclass(frozen=True, slots=True)
class Goldens:
    """Seeds (N,), their latents (N, nz), labels (N,) or None, and the pictures uint8 (N, H, W, C) that belong to them."""

    seeds: npt.NDArray[np.int64]
    z: Latents
    label: Labels | None
    images: Images

    def first(self, n: int) -> "Goldens":
        """The first `n` of them."""
        label = self.label[:n] if self.label is not None else None
        return Goldens(self.seeds[:n], self.z[:n], label, self.images[:n])


def read_goldens(bundle: Bundle) -> Goldens:
    """A bundle's goldens, digest checked. Raises ArtefactError where it has none (a lone .onnx file) or they do not fit."""
    if GOLDENS not in bundle.files:
        raise ArtefactError(f"{bundle.path} carries no goldens to check a runtime with", "pass the whole bundle folder")
    spec, source = bundle.spec, f"{bundle.path}: {GOLDENS}"
    try:
        with np.load(io.BytesIO(bundle.read(GOLDENS)), allow_pickle=False) as arrays:
            seeds, label, images = arrays["seeds"], arrays["label"], arrays["images"]
    except (KeyError, ValueError, OSError) as error:
        raise ArtefactError(f"{source} cannot be read ({error})", "export again") from None
    if images.shape != (len(seeds), spec.height, spec.width, spec.channels) or images.dtype != np.uint8 or not len(seeds):
        raise ArtefactError(f"{source} holds {images.dtype} {images.shape}, which does not fit the spec", "export again")
    z = spec.latents(int(seed) for seed in seeds)
    return Goldens(seeds.astype(np.int64), z, label.astype(np.int64) if spec.classes is not None else None, images)


def check_goldens(runner: Runner, goldens: Goldens, precision: str) -> Fidelity:
    """Draw the goldens and return how far they are off. Raises ParityError where it breaks the precision's gate."""
    seen = compare(runner.run(goldens.z, goldens.label), goldens.images)
    if failures := GATES[precision].failures(seen):
        raise ParityError(
            f"{runner.backend} does not draw this bundle's pictures ({'; '.join(failures)})",
            "do not use it here: --backend onnxruntime is the reference",
        )
    return seen
