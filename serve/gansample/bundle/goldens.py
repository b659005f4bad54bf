"""The goldens of a bundle: pictures that the reference draws for a few seeds, to check any runtime on any machine."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gansample.bundle.fidelity import GATES, Fidelity, compare
from gansample.bundle.open import GOLDENS, Bundle
from gansample.bundle.style_mapping import MAX_PSI
from gansample.errors import ArtefactError, ParityError
from gansample.latents import SEED_END
from gansample.system.npz import read_npz
from gansample.types import Images, Labels, Latents, MapsStyles, Psi, Rows, Runner

MAX_BYTES = 1 << 29  # of all goldens: a hundred pictures of 1,024 × 1,024


@dataclass(frozen=True, slots=True)
class Goldens:
    """Seeds (N,), their latents (N, nz), labels (N,) or None, and the pictures uint8 (N, H, W, C) that belong to them.

    psi  float32 (N,), where the generator has a mapping.
    """

    seeds: npt.NDArray[np.int64]
    z: Latents
    label: Labels | None
    images: Images
    psi: Psi | None = None

    def inputs(self, runner: Runner) -> tuple[Rows, Labels | None]:
        """What `runner` is to draw: latents with their labels, or the styles that it makes of them, which need none."""
        if self.psi is None:
            return self.z, self.label
        assert isinstance(runner, MapsStyles), "it was opened without its mapping"
        return runner.styles(self.z, self.label, self.psi), None

    def first(self, n: int) -> "Goldens":
        """The first `n` of them."""
        label = self.label[:n] if self.label is not None else None
        psi = self.psi[:n] if self.psi is not None else None
        return Goldens(self.seeds[:n], self.z[:n], label, self.images[:n], psi)


def read_goldens(bundle: Bundle) -> Goldens:
    """A bundle's goldens, digest checked. Raises ArtefactError where it has none (a lone .onnx file) or they do not fit."""
    if GOLDENS not in bundle.files:
        raise ArtefactError(f"{bundle.path} carries no goldens to check a runtime with", "pass the whole bundle folder")
    spec, source = bundle.spec, f"{bundle.path}: {GOLDENS}"
    try:
        names = ("seeds", "label", "images") if spec.mapping is None else ("seeds", "label", "images", "psi")
        arrays = read_npz(bundle.read(GOLDENS), names, MAX_BYTES)
    except ValueError as error:
        raise ArtefactError(f"{source} cannot be read ({error})", "export again") from None
    seeds, label, images = arrays["seeds"], arrays["label"], arrays["images"]
    count = len(images) if images.ndim else 0
    if images.shape != (count, spec.height, spec.width, spec.channels) or images.dtype != np.uint8 or not count:
        raise ArtefactError(f"{source} holds {images.dtype} {images.shape}, which does not fit the spec", "export again")
    for name, array, end in (("seeds", seeds, SEED_END), ("label", label, len(spec.classes or ()) or None)):
        if array.shape != (count,) or array.dtype.kind not in "iu" or array.min() < 0 or (end and array.max() >= end):
            raise ArtefactError(f"{source}: {name} does not fit the {count} pictures", "export again")
    psi = arrays.get("psi")
    if psi is not None and (psi.shape != (count,) or psi.dtype.kind != "f" or not (np.abs(psi) <= MAX_PSI).all()):
        raise ArtefactError(f"{source}: psi does not fit the {count} pictures", "export again")
    z = spec.latents(int(seed) for seed in seeds)
    labels = label.astype(np.int64) if spec.classes is not None else None
    return Goldens(seeds.astype(np.int64), z, labels, images, psi.astype(np.float32) if psi is not None else None)


def check_goldens(runner: Runner, goldens: Goldens, precision: str) -> Fidelity:
    """Draw the goldens and return how far they are off. Raises ParityError where it breaks the precision's gate."""
    seen = compare(runner.run(*goldens.inputs(runner)), goldens.images)
    if failures := GATES[precision].failures(seen):
        raise ParityError(
            f"{runner.backend} does not draw this bundle's pictures ({'; '.join(failures)})",
            "do not use it here: --backend onnxruntime is the reference",
        )
    return seen
